"""Requests per second, computed from samples of the total.

A server that is only mounted has no timer, so its rate is sampled when ``stats()`` is called.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

__all__ = ["HISTORY_MINUTES", "Rate"]

HISTORY_MINUTES = 60
"""The length of the history in minutes, including the current one."""

_MINUTE_S = 60


@dataclass(slots=True)
class Minute:
    """The finished seconds of one minute.

    Attributes:
        begins_at: In seconds since 1970.
        requests: The number of requests.
        seconds: The number of seconds counted so far.
        highest: The most requests in one second.
    """

    begins_at: int
    requests: float = 0.0
    seconds: int = 0
    highest: float = 0.0

    def add(self, requests: float) -> None:
        self.requests += requests
        self.seconds += 1
        self.highest = max(self.highest, requests)

    def report(self) -> dict[str, float]:
        return {"minute": self.begins_at, "mean": self.requests / self.seconds, "max": self.highest}


class Rate:
    """Requests of the last full second, of the one before and of the busiest, and a history by minute.

    Requests between two samples count as evenly spread over that time. With one sample a second, each second gets its
    own count. Further samples do not change the result.

    Args:
        now_s: The wall clock, in seconds since 1970: the history has the minutes of the wall clock.
    """

    def __init__(self, now_s: float) -> None:
        self._at_s = now_s
        self._total = 0
        self._unfinished = 0.0  # requests of the current second
        self._now = self._old = self._max = 0.0
        self._minutes: deque[Minute] = deque(maxlen=HISTORY_MINUTES)

    def count(self, total: int, now_s: float) -> None:
        """Take a sample: the number of all requests so far."""
        elapsed_s = now_s - self._at_s
        if elapsed_s <= 0:  # the clock was set back: start again, and count these requests at the next sample
            self._at_s = now_s
            return
        per_s = (total - self._total) / elapsed_s
        # After days without a sample, only the last hour is computed: the history holds no more.
        at_s = max(self._at_s, now_s // 1 - HISTORY_MINUTES * _MINUTE_S)
        for second in range(int(at_s), int(now_s)):
            self._end_second(second, self._unfinished + per_s * (second + 1 - at_s))
            at_s = second + 1
        self._unfinished += per_s * (now_s - at_s)
        self._at_s, self._total = now_s, total

    def report(self) -> dict[str, Any]:
        """Return the documented keys and ``connPerSec_history``, oldest minute first."""
        return {
            "connPerSec_now": self._now,
            "connPerSec_old": self._old,
            "connPerSec_max": self._max,
            "connPerSec_history": [minute.report() for minute in self._minutes],
        }

    def _end_second(self, second: int, requests: float) -> None:
        self._unfinished = 0.0
        self._old, self._now = self._now, requests
        self._max = max(self._max, requests)
        begins_at = second - second % _MINUTE_S
        if not self._minutes or self._minutes[-1].begins_at != begins_at:
            self._minutes.append(Minute(begins_at))
        self._minutes[-1].add(requests)
