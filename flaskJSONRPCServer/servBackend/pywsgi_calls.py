"""The limit on concurrent calls in greenlets, with a queue of waiting requests."""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import Any

from gevent.event import AsyncResult

from ..http.refusals import ServiceUnavailable

__all__ = ["CallLimit", "is_disconnected"]


# How often the queue is searched for clients that have gone, which costs some system calls for each.
_CHECK_INTERVAL_S = 0.1


class CallLimit:
    """Limits how many requests are answered at once, and how many wait for that, in order of arrival.

    All greenlets run in one thread and switch only where they wait, so no lock is needed.

    Args:
        max_running: How many requests are answered at once.
        max_waiting: How many requests may wait.

    Attributes:
        free: How many more requests may be answered at once.
    """

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self.free = max_running
        self._max_waiting = max_waiting
        # Sockets; each result is True when the turn of the request has come, and False if its client has gone.
        self._waiting: deque[tuple[Any, AsyncResult[bool]]] = deque()
        self._checked_at = 0.0

    @property
    def waiting(self) -> int:
        """How many requests are waiting."""
        return len(self._waiting)

    def acquire(self, client: Any) -> None:
        """Wait until a request may be answered.

        Args:
            client: The socket of its client.

        Raises:
            ServiceUnavailable: Too many requests are waiting already.
            ConnectionAbortedError: The client has gone meanwhile.
        """
        if self.free:
            self.free -= 1
            return
        self.check_room()
        turn: AsyncResult[bool] = AsyncResult()
        self._waiting.append((client, turn))
        has_turn = turn.get()
        if has_turn and is_disconnected(client):
            self.release()
            has_turn = False
        if not has_turn:
            raise ConnectionAbortedError("the client has gone while its request waited")

    def check_room(self) -> None:
        """Check that another request could be answered, or could wait.

        Raises:
            ServiceUnavailable: Too many requests are waiting already.
        """
        if self.free or self.waiting < self._max_waiting:
            return
        self._drop_gone()
        if self.waiting >= self._max_waiting:
            raise ServiceUnavailable(f"max_waiting_requests ({self._max_waiting}) requests are waiting already")

    def release(self) -> None:
        """End a request, and give its place to the next one that waits."""
        if self._waiting:
            _, turn = self._waiting.popleft()
            turn.set(True)
        else:
            self.free += 1

    def _drop_gone(self) -> None:
        """Drop waiting requests whose clients have gone: they must not keep others out."""
        now = time.monotonic()
        if now - self._checked_at < _CHECK_INTERVAL_S:
            return
        self._checked_at = now
        waiting, self._waiting = self._waiting, deque()
        for client, turn in waiting:
            if is_disconnected(client):
                turn.set(False)
            else:
                self._waiting.append((client, turn))


def is_disconnected(client: Any) -> bool:
    """Return whether a client has closed its connection, or only its sending half.

    The two look the same until something is sent. The server asks this only about clients that had to wait. Many of
    these have given up, and few half-close.
    """
    descriptor = client.fileno()
    if descriptor < 0:
        return True
    with socket.fromfd(descriptor, client.family, client.type) as duplicate:
        duplicate.setblocking(False)
        try:
            return not duplicate.recv(1, socket.MSG_PEEK)
        except BlockingIOError:  # still connected, and silent
            return False
        except OSError:
            return True
