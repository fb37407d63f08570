"""The connection of one process to a store file. It is closed while the process forks.

SQLite forbids to take a connection through a fork, and to open the file in the child while it has one: its locks would
be those of the parent, whose end then removes the `-wal` file that the child writes to. So no connection is open during
a fork, and parent and child open the file again with their next key.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ...runtime.concurrency import make_lock
from .sqlite_schema import BUSY_TIMEOUT_S, connect, transaction

__all__ = ["FileConnection"]

# A fork waits for the transactions under way.
_FORK_TIMEOUT_S: Final = 2 * BUSY_TIMEOUT_S


class FileConnection:
    """A connection that threads take turns at. It is opened when it is used.

    Args:
        path: The store file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = os.getpid()
        self._lock = make_lock()
        self._connection: sqlite3.Connection | None = None  # guarded by _lock
        _forks.add(self)

    def __del__(self) -> None:
        self._close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Take the turn of this thread.

        Raises:
            TimeoutError: The other threads take too long.
            sqlite3.Error, OSError: The file cannot be opened.
        """
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_S):
            raise TimeoutError(f"{self._path} was in use for {BUSY_TIMEOUT_S:g} s")
        try:
            if self._connection is None:
                self._connection = connect(self._path)
            yield
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Take the turn of this thread, and that of the process among those that write to the file.

        Raises:
            TimeoutError, sqlite3.Error, OSError: As :meth:`reading`.
        """
        with self.reading(), transaction(self._opened):
            yield

    def execute(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        """Execute a statement in the turn of this thread, and return its rows.

        Raises:
            sqlite3.Error: It failed.
        """
        return self._opened.execute(statement, values).fetchall()

    def close_for_fork(self) -> bool:
        """Close the connection, and keep the turn. Return False if another thread did not end its own in time."""
        if not self._lock.acquire(timeout=_FORK_TIMEOUT_S):
            return False
        self._close()
        return True

    def end_fork(self) -> None:
        """Let threads take turns again."""
        self._lock.release()

    @property
    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None, "outside of a turn"  # noqa: S101
        return self._connection

    def _close(self) -> None:
        connection = self._connection
        # One that a fork has inherited all the same is left alone: to close it would free the locks of this process.
        if connection is not None and self._process == os.getpid():
            self._connection = None
            connection.close()


class Forks:
    """The connections of this process, and those that wait for the end of a fork."""

    def __init__(self) -> None:
        self._lock = make_lock()  # held during a fork, so that none is added meanwhile
        self._connections: weakref.WeakSet[FileConnection] = weakref.WeakSet()  # guarded by _lock
        self._closed: list[FileConnection] = []  # guarded by _lock
        self._inherited: list[sqlite3.Connection | None] = []  # kept, since they must not be closed here

    def add(self, connection: FileConnection) -> None:
        """Close a connection at each fork."""
        with self._lock:
            self._connections.add(connection)

    def begin(self) -> None:
        """Close all connections, and keep their turns."""
        self._lock.acquire()
        self._closed = [each for each in list(self._connections) if each.close_for_fork()]

    def end(self) -> None:
        """Give the turns back."""
        closed, self._closed = self._closed, []
        for each in closed:
            each.end_fork()
        self._lock.release()

    def end_in_child(self) -> None:
        """Give the turns back, and forget the connections, which belong to the parent."""
        self._inherited += [each._connection for each in self._connections]
        self._connections = weakref.WeakSet()
        self.end()


_forks: Final = Forks()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forks.begin, after_in_parent=_forks.end, after_in_child=_forks.end_in_child)
