"""The calls of a server that wait for answers of their clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ...dispatch.exchange import Exchange
from ...dispatch.streams import MORE_THREADS, ONE_THREAD, has_one_thread
from ...dispatch.waiting_limits import WaitingLimit, WaitingLimits
from ...runtime.concurrency import make_lock
from ...runtime.log_limits import WarnOnce
from ...runtime.logs import ServerLog
from ..protocol.errors import NoAnswer

__all__ = ["WaitingCalls"]


class WaitingCalls:
    """Bounds how many calls wait, for all endpoints of a server: they share its threads.

    Args:
        limits: How many may wait.
        log: Gets a warning when the first call is refused.
    """

    def __init__(self, limits: WaitingLimits, log: ServerLog) -> None:
        self._limits = limits
        self._refusals = WarnOnce(log)
        self._changing = make_lock()
        self._counts: Counter[str] = Counter()  # by the setting of the limit; guarded by _changing

    @contextmanager
    def one_more(self, exchange: Exchange) -> Iterator[None]:
        """Count a call of a request, which waits in the block.

        Raises:
            NoAnswer: Too many calls wait, or the call would keep the only thread from the answer that it waits for.
        """
        if has_one_thread(exchange.head):
            self._refusals.write(f"a question of a call is refused: {ONE_THREAD}. {MORE_THREADS}; see docs/mcp.md")
            raise NoAnswer(f"{ONE_THREAD}, so no answer of the client could come")
        limit = self._limits.of(exchange)
        self._add(limit)
        try:
            yield
        finally:
            with self._changing:
                self._counts[limit.setting] -= 1

    def _add(self, limit: WaitingLimit) -> None:
        with self._changing:
            has_room = self._counts[limit.setting] < limit.most
            self._counts[limit.setting] += has_room
        if has_room:
            return
        threshold = f"the most for {limit.setting}={limit.value}"
        reason = f"{limit.most} calls wait for answers of their clients already, {threshold}"
        self._refusals.write(f"a question of a call is refused: {reason}. Raise {limit.setting}; see docs/mcp.md")
        raise NoAnswer(f"{reason}; call again when one has ended")
