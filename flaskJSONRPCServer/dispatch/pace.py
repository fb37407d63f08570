"""What keeps one long batch from starving other requests."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..settings import Settings

__all__ = ["BATCH_ENDED", "Pace", "pace_of"]

BATCH_ENDED = -32004
"""Code of the error for a call that was not run because its batch took longer than ``antifreeze_batchMaxTime``."""


class Pace:
    """The pace of one batch.

    Args:
        max_time_ms: How long a batch runs before others have their turn, in milliseconds.
        pause: Lets others run; None: the batch ends there.
    """

    def __init__(self, max_time_ms: float, pause: Callable[[], object] | None) -> None:
        self._max_time_s = max_time_ms / 1000
        self._pause = pause
        self._since = time.monotonic()

    def may_go_on(self) -> bool:
        """Tell whether the next call may run, after a pause where one is due."""
        if time.monotonic() - self._since <= self._max_time_s:
            return True
        if self._pause is None:
            return False
        self._pause()
        self._since = time.monotonic()
        return True


def pace_of(settings: Settings) -> Callable[[], Pace] | None:
    """Return what makes the pace of a batch; None where batches need none, as native threads take turns by themselves.

    Under gevent, ``time.sleep`` is that of gevent, and lets other greenlets run.
    """
    if settings.antifreeze_batchBreak:
        return lambda: Pace(settings.antifreeze_batchMaxTime, None)
    if settings.gevent:
        return lambda: Pace(settings.antifreeze_batchMaxTime, lambda: time.sleep(settings.antifreeze_batchSleep))
    return None
