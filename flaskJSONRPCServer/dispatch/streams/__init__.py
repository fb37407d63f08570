"""Streamed answers: how they are opened, bounded, kept alive and ended, behind any serving program."""

from .answers import AdmittedResponse
from .body import StreamedBody
from .open_stream import OpenStream
from .registry import StreamRegistry

__all__ = ["AdmittedResponse", "OpenStream", "StreamRegistry", "StreamedBody"]
