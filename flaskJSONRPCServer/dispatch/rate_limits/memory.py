"""Counters in this process, of which there is a most."""

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
        ends_s: When it counts for nothing any more, on the clock of the storage.
        count: The units taken in it.
        number: Of a sliding window, how many windows came before it.
        previous: Of a sliding window, the units taken in the window before it.
    """

    ends_s: float
    count: int = 0
    number: int = 0
    previous: int = 0


class BoundedMemoryStorage(Storage, SlidingWindowCounterSupport):
    """A storage of ``limits`` that keeps so many counters and no more; beyond, the one asked for longest ago goes.

    ``limits`` has a storage in memory too. It has no bound, so a client with many addresses fills the memory. While it
    is used, it starts a thread up to 100 times a second, which looks at all keys for those that have ended. And two
    threads that take the last unit at the same time may both get it, or neither. ``moving-window`` is not supported: it
    keeps the time of each call.

    It takes no lock: whoever uses it holds one.

    Args:
        max_counters: The most counters.
        clock: Gives the time in seconds; a monotonic one, so that setting the system's clock neither ends a window nor
            lengthens it.
    """

    STORAGE_SCHEME = None

    def __init__(self, max_counters: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._max_counters = max_counters
        self._clock = clock
        self._windows: OrderedDict[str, Window] = OrderedDict()  # the one asked for longest ago first

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """No exception is expected of it."""
        return ()

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Take units in the window of a key, which begins with the first of them and lasts ``expiry`` seconds."""
        window = self._living(key) or self._added(key, expiry)
        window.count += amount
        return window.count

    def get(self, key: str) -> int:
        """Return the units taken in the window of a key."""
        window = self._living(key)
        return 0 if window is None else window.count

    def get_expiry(self, key: str) -> float:
        """Return when the window of a key ends, in seconds since 1970; now where it has none."""
        window = self._living(key)
        return time.time() + (0 if window is None else window.ends_s - self._clock())

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Take units in the sliding window of a key; all of them or none."""
        previous, previous_left_s, current, _ = self.get_sliding_window(key, expiry)
        if floor(previous * previous_left_s / expiry + current) + amount > limit:
            return False
        window = self._living(key) or self._added(key, 2 * expiry)
        number = int(self._clock() / expiry)
        window.number, window.previous, window.count = number, previous, current + amount
        window.ends_s = (number + 2) * expiry
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the units in the previous window and how long they count, and the same of the current window."""
        now_s = self._clock()
        number = int(now_s / expiry)
        left_s = (number + 1) * expiry - now_s
        window = self._living(key)
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
        """Return that it works."""
        return True

    def reset(self) -> int:
        """Forget all; return how many counters there were."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def _living(self, key: str) -> Window | None:
        """Return the window of a key, and note that it has been asked for; None where it has none, or it has ended."""
        window = self._windows.get(key)
        if window is None:
            return None
        if window.ends_s <= self._clock():
            del self._windows[key]
            return None
        self._windows.move_to_end(key)
        return window

    def _added(self, key: str, expiry: float) -> Window:
        while len(self._windows) >= self._max_counters:
            self._windows.popitem(last=False)
        self._windows[key] = window = Window(self._clock() + expiry)
        self._drop_ended()
        return window

    def _drop_ended(self) -> None:
        """Drop up to two windows that have ended, so that they go faster than others come."""
        for _ in range(2):
            key, window = next(iter(self._windows.items()))
            if window.ends_s > self._clock():
                return
            del self._windows[key]
