"""The connections that wait for the next request."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Generic, Protocol, TypeVar

__all__ = ["ConnectionPool"]


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """Close it."""


_Connection = TypeVar("_Connection", bound=Closable)


class ConnectionPool(Generic[_Connection]):
    """Keeps idle connections, the one that was used last on top. Threads share it.

    Its operations are atomic without a lock: a fork cannot leave it locked.

    Args:
        max_idle: The most connections to keep.
        max_idle_s: The seconds after which an idle connection is not used any more.
    """

    def __init__(self, max_idle: int, max_idle_s: float) -> None:
        self.is_closed = False
        self._max_idle = max_idle
        self._max_idle_s = max_idle_s
        self._idle: deque[tuple[float, _Connection]] = deque()
        self._process = os.getpid()

    def __len__(self) -> int:
        return len(self._idle)

    def take(self) -> _Connection | None:
        """Take the connection that was used last; None if there is none."""
        if self._process != os.getpid():
            self._forget_parent()
        while True:
            try:
                idle_since, connection = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - idle_since < self._max_idle_s:
                return connection
            connection.close()

    def give_back(self, connection: _Connection, process: int) -> None:
        """Keep a connection for the next request.

        Args:
            connection: The connection.
            process: The process in which it was taken. In a process that was forked since, it belongs to the parent.
        """
        if self.is_closed or process != os.getpid():
            connection.close()
            return
        self._idle.append((time.monotonic(), connection))
        if len(self._idle) > self._max_idle:
            self._close_oldest()
        if self.is_closed:  # in the meantime
            self.close()

    def close(self) -> None:
        """Close all idle connections. Those in use are closed when they are given back."""
        self.is_closed = True
        while self._idle:
            self._close_oldest()

    def _close_oldest(self) -> None:
        try:
            _, connection = self._idle.popleft()
        except IndexError:  # another thread has it
            return
        connection.close()

    def _forget_parent(self) -> None:
        """Close this process's copies of the parent's connections. The parent's stay open."""
        inherited, self._idle = self._idle, deque()
        self._process = os.getpid()
        while inherited:
            inherited.pop()[1].close()
