"""The limits on time of one connection."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...settings import Settings

__all__ = ["HttpTimeouts", "RateWindow", "timeouts_of"]


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """The limits on time, in seconds; infinity for none. Each has the name of its setting."""

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
    """Tells whether bytes keep up with a lowest rate, over windows of equal length.

    An average from the beginning would let a client that was fast once be silent for hours.

    Args:
        bytes_per_s: The lowest rate.
        window_s: How long a window is.
    """

    __slots__ = ("_base", "_wanted", "_window_s", "ends_at")

    def __init__(self, bytes_per_s: int, window_s: float) -> None:
        self._window_s = window_s
        self._wanted = bytes_per_s * window_s
        self._base = 0
        self.ends_at = math.inf

    def start(self, count: int, now: float) -> None:
        """Begin a window when so many bytes have passed already."""
        self._base = count
        self.ends_at = now + self._window_s if self._wanted else math.inf

    def stop(self) -> None:
        """Let there be no deadline."""
        self.ends_at = math.inf

    def keeps_up(self, count: int, now: float) -> bool:
        """Return whether enough bytes have passed in the window that ends; begin the next one."""
        is_enough = count - self._base >= self._wanted
        self.start(count, now)
        return is_enough


def timeouts_of(settings: Settings) -> HttpTimeouts:
    """Return the limits on time; a setting of 0 is none."""
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
