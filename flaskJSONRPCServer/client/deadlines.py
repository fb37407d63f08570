"""The deadline of a call, which all of its attempts share."""

from __future__ import annotations

import math
import time

from .errors import RequestTimeoutError

__all__ = ["Deadline"]


class Deadline:
    """The moment at which a call has to be over.

    Args:
        timeout_s: The seconds from now; None for no limit.
    """

    __slots__ = ("_at", "_timeout_s")

    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s
        self._at = math.inf if timeout_s is None else time.monotonic() + timeout_s

    def remaining_s(self) -> float:
        """Return the seconds that are left: negative after the deadline, infinite without one."""
        return self._at - time.monotonic()

    def wait_s(self, limit_s: float | None = None) -> float | None:
        """Return how long to wait for the next event, in seconds; None for no limit.

        Args:
            limit_s: The longest wait; None for no limit beside the deadline.

        Raises:
            RequestTimeoutError: The deadline has passed.
        """
        remaining_s = self._at - time.monotonic()
        if remaining_s <= 0:
            raise self.passed()
        if limit_s is not None and limit_s < remaining_s:
            return limit_s
        return None if remaining_s == math.inf else remaining_s

    def part(self, share: float, limit_s: float) -> Deadline:
        """Return a deadline after a share of the time that is left, and after a limit in seconds at the latest."""
        return Deadline(max(0.0, min(share * self.remaining_s(), limit_s)))

    def passed(self) -> RequestTimeoutError:
        """Return the exception for a call that is not over at the deadline."""
        return RequestTimeoutError(f"no answer within {self._timeout_s:g} s" if self._timeout_s else "no time is left")
