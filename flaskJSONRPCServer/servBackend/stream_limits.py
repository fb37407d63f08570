"""How many streams each serving backend takes, so that they leave it threads for calls."""

from __future__ import annotations

from ..dispatch.streams.registry import FOREIGN_STREAMS
from ..settings import Settings

__all__ = ["stream_limit"]

# Where streams occupy no thread: guessed, for the memory of their connections.
_FREE_STREAMS = 1000


def stream_limit(backend_id: str, settings: Settings) -> int:
    """Return the most streams that may be open behind a serving backend.

    Args:
        backend_id: The ``_id`` of the backend.
        settings: The settings of the server.
    """
    chosen = settings.max_streams
    if backend_id in ("native", "pywsgi"):
        return min(_FREE_STREAMS, max(1, settings.max_connections // 2)) if chosen is None else chosen
    if backend_id in ("granian", "werkzeug"):
        half = max(1, settings.threads // 2)
        return half if chosen is None else min(half, chosen)
    return FOREIGN_STREAMS if chosen is None else chosen
