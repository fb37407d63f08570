"""The most streams of each serving backend, which leave it threads for calls."""

from __future__ import annotations

from collections.abc import Mapping

from ..dispatch.streams.registry import FOREIGN_STREAMS
from ..http.request import IS_WRAPPED, Environ
from ..settings import Settings
from .serving import SERVED_BY

__all__ = ["FOREIGN", "SERVED", "WRAPPED", "serving_kind", "stream_limits"]

FOREIGN = "foreign"
"""The kind of a WSGI server of another program."""

SERVED = "served"
"""The kind of the serving backend."""

WRAPPED = "wrapped"
"""The same, with a ``wsgi_app`` of the user around it, which may turn streams without threads into iterables."""

# Where streams occupy no thread: guessed, for the memory of their connections.
_FREE_STREAMS = 1000


def serving_kind(head: Environ) -> str:
    """Return the kind of the program that serves a request."""
    if SERVED_BY not in head:
        return FOREIGN
    return WRAPPED if IS_WRAPPED in head else SERVED


def stream_limits(backend_id: str, settings: Settings) -> Mapping[str, int]:
    """Return the most streams of each kind that may be open behind a serving backend.

    Args:
        backend_id: The ``_id`` of the backend.
        settings: The settings of the server.
    """
    chosen = settings.max_streams
    half = max(1, settings.threads // 2)
    bounded = half if chosen is None else min(half, chosen)
    if backend_id in ("native", "pywsgi"):
        free = min(_FREE_STREAMS, max(1, settings.max_connections // 2)) if chosen is None else chosen
        return {SERVED: free, WRAPPED: bounded}
    if backend_id in ("granian", "werkzeug"):
        return {SERVED: bounded, WRAPPED: bounded}
    other = FOREIGN_STREAMS if chosen is None else chosen
    return {SERVED: other, WRAPPED: other}
