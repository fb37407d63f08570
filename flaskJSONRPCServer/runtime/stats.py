"""Counters of one server, which cost the serving threads no lock."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["Stats"]


class Tally:
    """The counts of one thread. Only that thread writes them; readers add up all threads' tallies."""

    __slots__ = ("calls_done", "calls_failed", "calls_started", "requests_done", "requests_started")

    def __init__(self) -> None:
        self.requests_started = 0
        self.requests_done = 0
        self.calls_started = 0
        self.calls_done = 0
        self.calls_failed = 0


class ThreadEnd:
    """Lives in a thread's local storage; reports the thread's tally when the thread is gone."""

    __slots__ = ("_ended", "_tally")

    def __init__(self, tally: Tally, ended: deque[Tally]) -> None:
        self._tally = tally
        self._ended = ended

    def __del__(self) -> None:
        # A finaliser may run anywhere, also under a lock that this thread holds: appending to a deque takes none.
        self._ended.append(self._tally)


class Stats:
    """Counts requests and calls, and keeps mean and maximum of named durations.

    Every thread counts in a :class:`Tally` of its own. When a thread has ended, its tally is folded into a total, so
    that memory is bounded by the number of living threads.
    """

    def __init__(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self._tallies: list[Tally] = []  # guarded by _lock
        self._ended: deque[Tally] = deque()
        self._ended_total = Tally()  # guarded by _lock
        self._durations: dict[str, tuple[int, float, float]] = {}  # name: count, sum, max; guarded by _lock
        self._rate = Rate()  # guarded by _lock
        self._idle = threading.Condition(self._lock)
        self._awaiting_idle = 0  # how many wait; written under _lock, read without it by those that wake them
        self._lost_notifications = 0  # guarded by _lock

    def tally(self) -> Tally:
        """Return the calling thread's own counts."""
        try:
            tally: Tally = self._local.tally
        except AttributeError:
            tally = self._new_tally()
        return tally

    def is_calling(self) -> bool:
        """Tell whether the calling thread is inside a dispatcher."""
        tally = self.tally()
        return tally.calls_started > tally.calls_done

    def request_done(self, tally: Tally) -> None:
        """Count a request as answered, and wake whoever waits for the last one."""
        tally.requests_done += 1
        if self._awaiting_idle:
            self.wake_waiting()

    def wake_waiting(self) -> None:
        """Let those look again that wait for requests or calls to end."""
        if self._awaiting_idle:
            with self._idle:
                self._idle.notify_all()

    def count_lost(self, notifications: int) -> None:
        """Count notifications that will not run, or were not finished."""
        with self._lock:
            self._lost_notifications += notifications

    def wait_idle(self, timeout_s: float, allowed: int = 0) -> int:
        """Wait until no more than ``allowed`` requests are being processed.

        Returns:
            The number still being processed; more than ``allowed`` only after the timeout.
        """
        return self._wait(self._in_flight, timeout_s, allowed)

    def wait_calls_idle(self, timeout_s: float, allowed: int = 0) -> int:
        """Wait until no more than ``allowed`` dispatchers run, the calling thread's own not counted.

        Returns:
            The number still running; more than ``allowed`` only after the timeout.
        """
        tally = self.tally()
        own = tally.calls_started - tally.calls_done
        return self._wait(lambda: self._calling() - own, timeout_s, allowed)

    def add_duration(self, name: str, duration_ms: float) -> None:
        """Count one duration, in milliseconds, under a name."""
        with self._lock:
            count, total, longest = self._durations.get(name, (0, 0.0, 0.0))
            self._durations[name] = (count + 1, total + duration_ms, max(longest, duration_ms))

    def totals(self) -> Tally:
        """Return the sum over all threads, of now."""
        with self._lock:
            return self._sum()

    def report(self, *, in_ms: bool) -> dict[str, Any]:
        """Return the documented statistics; ``in_ms`` gives ``speedStats`` in milliseconds instead of seconds."""
        with self._lock:
            totals = self._sum()
            self._rate.count(totals.requests_started)
            return {
                **self._rate.report(),
                "requestCount": totals.requests_started,
                "dispatcherCount": totals.calls_started,
                "dispatcherErrorCount": totals.calls_failed,
                "notificationLostCount": self._lost_notifications,
                "processingRequestCount": totals.requests_started - totals.requests_done,
                "processingDispatcherCount": totals.calls_started - totals.calls_done,
                "speedStats": self._speed_stats(1.0 if in_ms else 0.001),
            }

    def _new_tally(self) -> Tally:
        tally = self._local.tally = Tally()
        self._local.thread_end = ThreadEnd(tally, self._ended)
        with self._lock:
            self._fold_ended()
            self._tallies.append(tally)
        return tally

    def _fold_ended(self) -> None:
        while self._ended:
            tally = self._ended.popleft()
            self._tallies.remove(tally)
            add(self._ended_total, tally)

    def _in_flight(self) -> int:
        totals = self._sum()
        return totals.requests_started - totals.requests_done

    def _calling(self) -> int:
        totals = self._sum()
        return totals.calls_started - totals.calls_done

    def _wait(self, busy: Callable[[], int], timeout_s: float, allowed: int) -> int:
        with self._idle:
            self._awaiting_idle += 1
            try:
                self._idle.wait_for(lambda: busy() <= allowed, timeout_s)
                return busy()
            finally:
                self._awaiting_idle -= 1

    def _sum(self) -> Tally:
        total = Tally()
        add(total, self._ended_total)
        for tally in self._tallies:
            add(total, tally)
        return total

    def _speed_stats(self, factor: float) -> dict[str, float]:
        speeds: dict[str, float] = {}
        for name, (count, total, longest) in self._durations.items():
            speeds[f"{name}_max"] = longest * factor
            speeds[f"{name}_average"] = total / count * factor
        return speeds


def add(total: Tally, part: Tally) -> None:
    # Done before started, so that a request that ends meanwhile never makes a count below zero.
    total.requests_done += part.requests_done
    total.requests_started += part.requests_started
    total.calls_done += part.calls_done
    total.calls_started += part.calls_started
    total.calls_failed += part.calls_failed


class Rate:
    """Requests per second between two reports: now, the one before, and the most ever seen."""

    _SHORTEST_S = 1.0

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._count = 0
        self._now = self._old = self._max = 0.0

    def count(self, requests: int) -> None:
        """Take the total of now; nothing changes within a second of the last."""
        elapsed_s = time.monotonic() - self._at
        if elapsed_s < self._SHORTEST_S:
            return
        self._old, self._now = self._now, (requests - self._count) / elapsed_s
        self._max = max(self._max, self._now)
        self._at, self._count = time.monotonic(), requests

    def report(self) -> dict[str, float]:
        return {"connPerSec_now": self._now, "connPerSec_old": self._old, "connPerSec_max": self._max}
