"""The most streams and waiting calls of each serving backend, which leave it threads for other calls."""

from __future__ import annotations

from collections.abc import Mapping

from ..dispatch.streams.registry import FOREIGN_STREAMS
from ..dispatch.waiting_limits import WaitingLimit
from ..http.request import IS_WRAPPED, Environ
from ..settings import Settings
from .serving import SERVED_BY

__all__ = ["FOREIGN", "SERVED", "WRAPPED", "serving_kind", "stream_limits", "waiting_limits"]

FOREIGN = "foreign"
"""The kind of a WSGI server of another program."""

SERVED = "served"
"""The kind of the serving backend."""

WRAPPED = "wrapped"
"""The same, with a ``wsgi_app`` of the user around it, which may turn streams without threads into iterables."""

# Where streams occupy no thread: guessed, for the memory of their connections.
_FREE_STREAMS = 1000

# The backends whose streams occupy no thread that runs calls, and those whose streams do.
_WITHOUT_THREADS = ("native", "pywsgi")
_WITH_THREADS = ("granian", "werkzeug")


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
    if backend_id in _WITHOUT_THREADS:
        free = min(_FREE_STREAMS, max(1, settings.max_connections // 2)) if chosen is None else chosen
        return {SERVED: free, WRAPPED: bounded}
    if backend_id in _WITH_THREADS:
        return {SERVED: bounded, WRAPPED: bounded}
    other = FOREIGN_STREAMS if chosen is None else chosen
    return {SERVED: other, WRAPPED: other}


def waiting_limits(backend_id: str, settings: Settings) -> Mapping[str, WaitingLimit]:
    """Return how many calls of each kind may wait for messages of their clients behind a serving backend.

    It is half of those that streams leave room for, and at least one. A kind that is missing has the limit of its
    streams.

    Args:
        backend_id: The ``_id`` of the backend.
        settings: The settings of the server.
    """
    if backend_id not in (*_WITHOUT_THREADS, *_WITH_THREADS):
        return {}
    streams = stream_limits(backend_id, settings)
    setting = "max_concurrent_calls" if backend_id == "pywsgi" else "threads"
    at_once: int = getattr(settings, setting)
    taken = {SERVED: 0 if backend_id in _WITHOUT_THREADS else streams[SERVED], WRAPPED: streams[WRAPPED]}
    return {kind: WaitingLimit(max(1, (at_once - count) // 2), setting, at_once) for kind, count in taken.items()}
