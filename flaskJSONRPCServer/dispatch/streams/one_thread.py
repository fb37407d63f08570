"""Whether a serving program answers one request at a time."""

from __future__ import annotations

from typing import Final

from ...http.request import Environ
from ...runtime.concurrency import is_patched

__all__ = ["MORE_THREADS", "ONE_THREAD", "has_one_thread"]

ONE_THREAD: Final = "the serving program answers one request at a time, as it has one thread"
"""Why a request is refused that would keep this thread."""

MORE_THREADS: Final = "Start it with several, such as with --threads 16 of gunicorn"
"""The remedy."""


def has_one_thread(head: Environ) -> bool:
    """Return whether the process that serves a request has one thread for all requests, and no greenlets.

    gevent's own server says that it has one thread: its greenlets run in it.

    Args:
        head: The head of the request. Those of the serving backends say nothing of threads: they have several.
    """
    return not head.get("wsgi.multithread", True) and not is_patched()
