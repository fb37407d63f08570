"""Complete requests on their way to the thread that answers them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...runtime.logs import ERROR
from .leadership import Leadership

if TYPE_CHECKING:
    from .backend import FrontServer
    from .client_connection import ClientConnection
    from .exchange import HttpExchange

__all__ = ["RequestQueue"]

# How long requests are answered in the leading thread before it looks at the connections again; guessed.
SHORT_CALLS_S = 0.001

# How often at most a call that blocks may cost the lead, whatever the number of paths; guessed.
LOSSES_APART_S = 0.1


class RequestQueue:
    """What has come between two looks at the connections: for the pool, or short enough for the leading thread.

    The leading thread has it for itself.

    Args:
        server: What all connections share.
        leadership: The threads that lead.
        refuse: Called with the connection of a request for which the pool has no room.
    """

    def __init__(
        self,
        server: FrontServer,
        leadership: Leadership[HttpExchange],
        refuse: Callable[[ClientConnection], None],
    ) -> None:
        self._server = server
        self._leadership = leadership
        self._refuse = refuse
        self._requests: list[HttpExchange] = []
        self._short: deque[HttpExchange] = deque()
        self._most_short = server.max_short_calls
        self._trusts_at = 0.0  # when this thread answers requests again, after one has cost the lead

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits here."""
        return not (self._requests or self._short)

    def add(self, exchange: HttpExchange, now: float, *, is_small: bool) -> None:
        """Add a request; only a small one may be answered by the leading thread."""
        is_short = (
            is_small
            and self._server.short_calls.has(exchange.head["PATH_INFO"])
            and len(self._short) < self._most_short
            and now >= self._trusts_at
        )
        (self._short if is_short else self._requests).append(exchange)

    def submit(self) -> None:
        """Give the pool what is for it, all at once."""
        while self._requests:
            requests, self._requests = self._requests, []
            for exchange in self._submit(requests):
                exchange.discard()  # also where the client has gone meanwhile
                self._refuse(exchange.connection)

    def answer_short(self) -> bool:
        """Answer requests in this thread, for a moment; returns whether it still leads.

        Raises:
            BaseException: An interrupt that is to end the thread.
        """
        if not self._short:
            return True
        if not (self._server.pool.has_room and self._leadership.has_follower()):
            self._give_short_to_pool()
            self.submit()
            return True
        until = time.monotonic() + SHORT_CALLS_S
        while self._short:
            if not self._leadership.run(self._short.popleft()):
                return False
            if time.monotonic() > until:
                break
        return True

    def distrust(self, exchange: HttpExchange) -> None:
        """Note that a call was not as short as it should have been; for a moment, all others go to the pool."""
        self._server.short_calls.distrust(exchange.head["PATH_INFO"], time.perf_counter())
        self._trusts_at = time.monotonic() + LOSSES_APART_S
        self._give_short_to_pool()

    def discard(self) -> None:
        """Let go of what will not be answered."""
        self._give_short_to_pool()
        while self._requests:
            self._requests.pop().discard()

    def _give_short_to_pool(self) -> None:
        self._requests.extend(self._short)
        self._short.clear()

    def _submit(self, requests: list[HttpExchange]) -> list[HttpExchange]:
        """Give requests to the pool; return those that will not run."""
        try:
            return self._server.pool.submit_all(requests)
        except RuntimeError:
            self._server.log.write(ERROR, "no thread can be started, so requests are refused", traceback=True)
            return requests
