"""The backend ``simple``: a call runs in the thread that serves its request."""

from __future__ import annotations

__all__ = ["SimpleBackend"]


class SimpleBackend:
    """Runs calls inline. Notifications too: the client's connection waits until they have run.

    The class only carries the name. There is no queue and no thread to start, stop or count, so the pipeline calls the
    dispatcher directly.
    """

    _id = "simple"
