"""The time that one batch may keep other requests waiting (settings ``antifreeze_*``)."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..settings import Settings

__all__ = ["BATCH_ENDED", "BatchLimiter", "batch_limiter_for"]

BATCH_ENDED = -32004
"""Error code of a call that was not run because its batch took longer than ``antifreeze_batchMaxTime``."""


class BatchLimiter:
    """Limits how long one batch runs without a pause.

    Args:
        max_time_ms: The time that a batch runs before it lets other requests run, in milliseconds.
        pause: Lets other requests run; None ends the batch instead.
    """

    def __init__(self, max_time_ms: float, pause: Callable[[], object] | None) -> None:
        self._max_time_s = max_time_ms / 1000
        self._pause = pause
        self._since = time.monotonic()

    def may_continue(self) -> bool:
        """Return whether the next call may run; pause first if a pause is due."""
        if time.monotonic() - self._since <= self._max_time_s:
            return True
        if self._pause is None:
            return False
        self._pause()
        self._since = time.monotonic()
        return True


def batch_limiter_for(settings: Settings) -> Callable[[], BatchLimiter] | None:
    """Return a function that makes the limiter of one batch; None if batches need no limit.

    Native threads need none: the interpreter switches between them on its own. Greenlets switch only when one waits.
    Under gevent, ``time.sleep`` is gevent's, so a pause lets other greenlets run.
    """
    max_time_ms, pause_s = settings.antifreeze_batchMaxTime, settings.antifreeze_batchSleep
    if settings.antifreeze_batchBreak:
        return lambda: BatchLimiter(max_time_ms, None)
    if settings.gevent:
        return lambda: BatchLimiter(max_time_ms, lambda: time.sleep(pause_s))
    return None
