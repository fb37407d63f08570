"""Requests per second, from a total that is looked at now and then."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

__all__ = ["HISTORY_MINUTES", "Rate"]

HISTORY_MINUTES = 60
"""How many minutes the history has, the one that is not over among them."""

_MINUTE_S = 60


@dataclass(slots=True)
class Minute:
    """The finished seconds of one minute.

    Attributes:
        begins_at: In seconds since 1970.
        requests: How many came.
        seconds: How many seconds of it have been counted.
        highest: The most in one second.
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

    What has come between two looks counts as evenly spread over that time. Who looks once a second gets each second's
    own count, and the result does not depend on who else looks.

    Args:
        now_s: The wall clock, in seconds since 1970: the minutes of the history are the user's.
    """

    def __init__(self, now_s: float) -> None:
        self._at_s = now_s
        self._total = 0
        self._unfinished = 0.0  # requests of the second that is not over
        self._now = self._old = self._max = 0.0
        self._minutes: deque[Minute] = deque(maxlen=HISTORY_MINUTES)

    def count(self, total: int, now_s: float) -> None:
        """Take the number of all requests until now."""
        elapsed_s = now_s - self._at_s
        if elapsed_s <= 0:  # the clock was set back: begin anew, with what has come counted at the next look
            self._at_s = now_s
            return
        per_s = (total - self._total) / elapsed_s
        # Whoever looks after days gets the last hour; there is no room for more.
        at_s = max(self._at_s, now_s // 1 - HISTORY_MINUTES * _MINUTE_S)
        for second in range(int(at_s), int(now_s)):
            self._end_second(second, self._unfinished + per_s * (second + 1 - at_s))
            at_s = second + 1
        self._unfinished += per_s * (now_s - at_s)
        self._at_s, self._total = now_s, total

    def report(self) -> dict[str, Any]:
        """Return the documented keys, and ``connPerSec_history``, the oldest minute first."""
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
