"""The counters of all clients: in memory, or in a storage that several processes share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Final

from limits import RateLimitItem
from limits.strategies import STRATEGIES, RateLimiter

from ...runtime.concurrency import make_lock
from ...runtime.logs import INFO, WARNING, ServerLog
from .memory import BoundedMemoryStorage
from .plan import IN_MEMORY, RateLimitPlan, scheme_of
from .storages import shared_storage

__all__ = ["Counters", "Taken"]

STORAGE_PAUSE_S: Final = 5.0
"""How long a shared storage that has failed is left alone, so that not every call waits for it. A guess."""

# Each further one means that another client took units in between. What is left then is not worth more questions.
_MOST_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Taken:
    """What a limit has granted.

    Attributes:
        units: How many calls may run.
        retry_ms: In how many milliseconds the limit has a unit again; 0 where it has granted all.
    """

    units: int
    retry_ms: int = 0


class Counters:
    """Takes units of limits.

    As long as a shared storage fails, this process counts for itself: to let everybody in would be an invitation to
    whoever can overload the storage, and to let nobody in would make it a part without which nothing works.

    Args:
        plan: Says where and how to count.
        log: Gets a line when a storage begins to fail, and when it answers again.
        clock: Gives the time for the pauses of a storage that fails.

    Raises:
        SettingsError, MissingExtraError: The storage cannot be used.
    """

    def __init__(self, plan: RateLimitPlan, log: ServerLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._scheme = scheme_of(plan.storage)
        self._shared = None if self._scheme == IN_MEMORY else STRATEGIES[plan.strategy](shared_storage(plan.storage))
        # Memory does not count moving windows. It is the substitute there, so the nearest that it counts will do.
        strategy = "sliding-window-counter" if plan.strategy == "moving-window" else plan.strategy
        self._in_memory = STRATEGIES[strategy](BoundedMemoryStorage(plan.max_counters))
        self._counting = make_lock()  # guards _in_memory
        self._changing = make_lock()  # guards those below
        self.refused = 0  # calls, for the statistics
        self._has_failed = False
        self._next_try_s = 0.0

    def take(self, item: RateLimitItem, key: tuple[str, ...], count: int) -> Taken:
        """Take up to ``count`` units of a limit from the counter of a key. No other taker gets the same unit."""
        # Where it has not failed yet, a success says nothing: it may have begun before another call's failure.
        is_trial = self._has_failed
        if self._shared is not None and self._is_due():
            try:
                taken = taken_from(self._shared, item, key, count)
            except Exception as exc:  # noqa: BLE001  a client library raises what it likes
                self._note_failure(exc)
            else:
                if is_trial:
                    self._note_recovery()
                return taken
        with self._counting:
            return taken_from(self._in_memory, item, key, count)

    def count_refused(self, calls: int) -> None:
        """Count calls that were not run."""
        with self._changing:
            self.refused += calls

    def _is_due(self) -> bool:
        """Return whether the storage is asked: always, while it answers; else by one call after each pause."""
        if not self._has_failed:
            return True
        with self._changing:
            is_due = self._clock() >= self._next_try_s
            if is_due:
                self._next_try_s = self._clock() + STORAGE_PAUSE_S
        return is_due

    def _note_failure(self, exc: Exception) -> None:
        with self._changing:
            is_new, self._has_failed = not self._has_failed, True
            self._next_try_s = self._clock() + STORAGE_PAUSE_S
        if is_new:
            # Its type alone: the text of some has the URI, with the password.
            cause = getattr(exc, "storage_error", exc)
            what = f"the storage {self._scheme!r} of rateLimit fails ({type(cause).__name__})"
            self._log.write(WARNING, f"{what}: until it answers, this process counts for itself")

    def _note_recovery(self) -> None:
        with self._changing:
            was_down, self._has_failed = self._has_failed, False
        if was_down:
            self._log.write(INFO, f"the storage {self._scheme!r} of rateLimit answers again")


def taken_from(limiter: RateLimiter, item: RateLimitItem, key: tuple[str, ...], count: int) -> Taken:
    units = units_from(limiter, item, key, count)
    if units == count:
        return Taken(units)
    left_ms = ceil((limiter.get_window_stats(item, *key).reset_time - time.time()) * 1000)
    # A storage of another machine may go by another clock.
    return Taken(units, min(max(left_ms, 1), item.get_expiry() * 1000))


def units_from(limiter: RateLimiter, item: RateLimitItem, key: tuple[str, ...], count: int) -> int:
    if count == 1:
        return int(limiter.hit(item, *key))
    # hit() takes all or nothing. What is granted has to be asked for first, and may be gone by then.
    for _ in range(_MOST_ATTEMPTS):
        units = min(count, limiter.get_window_stats(item, *key).remaining)
        if units <= 0 or limiter.hit(item, *key, cost=units):
            return max(units, 0)
    return 0
