"""The calls of a server that wait for answers of their clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...dispatch.exchange import Exchange
from ...dispatch.streams.registry import WaitingLimit
from ...runtime.concurrency import make_lock
from ...runtime.logs import WARNING, ServerLog
from ..protocol.errors import NoAnswer
from ..sources import Sources

__all__ = ["WaitingCalls", "WaitingCounts"]


class WaitingCounts:
    """Counts the calls that wait, for all endpoints of a server: they share its threads.

    Args:
        limit_of: Returns how many calls may wait behind the serving program of a request.
        log: Gets a warning when the first call is refused.
    """

    def __init__(self, limit_of: Callable[[Exchange], WaitingLimit], log: ServerLog) -> None:
        self._limit_of = limit_of
        self._log = log
        self._changing = make_lock()
        self._counts: Counter[str] = Counter()  # by the setting of the limit; guarded by _changing
        self._has_warned = False  # as that

    @classmethod
    def of_server(cls, sources: Sources) -> WaitingCounts:
        """Return the counts of a server."""

        def limit_of(exchange: Exchange) -> WaitingLimit:
            if not exchange.is_local:
                return sources.streams.waiting_limit(exchange.head)
            threads = sources.settings.threads
            return WaitingLimit(max(1, threads // 2), "threads", threads)

        return cls(limit_of, sources.facts.log)

    def calls_of(self, exchange: Exchange) -> WaitingCalls:
        """Return what bounds the calls of a request."""
        return WaitingCalls(self, self._limit_of(exchange))

    def add(self, limit: WaitingLimit) -> None:
        """Count a call.

        Raises:
            NoAnswer: Too many calls wait.
        """
        with self._changing:
            has_room = self._counts[limit.setting] < limit.most
            self._counts[limit.setting] += has_room
            warns = not (has_room or self._has_warned)
            self._has_warned |= warns
        if has_room:
            return
        threshold = f"the most for {limit.setting}={limit.value}"
        reason = f"{limit.most} calls wait for answers of their clients already, {threshold}"
        if warns:
            remedy = f"Raise {limit.setting}; see docs/mcp.md"
            self._log.write(WARNING, f"a question of a call is refused: {reason}. {remedy}")
        raise NoAnswer(f"{reason}; call again when one has ended")

    def remove(self, limit: WaitingLimit) -> None:
        """Count a call no longer."""
        with self._changing:
            self._counts[limit.setting] -= 1


class WaitingCalls:
    """Bounds how many calls wait for answers.

    Args:
        counts: Counts them.
        limit: How many may wait.
    """

    def __init__(self, counts: WaitingCounts, limit: WaitingLimit) -> None:
        self._counts = counts
        self._limit = limit

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a call that waits in the block.

        Raises:
            NoAnswer: Too many calls wait.
        """
        self._counts.add(self._limit)
        try:
            yield
        finally:
            self._counts.remove(self._limit)
