"""Streamed answers: how they are opened, bounded, kept alive and ended, behind any serving program."""

from .answers import AdmittedResponse
from .body import StreamedBody
from .one_thread import MORE_THREADS, ONE_THREAD, has_one_thread
from .open_stream import OpenStream
from .registry import StreamRegistry

__all__ = [
    "MORE_THREADS",
    "ONE_THREAD",
    "AdmittedResponse",
    "OpenStream",
    "StreamRegistry",
    "StreamedBody",
    "has_one_thread",
]
