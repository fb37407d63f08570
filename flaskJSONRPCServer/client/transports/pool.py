"""The connections that wait for the next request."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

__all__ = ["ConnectionPool"]


class Connection(Protocol):
    """A connection."""

    def close(self) -> None:
        """Close it."""

    def disown(self) -> None:
        """Let it go in another process, or in another event loop. Its owner may go on with it."""


_Connection = TypeVar("_Connection", bound=Connection)


class ConnectionPool(Generic[_Connection]):
    """Keeps idle connections, the one that was used last on top. Threads share it.

    Its operations are atomic without a lock: a fork cannot leave it locked.

    Args:
        max_idle: The most connections to keep.
        max_idle_s: The seconds after which an idle connection is not used any more.
        owner: Returns whose the connections are: the process, or the event loop.

    Attributes:
        is_closed: Whether connections are closed when they come back.
    """

    def __init__(self, max_idle: int, max_idle_s: float, owner: Callable[[], Hashable]) -> None:
        self.is_closed = False
        self._max_idle = max_idle
        self._max_idle_s = max_idle_s
        self._current_owner = owner
        self._owner: Hashable = None
        self._idle: deque[tuple[float, _Connection]] = deque()

    def __len__(self) -> int:
        return len(self._idle)

    def take(self) -> _Connection | None:
        """Take the connection that was used last; None if there is none."""
        if self._owner != self._current_owner():
            self._change_owner()
        while True:
            try:
                idle_since, connection = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - idle_since < self._max_idle_s:
                return connection
            connection.close()

    def give_back(self, connection: _Connection) -> None:
        """Keep a connection for the next request."""
        if self.is_closed:
            connection.close()
        elif self._owner != self._current_owner():  # a fork within the request: the parent goes on with it
            connection.disown()
        else:
            self._idle.append((time.monotonic(), connection))
            if len(self._idle) > self._max_idle or self.is_closed:  # closed in the meantime
                self._close_oldest()

    def close(self) -> None:
        """Close all idle connections. Those in use are closed when they come back."""
        self.is_closed = True
        while self._idle:
            self._close_oldest()

    def _close_oldest(self) -> None:
        try:
            _, connection = self._idle.popleft()
        except IndexError:  # another thread has it
            return
        connection.close()

    def _change_owner(self) -> None:
        others, self._idle = self._idle, deque()
        self._owner = self._current_owner()
        for _, connection in others:
            connection.disown()
