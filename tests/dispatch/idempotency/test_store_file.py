"""The file of a store: its names, its mode, and files that are no store."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flaskJSONRPCServer.dispatch.idempotency.sqlite_schema import connect, use_write_ahead_log
from flaskJSONRPCServer.dispatch.idempotency.sqlite_store import SqliteStore
from flaskJSONRPCServer.dispatch.idempotency.store import StoreBounds, StoredCall

PAYLOAD = b"payload"
UNDER_WAY = StoredCall(PAYLOAD, is_finished=False)

CLAIM = """
import sys
from pathlib import Path
from flaskJSONRPCServer.dispatch.idempotency.sqlite_store import SqliteStore
from flaskJSONRPCServer.dispatch.idempotency.store import StoreBounds

store = SqliteStore(Path(sys.argv[1]))
store.use(StoreBounds(10, 1000, 60))
print(store.claim(b"a", b"payload", b"ann"))
"""


def store_at(path):
    store = SqliteStore(path)
    store.use(StoreBounds(10, 1000, 60))
    return store


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("link", ["link", "folder/keys"])
def test_key_under_way_is_seen_through_a_link(tmp_path, link):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "keys")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    store = store_at(tmp_path / "real" / "keys")
    assert store.claim(b"a", PAYLOAD, b"ann") is None

    command = [sys.executable, "-c", CLAIM, str(tmp_path / link)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=Path.cwd())

    assert (done.stdout.strip(), done.stderr) == (repr(UNDER_WAY), "")


def test_relative_path_is_that_of_the_folder_at_construction(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = store_at(Path("keys"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")

    store.claim(b"a", PAYLOAD, b"ann")

    assert (tmp_path / "keys").exists()
    assert not any((tmp_path / "other").iterdir())


def test_empty_file_becomes_private(tmp_path):
    path = tmp_path / "keys"
    path.touch()
    path.chmod(0o644)

    store_at(path).claim(b"a", PAYLOAD, b"ann")

    assert mode_of(path) == 0o600


def test_target_of_a_link_is_made_private(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")

    store_at(tmp_path / "link").claim(b"a", PAYLOAD, b"ann")

    assert mode_of(tmp_path / "target") == 0o600


def test_link_in_place_of_the_locks_is_refused(tmp_path):
    (tmp_path / "keys-owners").symlink_to(tmp_path / "planted")

    with pytest.raises(OSError, match="keys-owners"):
        store_at(tmp_path / "keys").claim(b"a", PAYLOAD, b"ann")

    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("version", [0, 1])
def test_database_of_another_program_is_refused_and_left_as_it_is(tmp_path, version):
    path = tmp_path / "shop"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id)")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(sqlite3.DatabaseError, match="is the database of another program"):
        store_at(path).claim(b"a", PAYLOAD, b"ann")

    assert path.read_bytes() == before


def test_store_of_another_version_is_refused(tmp_path):
    path = tmp_path / "keys"
    connection = connect(path)
    connection.execute("PRAGMA user_version = 7")
    connection.close()

    with pytest.raises(sqlite3.DatabaseError, match="is no store of version 1 but of 7; delete it"):
        store_at(path).claim(b"a", PAYLOAD, b"ann")


def test_switch_to_the_write_ahead_log_is_tried_again_while_the_file_is_locked(tmp_path):
    path = tmp_path / "keys"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    refusals = []

    class Connection(sqlite3.Connection):
        """A connection whose first refusal ends the transaction that caused it."""

        def execute(self, statement):
            try:
                return super().execute(statement)
            except sqlite3.OperationalError as exc:
                refusals.append(str(exc))
                holder.execute("COMMIT")
                raise

    connection = sqlite3.connect(path, timeout=0, factory=Connection)
    try:
        use_write_ahead_log(connection)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        connection.close()
        holder.close()
    assert refusals == ["database is locked"]
