"""The backend that is none: a call runs in the thread that serves its request."""

from __future__ import annotations

__all__ = ["SimpleBackend"]


class SimpleBackend:
    """Runs calls inline, notifications too, so that their client's connection waits for them.

    It has no queue and no threads of its own, hence nothing to start, to stop or to count: the pipeline calls the
    dispatcher itself.
    """

    _id = "simple"
