"""The tables of a store file. Triggers count what each caller has, so that no claim counts rows."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ALL_CALLERS", "BUSY_TIMEOUT_S", "BYTES", "KEYS", "Bound", "connect", "transaction"]

ALL_CALLERS: Final = b""
"""The row of `shares` with what all callers have together."""

_VERSION: Final = 1
_APPLICATION: Final = 0x464A5253
"""Marks a database as a store in its header (SQLite file format, section 1.3.17): "FJRS"."""

_WAL_PAUSE_S: Final = 0.01

BUSY_TIMEOUT_S: Final = 5.0
"""How long a transaction waits for those of other processes, each of which takes far less than a millisecond."""

_SCHEMA: Final = """
CREATE TABLE calls (
    key BLOB PRIMARY KEY,
    caller BLOB NOT NULL,
    payload BLOB NOT NULL,
    owner INTEGER,              -- the process that runs the call; NULL after its end
    ends_at REAL,               -- when the key is forgotten; NULL before its end
    answer BLOB,                -- NULL before its end, and without room for it
    size INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX under_way ON calls (owner) WHERE owner IS NOT NULL;
CREATE INDEX finished ON calls (ends_at) WHERE owner IS NULL;
CREATE INDEX finished_of ON calls (caller, ends_at) WHERE owner IS NULL;
CREATE INDEX answered ON calls (ends_at) WHERE size > 0;
CREATE INDEX answered_of ON calls (caller, ends_at) WHERE size > 0;

CREATE TABLE shares (caller BLOB PRIMARY KEY, keys INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE INDEX most_keys ON shares (keys);
CREATE INDEX most_bytes ON shares (bytes);
INSERT INTO shares VALUES (x'', 0, 0);

CREATE TRIGGER inserted AFTER INSERT ON calls BEGIN
    INSERT OR IGNORE INTO shares VALUES (new.caller, 0, 0);
    UPDATE shares SET keys = keys + 1, bytes = bytes + new.size WHERE caller IN (x'', new.caller);
END;
CREATE TRIGGER deleted AFTER DELETE ON calls BEGIN
    UPDATE shares SET keys = keys - 1, bytes = bytes - old.size WHERE caller IN (x'', old.caller);
    DELETE FROM shares WHERE caller = old.caller AND keys = 0;
END;
CREATE TRIGGER resized AFTER UPDATE OF size ON calls BEGIN
    UPDATE shares SET bytes = bytes + new.size - old.size WHERE caller IN (x'', new.caller);
END;
"""


@dataclass(frozen=True, slots=True)
class Bound:
    """The queries about something that is bounded.

    Attributes:
        amount: How much a caller has.
        beyond_share: The callers with more than a share, the largest first.
        oldest: The oldest key that may make room.
        oldest_of: The same of a caller.
    """

    amount: str
    beyond_share: str
    oldest: str
    oldest_of: str


KEYS: Final = Bound(
    "SELECT keys FROM shares WHERE caller = ?",
    "SELECT caller FROM shares WHERE keys > ? AND caller != ? ORDER BY keys DESC",
    "SELECT key FROM calls WHERE owner IS NULL ORDER BY ends_at LIMIT 1",
    "SELECT key FROM calls WHERE owner IS NULL AND caller = ? ORDER BY ends_at LIMIT 1",
)
BYTES: Final = Bound(
    "SELECT bytes FROM shares WHERE caller = ?",
    "SELECT caller FROM shares WHERE bytes > ? AND caller != ? ORDER BY bytes DESC",
    "SELECT key FROM calls WHERE size > 0 ORDER BY ends_at LIMIT 1",
    "SELECT key FROM calls WHERE size > 0 AND caller = ? ORDER BY ends_at LIMIT 1",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open a store file. Make it if there is none, readable for its owner only: it contains answers.

    Raises:
        sqlite3.Error: It cannot be opened, or is no store of this version.
        OSError: It cannot be made, or is no regular file.
    """
    make_private(path)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        refuse_foreign(connection, path)
        use_write_ahead_log(connection)
        # A crash of a process loses nothing. A crash of the machine may lose the last answers.
        connection.execute("PRAGMA synchronous = NORMAL")
        make_tables(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def make_private(path: Path) -> None:
    """Make a file with mode 0600 if there is none. An empty one gets this mode; a store keeps that of its owner.

    Only files without a store are opened here: to close a file frees the locks that SQLite has on it in this process.

    Raises:
        OSError: It cannot be made, or is no regular file.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"{path} is no regular file") from None
        if found.st_size == 0 and stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o600)


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse the database of another program before anything is written to it.

    Raises:
        sqlite3.DatabaseError: It is none of ours.
    """
    if pragma(connection, "application_id") == _APPLICATION:
        return
    is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    # Another process may have made the tables since.
    if not is_empty and pragma(connection, "application_id") != _APPLICATION:
        raise sqlite3.DatabaseError(f"{path} is the database of another program; choose a file of its own")


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch to the mode in which readers do not wait. SQLite does not wait for the processes that do the same."""
    ends_at = time.monotonic() + BUSY_TIMEOUT_S
    while not has_switched(connection, ends_at):
        time.sleep(_WAL_PAUSE_S)


def has_switched(connection: sqlite3.Connection, ends_at: float) -> bool:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as exc:
        if "locked" not in str(exc) or time.monotonic() >= ends_at:
            raise
        return False
    return True


def make_tables(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection):
        if pragma(connection, "application_id") != _APPLICATION:
            # Not executescript(), which commits before it begins.
            for statement in statements_of(_SCHEMA):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        version = pragma(connection, "user_version")
    if version != _VERSION:
        raise sqlite3.DatabaseError(f"{path} is no store of version {_VERSION} but of {version}; delete it")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the turn of this process among those that write to the file."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a failure of the disk has ended the transaction already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def pragma(connection: sqlite3.Connection, name: str) -> int:
    number: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return number


def statements_of(script: str) -> list[str]:
    """Split a script into its statements: a trigger has several in it."""
    statements: list[str] = []
    pending = ""
    for line in script.strip().splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
