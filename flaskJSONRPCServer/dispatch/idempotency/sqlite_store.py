"""The store that the processes of one machine share: a file, by the SQLite of the standard library."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .file_owners import owner_of
from .sqlite_connection import FileConnection
from .sqlite_schema import ALL_CALLERS, BYTES, KEYS, Bound
from .store import StoreBounds, StoredCall, StoreFullError

__all__ = ["SqliteStore"]

_OWNERS_SUFFIX: Final = "-owners"


class SqliteStore:
    """Keeps answers in a file that processes share: an `IdempotencyStore`.

    Each process opens the file at its first key. The claims of a process that has died are free.

    Args:
        path: The file. Files beside it have the same name with `-wal`, `-shm` and `-owners` at the end. A relative path
            and a link are followed once, now: one file has one name in all processes.
        clock: Returns the time in seconds, the same in all processes.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path.resolve()
        self._clock = clock
        self._bounds = StoreBounds(1, 0, 0)  # replaced before the first claim
        self._file: StoreFile | None = None  # replaced in one step, so threads need no lock

    def use(self, bounds: StoreBounds) -> None:
        """See `IdempotencyStore.use`."""
        self._bounds = bounds

    def claim(self, key: bytes, payload: bytes, caller: bytes) -> StoredCall | None:
        """See `IdempotencyStore.claim`."""
        return self._opened().claim(key, payload, caller, self._bounds)

    def finish(self, key: bytes, answer: bytes) -> None:
        """See `IdempotencyStore.finish`."""
        self._opened().finish(key, answer, self._bounds)

    def release(self, key: bytes) -> None:
        """See `IdempotencyStore.release`."""
        self._opened().release(key)

    def count(self) -> int:
        """See `IdempotencyStore.count`. It is 0 as long as this process has not used the file."""
        return 0 if self._file is None else self._opened().amount(KEYS, ALL_CALLERS)

    def _opened(self) -> StoreFile:
        file = self._file
        if file is not None and file.process == os.getpid():
            return file
        self._file = opened = StoreFile(self._path, self._clock)
        return opened


class StoreFile:
    """The file, as one process has opened it. Threads take turns.

    Args:
        path: The file.
        clock: Returns the time in seconds.

    Attributes:
        process: The number of the process.

    Raises:
        sqlite3.Error, OSError: It cannot be opened.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.process = os.getpid()
        self._owner = owner_of(path.with_name(path.name + _OWNERS_SUFFIX))
        self._connection = FileConnection(path)
        with self._connection.transaction():
            self._free_the_dead()

    def claim(self, key: bytes, payload: bytes, caller: bytes, bounds: StoreBounds) -> StoredCall | None:
        """See `IdempotencyStore.claim`."""
        # Most claims of a key that is there need no turn among the processes.
        with self._connection.reading():
            found = self._find(key)
        if found is not None:
            return found
        with self._connection.transaction():
            found = self._find(key)
            if found is None:
                self._execute("DELETE FROM calls WHERE key = ?", key)  # of a process that has died
                self._execute("DELETE FROM calls WHERE owner IS NULL AND ends_at <= ?", self._clock())
                self._make_room_for_key(caller, bounds)
                self._execute(
                    "INSERT INTO calls (key, caller, payload, owner) VALUES (?, ?, ?, ?)",
                    *(key, caller, payload, self._owner.number),
                )
            return found

    def finish(self, key: bytes, answer: bytes, bounds: StoreBounds) -> None:
        """See `IdempotencyStore.finish`."""
        kept = answer if len(answer) <= bounds.answer_bytes else None
        with self._connection.transaction():
            self._execute(
                "UPDATE calls SET owner = NULL, ends_at = ?, answer = ?, size = ? WHERE key = ? AND owner = ?",
                *(self._clock() + bounds.lifetime_s, kept, len(kept or b""), key, self._owner.number),
            )
            ((caller,),) = self._execute("SELECT caller FROM calls WHERE key = ?", key) or [(None,)]
            while self._amount(BYTES, ALL_CALLERS) > bounds.answer_bytes:
                oldest = self._to_displace(BYTES, caller, bounds.bytes_of_caller)
                self._execute("UPDATE calls SET answer = NULL, size = 0 WHERE key = ?", oldest)

    def release(self, key: bytes) -> None:
        """See `IdempotencyStore.release`."""
        with self._connection.transaction():
            self._execute("DELETE FROM calls WHERE key = ? AND owner = ?", key, self._owner.number)

    def amount(self, bound: Bound, caller: bytes) -> int:
        """Return how much a caller has, or all callers together."""
        with self._connection.reading():
            return self._amount(bound, caller)

    def _find(self, key: bytes) -> StoredCall | None:
        """Return the call of a key; None if the key is free."""
        rows = self._execute("SELECT payload, owner, ends_at, answer FROM calls WHERE key = ?", key)
        if not rows:
            return None
        payload, owner, ends_at, answer = rows[0]
        if owner is not None:
            return StoredCall(payload, is_finished=False) if self._owner.is_alive(owner) else None
        return StoredCall(payload, is_finished=True, answer=answer) if ends_at > self._clock() else None

    def _make_room_for_key(self, caller: bytes, bounds: StoreBounds) -> None:
        """Remove keys until there is room for one more.

        Raises:
            StoreFullError: The caller has no right to displace any.
        """
        has_looked = False
        while self._amount(KEYS, ALL_CALLERS) >= bounds.keys:
            oldest = self._to_displace(KEYS, caller, bounds.keys_of_caller, more=1)
            if oldest is not None:
                self._execute("DELETE FROM calls WHERE key = ?", oldest)
            elif has_looked:
                raise StoreFullError
            else:
                self._free_the_dead()
                has_looked = True

    def _free_the_dead(self) -> None:
        """Remove the claims of processes that have died."""
        for (owner,) in self._execute("SELECT DISTINCT owner FROM calls WHERE owner IS NOT NULL"):
            if not self._owner.is_alive(owner):
                self._execute("DELETE FROM calls WHERE owner = ?", owner)

    def _to_displace(self, bound: Bound, caller: bytes, share: int, more: int = 0) -> bytes | None:
        """Return the key that makes room for a caller: see `.shares.oldest_to_displace`."""
        if self._amount(bound, caller) + more > share:
            return self._first(bound.oldest_of, caller)
        for (each,) in self._execute(bound.beyond_share, share, ALL_CALLERS):
            if (key := self._first(bound.oldest_of, each)) is not None:
                return key
        return self._first(bound.oldest)

    def _first(self, statement: str, *values: Any) -> bytes | None:
        rows = self._execute(statement, *values)
        return rows[0][0] if rows else None

    def _amount(self, bound: Bound, caller: bytes) -> int:
        rows = self._execute(bound.amount, caller)
        return rows[0][0] if rows else 0

    def _execute(self, statement: str, *values: Any) -> list[Any]:
        return self._connection.execute(statement, values)
