"""When a call is sent again: how often, after which pause, and within which budget."""

from __future__ import annotations

import random
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

__all__ = ["Retry", "RetryBudget", "retry_after_s"]


@dataclass(frozen=True, slots=True)
class Retry:
    """The repetition of failed requests, where it is safe.

    It is safe if the method is known to be idempotent, if an idempotency key is sent, or if the request was not sent.
    The pause before attempt n is a random time between 0 and the lower of `max_pause_s` and `base_pause_s` * 2**n (full
    jitter), and at least the `Retry-After` of the server.

    Attributes:
        attempts: The most attempts, with the first. 1 turns repetition off.
        base_pause_s: The longest pause before the second attempt, in seconds.
        max_pause_s: The longest pause before any attempt. The `Retry-After` of a server may be longer.
        statuses: The HTTP statuses after which a request is repeated.
        budget: How many retries each request adds to the budget of the client. With 0.1, a server that is down gets a
            tenth more requests, and not three times as many.

    Raises:
        ValueError: A value is out of range.
    """

    attempts: int = 3
    base_pause_s: float = 0.1
    max_pause_s: float = 5.0
    statuses: Set[int] = frozenset({429, 502, 503, 504})
    budget: float = 0.1

    def __post_init__(self) -> None:
        if not self.attempts >= 1:
            raise ValueError(f"attempts={self.attempts!r}; choose 1 or more")
        if not all(value >= 0 for value in (self.base_pause_s, self.max_pause_s, self.budget)):  # NaN is not either
            raise ValueError("base_pause_s, max_pause_s and budget cannot be negative")

    def pause_s(self, attempt: int) -> float:
        """Return a random pause after an attempt; the first one is 1."""
        # Not for secrets: it only keeps clients from coming back all at once.
        return random.uniform(0, min(self.max_pause_s, self.base_pause_s * 2 ** min(attempt, 32)))  # noqa: S311  # nosec B311


class RetryBudget:
    """The retries that a client has left. Each request adds a part of one; each retry takes one.

    It has no lock, which a fork could leave locked: two threads at once may lose one of their additions, and a budget
    need not be exact.
    """

    __slots__ = ("_retries",)

    # So that a client that has just started can repeat its calls.
    _AT_FIRST = _AT_MOST = 10.0

    def __init__(self) -> None:
        self._retries = self._AT_FIRST

    def add(self, part: float) -> None:
        """Add a part of a retry for a request."""
        if self._retries < self._AT_MOST:
            self._retries = min(self._AT_MOST, self._retries + part)

    def take(self) -> bool:
        """Take one retry. Return whether there was one."""
        if self._retries < 1:
            return False
        self._retries -= 1
        return True


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait; 0 if it does not, or if they cannot be read.

    Source: RFC 9110, section 10.2.3.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):  # IndexError: of some texts before Python 3.12
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
