"""Counters in this process, up to a maximum number."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from limits.storage import Storage
from limits.storage.base import SlidingWindowCounterSupport

__all__ = ["BoundedMemoryStorage"]


@dataclass(slots=True)
class Window:
    """One counter.

    Attributes:
        ends_s: The time when it expires, on the clock of the storage.
        count: The units taken in it.
        number: For a sliding window, the number of windows before it.
        previous: For a sliding window, the units taken in the window before it.
    """

    ends_s: float
    count: int = 0
    number: int = 0
    previous: int = 0


class BoundedMemoryStorage(Storage, SlidingWindowCounterSupport):
    """A storage for ``limits`` with a maximum number of counters; beyond that, the least recently used one is dropped.

    ``limits`` has a storage in memory too, with three faults. It has no maximum, so a client with many addresses fills
    the memory. While in use, it starts a thread up to 100 times a second, which scans all keys for expired ones. And
    two threads that take the last unit at the same time may both get it, or neither. The strategy ``moving-window`` is
    not supported here, since it stores the time of each call.

    The storage is not thread-safe: its user holds a lock.

    Args:
        max_counters: The maximum number of counters.
        clock: Returns the time in seconds; monotonic, so that a change of the system's clock neither ends nor lengthens
            a window.
    """

    STORAGE_SCHEME = None

    def __init__(self, max_counters: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._max_counters = max_counters
        self._clock = clock
        self._windows: OrderedDict[str, Window] = OrderedDict()  # the least recently used first

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """The exceptions that the storage can raise: none."""
        return ()

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Take units in the window of a key, which begins with its first unit and lasts ``expiry`` seconds."""
        window = self._current(key) or self._add(key, expiry)
        window.count += amount
        return window.count

    def get(self, key: str) -> int:
        """Return the units taken in the window of a key."""
        window = self._current(key)
        return 0 if window is None else window.count

    def get_expiry(self, key: str) -> float:
        """Return the end of the window of a key, in seconds since 1970; now if it has no window."""
        window = self._current(key)
        return time.time() + (0 if window is None else window.ends_s - self._clock())

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Take units in the sliding window of a key, all or none; return whether they were taken."""
        previous, previous_left_s, current, _ = self.get_sliding_window(key, expiry)
        if floor(previous * previous_left_s / expiry + current) + amount > limit:
            return False
        window = self._current(key) or self._add(key, 2 * expiry)
        number = int(self._clock() / expiry)
        window.number, window.previous, window.count = number, previous, current + amount
        window.ends_s = (number + 2) * expiry
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the units and the seconds left of the previous window, then those of the current one."""
        now_s = self._clock()
        number = int(now_s / expiry)
        left_s = (number + 1) * expiry - now_s
        window = self._current(key)
        if window is None or window.number < number - 1:
            return 0, 0.0, 0, left_s + expiry
        previous, current = (window.previous, window.count) if window.number == number else (window.count, 0)
        return previous, left_s if previous else 0.0, current, left_s + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget the window of a key."""
        self.clear(key)

    def clear(self, key: str) -> None:
        """Forget the window of a key."""
        self._windows.pop(key, None)

    def check(self) -> bool:
        """Return True: the storage is always available."""
        return True

    def reset(self) -> int:
        """Forget all windows, and return their number."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def _current(self, key: str) -> Window | None:
        """Return the window of a key, and mark it as recently used; None if it has no window, or an expired one."""
        window = self._windows.get(key)
        if window is None:
            return None
        if window.ends_s <= self._clock():
            del self._windows[key]
            return None
        self._windows.move_to_end(key)
        return window

    def _add(self, key: str, expiry: float) -> Window:
        while len(self._windows) >= self._max_counters:
            self._windows.popitem(last=False)
        self._windows[key] = window = Window(self._clock() + expiry)
        self._drop_expired()
        return window

    def _drop_expired(self) -> None:
        """Drop up to two expired windows for each one added, so that they are dropped faster than others are added."""
        for _ in range(2):
            key, window = next(iter(self._windows.items()))
            if window.ends_s > self._clock():
                return
            del self._windows[key]
