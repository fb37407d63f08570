"""The time of callers: the header ``Request-Timeout`` says for how many more seconds the caller waits.

A caller may shorten deadlines, and never lengthen them. Nor may it harm others: a deadline leaves a thread behind, and
only so many may be. So a caller's time shortens the deadlines of a part of these calls at once, and otherwise only
keeps calls from beginning.
"""

from __future__ import annotations

import re
from typing import Final

from ..http.refusals import BadRequest
from ..runtime.concurrency import make_lock
from ..runtime.stats import Stats

__all__ = ["TIMEOUT_HEADER", "ShortenedCalls", "caller_seconds"]

TIMEOUT_HEADER: Final = "HTTP_REQUEST_TIMEOUT"
"""The name of the header in an environ."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


def caller_seconds(value: str) -> float:
    """Return the seconds in the header of a request.

    Raises:
        BadRequest: They are not a decimal number above 0, of at most 9 digits before and after the point.
    """
    value = value.strip(" \t")
    if not _SECONDS.fullmatch(value) or not float(value):
        raise BadRequest("Request-Timeout is malformed: it takes seconds above 0, such as 2.5")
    return float(value)


class ShortenedCalls:
    """Counts the calls under way whose callers have shortened their deadlines.

    Args:
        stats: Knows how many calls have been left behind, for whatever reason.
        most: The most of both together.
    """

    def __init__(self, stats: Stats, most: int) -> None:
        self._stats = stats
        self._most = most
        self._lock = make_lock()
        self._count = 0  # guarded by _lock
        self._tickets: set[int] = set()  # their ids; guarded by _lock

    def take(self) -> bool:
        """Count one more call, and return True; return False if there are too many."""
        with self._lock:
            is_free = self._count + self._stats.abandoned_now() < self._most
            self._count += is_free
            return is_free

    def give_back(self) -> None:
        """Count one call less."""
        with self._lock:
            self._count -= 1

    def note(self, ticket: object) -> None:
        """Note which call has been counted."""
        with self._lock:
            self._tickets.add(id(ticket))

    def end(self, ticket: object) -> None:
        """Count a call no longer, if it was counted: it has its answer."""
        if self._tickets:
            with self._lock:
                self._count -= id(ticket) in self._tickets
                self._tickets.discard(id(ticket))
