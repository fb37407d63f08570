"""How many calls run at once in greenlets, and how many requests wait for one of them to end."""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import Any

from gevent.event import AsyncResult

from ..http.refusals import ServiceUnavailable

__all__ = ["CallLimit", "has_gone"]


# How often those that wait are looked through for clients that have gone: it costs some system calls for each.
_LOOK_EVERY_S = 0.1


class CallLimit:
    """Lets so many requests be answered at once; so many others wait, in the order in which they came.

    All of it happens in the greenlets of one thread, which switch only where they wait, so nothing needs a lock.

    Args:
        most: How many are answered at once.
        most_waiting: How many wait.

    Attributes:
        free: How many more may be answered at once.
    """

    def __init__(self, most: int, most_waiting: int) -> None:
        self.free = most
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Any, AsyncResult[bool]]] = (
            deque()
        )  # sockets, with what tells whether their turn has come
        self._looked_at = 0.0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def acquire(self, client: Any) -> None:
        """Wait until the request may be answered.

        Args:
            client: The socket of the client.

        Raises:
            ServiceUnavailable: There are too many that wait already.
            ConnectionAbortedError: The client has gone meanwhile.
        """
        if self.free:
            self.free -= 1
            return
        self.check_room()
        turn: AsyncResult[bool] = AsyncResult()
        self._waiting.append((client, turn))
        has_turn = turn.get()
        if has_turn and has_gone(client):
            self.release()
            has_turn = False
        if not has_turn:
            raise ConnectionAbortedError("the client has gone while its request waited")

    def check_room(self) -> None:
        """Check that a request could be answered, or wait.

        Raises:
            ServiceUnavailable: There are too many that wait already.
        """
        if self.free or self.waiting < self._most_waiting:
            return
        self._drop_gone()
        if self.waiting >= self._most_waiting:
            raise ServiceUnavailable(f"max_waiting_requests ({self._most_waiting}) requests are waiting already")

    def release(self) -> None:
        """Let the next one be answered."""
        if self._waiting:
            _, turn = self._waiting.popleft()
            turn.set(True)
        else:
            self.free += 1

    def _drop_gone(self) -> None:
        """Make room among those that wait: a client that has given up must not keep another one out."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        looked_at, self._waiting = self._waiting, deque()
        for client, turn in looked_at:
            if has_gone(client):
                turn.set(False)
            else:
                self._waiting.append((client, turn))


def has_gone(client: Any) -> bool:
    """Return whether a client has closed its connection, or its sending half of it.

    The two look the same from here until something is sent. It is asked only about a client that has had to wait: of
    these, those that have given up are many, and those that half-close are few.
    """
    descriptor = client.fileno()
    if descriptor < 0:
        return True
    with socket.fromfd(descriptor, client.family, client.type) as same:
        same.setblocking(False)
        try:
            return not same.recv(1, socket.MSG_PEEK)
        except BlockingIOError:  # it is there, and silent
            return False
        except OSError:
            return True
