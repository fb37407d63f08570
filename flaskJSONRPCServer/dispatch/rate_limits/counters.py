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

__all__ = ["Counters", "Grant"]

STORAGE_PAUSE_S: Final = 5.0
"""The pause before a failed shared storage is tried again, so that not every call waits for it. A guess."""

# Each further attempt means that another process took units in between. The units left are not worth more queries.
_MOST_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Grant:
    """The units that a limit has granted.

    Attributes:
        units: The number of calls that may run.
        retry_ms: The time until the limit has a unit again, in milliseconds; 0 if it has granted all units.
    """

    units: int
    retry_ms: int = 0


class Counters:
    """Takes units of limits.

    While a shared storage fails, this process counts on its own. To let every client in would reward those who can
    overload the storage; to let no client in would make the storage a single point of failure.

    Args:
        plan: The storage, the strategy and the size.
        log: Gets a line when a storage begins to fail, and when it answers again.
        clock: Returns the time in seconds, for the pauses of a failed storage.

    Raises:
        SettingsError, MissingExtraError: The storage cannot be used.
    """

    def __init__(self, plan: RateLimitPlan, log: ServerLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._scheme = scheme_of(plan.storage)
        self._shared = None if self._scheme == IN_MEMORY else STRATEGIES[plan.strategy](shared_storage(plan.storage))
        # BoundedMemoryStorage has no moving windows. There it is only the substitute, so the nearest strategy will do.
        strategy = "sliding-window-counter" if plan.strategy == "moving-window" else plan.strategy
        self._in_memory = STRATEGIES[strategy](BoundedMemoryStorage(plan.max_counters))
        self._counting = make_lock()  # guards _in_memory
        self._changing = make_lock()  # guards writes of the attributes below
        self.refused = 0  # the number of calls that were not run, for the statistics
        self._has_failed = False
        self._next_try_s = 0.0

    def take(self, item: RateLimitItem, key: tuple[str, ...], count: int) -> Grant:
        """Take up to ``count`` units of a limit from the counter of a key. No unit is granted twice."""
        # Read before the attempt: a success of an attempt that began before the failure is no recovery.
        is_trial = self._has_failed
        if self._shared is not None and self._is_due():
            try:
                grant = take_units(self._shared, item, key, count)
            except Exception as exc:  # noqa: BLE001  a client library may raise anything
                self._note_failure(exc)
            else:
                if is_trial:
                    self._note_recovery()
                return grant
        with self._counting:
            return take_units(self._in_memory, item, key, count)

    def count_refused(self, calls: int) -> None:
        """Count calls that were not run."""
        with self._changing:
            self.refused += calls

    def _is_due(self) -> bool:
        """Return whether to use the shared storage: always, unless it has failed; then one call after each pause."""
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
            # Only the type: some messages contain the URI, with the password.
            cause = getattr(exc, "storage_error", exc)
            what = f"the storage {self._scheme!r} of rateLimit fails ({type(cause).__name__})"
            self._log.write(WARNING, f"{what}: until it answers, this process counts for itself")

    def _note_recovery(self) -> None:
        with self._changing:
            was_down, self._has_failed = self._has_failed, False
        if was_down:
            self._log.write(INFO, f"the storage {self._scheme!r} of rateLimit answers again")


def take_units(limiter: RateLimiter, item: RateLimitItem, key: tuple[str, ...], count: int) -> Grant:
    """Take up to ``count`` units of a limit, and return the grant."""
    units = hit_units(limiter, item, key, count)
    if units == count:
        return Grant(units)
    left_ms = ceil((limiter.get_window_stats(item, *key).reset_time - time.time()) * 1000)
    # The clock of a storage on another machine may differ.
    return Grant(units, min(max(left_ms, 1), item.get_expiry() * 1000))


def hit_units(limiter: RateLimiter, item: RateLimitItem, key: tuple[str, ...], count: int) -> int:
    """Take up to ``count`` units of a limit, and return how many."""
    if count == 1:
        return int(limiter.hit(item, *key))
    # hit() takes all units or none. The number left has to be read first, and may be lower by the time of the hit.
    for _ in range(_MOST_ATTEMPTS):
        units = min(count, limiter.get_window_stats(item, *key).remaining)
        if units <= 0 or limiter.hit(item, *key, cost=units):
            return max(units, 0)
    return 0
