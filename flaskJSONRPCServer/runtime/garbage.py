"""Garbage collection by hand, while servers run that ask for it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

from .stats import Tally

__all__ = ["GarbageControl"]

# How often the counts are looked at. The thresholds are minutes and ten thousands: a guess that is fine enough.
_LOOK_EVERY_S = 1.0


class _ProcessSwitch:
    """Turns the process's automatic collection off for the first holder and on again after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0  # guarded by _lock
        self._was_enabled = False  # guarded by _lock

    def hold(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._holders += 1

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0 and self._was_enabled:
                gc.enable()


_switch = _ProcessSwitch()


class GarbageControl:
    """Collects when enough time, requests or calls have passed since the last collection.

    Args:
        totals: Gives the server's counts.
        every_s: Seconds between two collections, at most.
        every_requests: Requests between two collections, at most.
        every_calls: Calls of dispatchers between two collections, at most.
    """

    def __init__(self, totals: Callable[[], Tally], *, every_s: float, every_requests: int, every_calls: int) -> None:
        self._totals = totals
        self._every_s = every_s
        self._every_requests = every_requests
        self._every_calls = every_calls
        self._lock = threading.Lock()
        self._collected_at = time.monotonic()  # guarded by _lock
        self._collected = totals()  # guarded by _lock
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take the process's collection over."""
        self._stopped.clear()
        _switch.hold()
        self._thread = threading.Thread(target=self._watch, name="garbage control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give the process its automatic collection back, if this was the last one to hold it."""
        if self._thread is None:
            return
        self._stopped.set()
        self._thread.join()
        self._thread = None
        _switch.release()

    def collect(self, *, force: bool = False) -> bool:
        """Collect if a threshold has been passed, or by force; tells whether it collected."""
        with self._lock:
            totals = self._totals()
            if not (force or self._is_due(totals)):
                return False
            gc.collect()
            self._collected, self._collected_at = totals, time.monotonic()
            return True

    def _is_due(self, totals: Tally) -> bool:
        return (
            time.monotonic() - self._collected_at >= self._every_s
            or totals.requests_started - self._collected.requests_started >= self._every_requests
            or totals.calls_started - self._collected.calls_started >= self._every_calls
        )

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY_S):
            self.collect()
