"""Answering the requests whose calls have all passed their deadlines while they waited for a thread.

Calls without a timeout may occupy all threads for as long as they like. A request behind them is still answered at its
deadline: by another thread, in which none of its calls runs.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...runtime.thread_pool import Task, ThreadPool

if TYPE_CHECKING:
    from ..gate import RpcApplication
    from .http_exchange import HttpExchange

__all__ = ["Expiry"]

# The most threads that answer expired requests, and the most requests that wait for these; guessed. A thread takes long
# only if `auth`, or a lock of the server, holds it up.
_THREADS = 4
_WAITING = 1000

# How long the thread waits for further requests that may expire; guessed.
_IDLE_S = 1.0


class Expiry:
    """Answers the requests that have expired in the queue of a pool.

    A thread runs while requests come that may expire, and for a moment longer: starting one for each request would cost
    the connections more than the requests do. It reads the requests a first time to find out when they expire.

    Args:
        pool: The pool.
        app: Says when requests expire.
        name: The name of the threads.
    """

    def __init__(self, pool: ThreadPool, app: RpcApplication, name: str) -> None:
        self._pool = pool
        self._expires_at = app.expires_at
        self._has_deadlines = app.has_deadlines
        self._name = name
        self._spare = ThreadPool(_THREADS, _WAITING, name)
        self._changed = threading.Condition()
        self._new: list[HttpExchange] = []  # guarded by _changed
        self._is_running = self._is_stopping = False  # guarded by _changed
        self._order = itertools.count()
        # When each request expires. Only the thread uses it.
        self._waiting: list[tuple[float, int, HttpExchange]] = []
        self._prune_at = _WAITING

    def watch(self, exchanges: Sequence[HttpExchange]) -> None:
        """Answer requests that may wait in the queue when they expire."""
        if not self._has_deadlines():
            return
        with self._changed:
            self._new += exchanges
            self._changed.notify()
            if self._is_running or self._is_stopping:
                return
            self._is_running = True
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError:  # the system has no room for another thread: these are answered by the pool, perhaps late
            self._is_running = False

    def stop(self) -> list[Task]:
        """End the threads, after the pool has stopped. Return the requests that are not answered."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        return self._spare.stop(0)[0]

    def _run(self) -> None:
        while (exchanges := self._next()) is not None:
            while exchanges:
                self._schedule(exchanges.pop())
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                self._expire(heapq.heappop(self._waiting)[2])

    def _expire(self, exchange: HttpExchange) -> None:
        if self._pool.withdraw(exchange):
            with contextlib.suppress(RuntimeError):  # the system has no room for another thread, nor for an answer
                self._spare.submit(exchange, is_bounded=False)

    def _next(self) -> list[HttpExchange] | None:
        """Wait for new requests, or until one expires; return the new ones, and None after the idle time."""
        with self._changed:
            if not self._new and not self._is_stopping:
                self._changed.wait(max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else _IDLE_S)
            exchanges, self._new = self._new, []
            if self._is_stopping or not (exchanges or self._waiting):
                self._is_running = False
                self._waiting.clear()
                return None
            return exchanges

    def _schedule(self, exchange: HttpExchange) -> None:
        body = exchange.request.body
        # A body in a file has one position, which the thread that answers may be using by now.
        if exchange.has_begun or body.memory_bytes != body.size:
            return
        expires_at = None
        with contextlib.suppress(Exception):  # a thread of the pool has taken it meanwhile, or it is malformed
            expires_at = self._expires_at(exchange)
        if expires_at is not None:
            if len(self._waiting) >= self._prune_at:
                self._prune()
            heapq.heappush(self._waiting, (expires_at, next(self._order), exchange))

    def _prune(self) -> None:
        """Drop the requests that a thread of the pool has taken meanwhile."""
        self._waiting = [entry for entry in self._waiting if not entry[2].has_begun]
        heapq.heapify(self._waiting)
        self._prune_at = max(_WAITING, 2 * len(self._waiting))
