"""The queue of complete requests, between the connections and the threads that answer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...runtime.logs import ERROR
from ...runtime.thread_pool import ThreadPool
from .leadership import Leadership

if TYPE_CHECKING:
    from .backend import SharedState
    from .client_connection import ClientConnection
    from .http_exchange import HttpExchange

__all__ = ["RequestQueue"]

# How long the leading thread answers requests before it looks at the connections again; guessed.
SHORT_CALLS_S = 0.001

# The least time between two calls that cost the lead, over all paths; guessed.
MIN_LOSS_INTERVAL_S = 0.1


class RequestQueue:
    """Collects the requests of one turn: for the pool, or short enough for the leading thread.

    Only the leading thread uses it. That thread answers short calls only while the pool has room, so no more calls run
    at once than there are threads.

    Args:
        shared: The state that all connections share.
        leadership: The leading thread and its follower.
        refuse: Called with the connection of each request that the pool has no room for.
    """

    def __init__(
        self,
        shared: SharedState,
        leadership: Leadership[HttpExchange],
        refuse: Callable[[ClientConnection], None],
    ) -> None:
        self._shared = shared
        self._leadership = leadership
        self._refuse = refuse
        self._requests: list[HttpExchange] = []
        self._immediate: list[HttpExchange] = []
        self._short: deque[HttpExchange] = deque()
        self._short_paths = shared.short_calls.short_paths
        self._max_short = shared.max_short_calls
        self._short_allowed_at = 0.0  # until then, no request is answered in this thread: one has cost the lead

    @property
    def is_empty(self) -> bool:
        """Whether no request is waiting."""
        return not (self._requests or self._short or self._immediate)

    def add(self, exchange: HttpExchange, now: float, *, is_small: bool) -> None:
        """Add a request. Only a small one may be answered by the leading thread."""
        is_short = (
            is_small
            and exchange.head["PATH_INFO"] in self._short_paths
            and len(self._short) < self._max_short
            and now >= self._short_allowed_at
        )
        if is_short:
            self._short.append(exchange)
        elif exchange.head["REQUEST_METHOD"] != "POST" and self._shared.is_immediate(exchange.head):
            self._immediate.append(exchange)
        else:
            self._requests.append(exchange)

    def submit(self) -> None:
        """Submit the requests for the pools, all at once."""
        while self._requests or self._immediate:
            requests, self._requests = self._requests, []
            immediate, self._immediate = self._immediate, []
            refused = self._submit(requests, self._shared.pool) if requests else []
            refused += self._submit(immediate, self._shared.immediate_pool) if immediate else []
            for exchange in refused:
                exchange.discard()  # also if the client has gone meanwhile
                self._refuse(exchange.connection)

    def answer_short(self) -> bool:
        """Answer short calls in this thread, for a moment. Return whether it still leads.

        Raises:
            BaseException: An interrupt that ends the thread.
        """
        if not self._short:
            return True
        if not (self._shared.pool.has_room and self._leadership.ensure_follower()):
            self._defer_short_calls()
            self.submit()
            return True
        until = time.monotonic() + SHORT_CALLS_S
        while self._short:
            exchange = self._short.popleft()
            exchange.is_followed = bool(self._short)
            if not self._leadership.run(exchange):
                return False
            if time.monotonic() > until:
                break
        return True

    def on_lead_lost(self, exchange: HttpExchange) -> None:
        """Mark a call as long after it cost the lead. For a moment, all calls go to the pool."""
        self._shared.short_calls.mark_long(exchange.head["PATH_INFO"], time.perf_counter())
        self._short_allowed_at = time.monotonic() + MIN_LOSS_INTERVAL_S
        self._defer_short_calls()

    def discard(self) -> None:
        """Drop the requests that will not be answered."""
        self._defer_short_calls()
        while self._requests:
            self._requests.pop().discard()
        while self._immediate:
            self._immediate.pop().discard()

    def _defer_short_calls(self) -> None:
        """Move the short calls to those for the pool."""
        self._requests.extend(self._short)
        self._short.clear()

    def _submit(self, requests: list[HttpExchange], pool: ThreadPool) -> list[HttpExchange]:
        """Submit requests to a pool. Return those that will not run."""
        try:
            refused = pool.submit_all(requests)
        except RuntimeError:
            self._shared.log.write(ERROR, "no thread can be started, so requests are refused", traceback=True)
            return requests
        if pool is self._shared.pool and pool.waiting and (expiry := self._shared.expiry) is not None:
            expiry.watch(requests)
        return refused
