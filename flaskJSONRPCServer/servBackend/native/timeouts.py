"""The time limits of one connection."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...settings import Settings

__all__ = ["HttpTimeouts", "RateWindow", "timeouts_of"]


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """The time limits, in seconds; infinity for none. Each has the name of its setting."""

    handshake_timeout_s: float
    head_timeout_s: float
    body_timeout_s: float
    read_timeout_s: float
    idle_timeout_s: float
    request_timeout_s: float
    rate_grace_s: float
    min_body_rate: int
    min_answer_rate: int
    max_requests_per_connection: int


class RateWindow:
    """Checks that bytes flow at a minimum rate, over windows of equal length.

    An average since the beginning would let a client that was fast once stay silent for hours. So a window cannot lend
    to the next ones what it has beyond the minimum. What it lacks adds up, and may reach the size of a step: bytes that
    flow evenly are counted in steps, and one of them may be counted just after the end of a window.

    So bytes in steps of no more than ``step_bytes`` that flow at the rate, or faster, always keep up.

    Args:
        bytes_per_s: The minimum rate.
        window_s: The length of a window.
        step_bytes: How many bytes may be counted at once though they flowed one after the other.

    Attributes:
        ends_at: When the current window ends. Infinity if no window is open, or there is no minimum.
    """

    __slots__ = ("_base", "_began_at", "_first", "_lack", "_min_bytes", "_step_bytes", "_window_s", "ends_at")

    def __init__(self, bytes_per_s: int, window_s: float, step_bytes: int = 0) -> None:
        self._window_s = window_s
        self._min_bytes = bytes_per_s * window_s
        self._step_bytes = step_bytes
        self._first = self._base = 0
        self._lack = 0.0  # how many bytes all windows lack together
        self._began_at = self.ends_at = math.inf

    def start(self, count: int, now: float) -> None:
        """Begin the first window, after ``count`` bytes in all."""
        self._first, self._began_at, self._lack = count, now, 0.0
        self._open(count, now)

    def stop(self) -> None:
        """Close the window, which leaves no deadline."""
        self._began_at = self.ends_at = math.inf

    def keeps_up(self, count: int, now: float) -> bool:
        """Return whether enough bytes have passed until the end of this window, and begin the next one."""
        self._lack = max(0.0, self._lack + self._min_bytes - (count - self._base))
        self._open(count, now)
        return self._lack <= self._step_bytes

    def elapsed_s(self, now: float) -> float:
        """Return how long ago the first window began; 0 if none is open."""
        return max(0.0, now - self._began_at)

    def passed_bytes(self, count: int) -> int:
        """Return how many bytes have passed since the first window began."""
        return count - self._first

    def _open(self, count: int, now: float) -> None:
        self._base = count
        self.ends_at = now + self._window_s if self._min_bytes else math.inf


def timeouts_of(settings: Settings) -> HttpTimeouts:
    """Return the time limits of the settings. A setting of 0 means no limit."""
    return HttpTimeouts(
        handshake_timeout_s=settings.handshake_timeout_s or math.inf,
        head_timeout_s=settings.head_timeout_s or math.inf,
        body_timeout_s=settings.body_timeout_s or math.inf,
        read_timeout_s=settings.read_timeout_s or math.inf,
        idle_timeout_s=settings.idle_timeout_s or math.inf,
        request_timeout_s=settings.request_timeout_s or math.inf,
        rate_grace_s=settings.rate_grace_s,
        min_body_rate=settings.min_body_rate,
        min_answer_rate=settings.min_answer_rate,
        max_requests_per_connection=settings.max_requests_per_connection,
    )
