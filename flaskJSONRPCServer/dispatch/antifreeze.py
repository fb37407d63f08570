"""The limit on how long one batch may hold up other requests (settings ``antifreeze_*``)."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..settings import Settings

__all__ = ["BATCH_ENDED", "BatchLimiter", "batch_limiter_for"]

BATCH_ENDED = -32004
"""Code of the error for a call that was not run because its batch took longer than ``antifreeze_batchMaxTime``."""


class BatchLimiter:
    """Limits how long one batch runs without a pause.

    Args:
        max_time_ms: How long a batch runs before other requests have their turn, in milliseconds.
        pause: Lets other requests run. None ends the batch instead.
    """

    def __init__(self, max_time_ms: float, pause: Callable[[], object] | None) -> None:
        self._max_time_s = max_time_ms / 1000
        self._pause = pause
        self._since = time.monotonic()

    def may_continue(self) -> bool:
        """Return whether the next call may run; pause first where that is due."""
        if time.monotonic() - self._since <= self._max_time_s:
            return True
        if self._pause is None:
            return False
        self._pause()
        self._since = time.monotonic()
        return True


def batch_limiter_for(settings: Settings) -> Callable[[], BatchLimiter] | None:
    """Return a factory of limiters, one for each batch; None where native threads take turns by themselves.

    Under gevent, ``time.sleep`` is that of gevent, and lets other greenlets run.
    """
    max_time_ms, pause_s = settings.antifreeze_batchMaxTime, settings.antifreeze_batchSleep
    if settings.antifreeze_batchBreak:
        return lambda: BatchLimiter(max_time_ms, None)
    if settings.gevent:
        return lambda: BatchLimiter(max_time_ms, lambda: time.sleep(pause_s))
    return None
