"""A store file in forked processes: keys stay finished, however parents and children end."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flaskJSONRPCServer.dispatch.idempotency.sqlite_store import SqliteStore
from flaskJSONRPCServer.dispatch.idempotency.store import StoreBounds

BOUNDS = StoreBounds(10_000, 1_000_000, 60)

# The parent ends before its child, whose keys another process looks for.
PARENT = """
import os, subprocess, sys
from pathlib import Path
from flaskJSONRPCServer.dispatch.idempotency.sqlite_store import SqliteStore
from flaskJSONRPCServer.dispatch.idempotency.store import StoreBounds

def store():
    made = SqliteStore(Path(sys.argv[1]))
    made.use(StoreBounds(10, 1000, 60))
    return made

def run(store, key):
    if store.claim(key, b"", b"ann") is None:
        store.finish(key, b"answer")

if len(sys.argv) > 2:
    print([store().claim(key, b"", b"ann") is not None for key in (b"warm", b"a", b"b")])
    sys.exit()
ours = store()
run(ours, b"warm")
first_read, first_write = os.pipe()
second_read, second_write = os.pipe()
if os.fork():
    os.read(first_read, 1)
    sys.exit()  # the end of the parent closes second_write
os.close(second_write)
run(ours, b"a")
os.write(first_write, b"x")
os.read(second_read, 1)
run(ours, b"b")
sys.stdout.flush()
os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "other"])
"""


def store_at(path):
    store = SqliteStore(path)
    store.use(BOUNDS)
    return store


def test_keys_of_a_child_outlive_the_connection_of_its_parent(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", PARENT, str(tmp_path / "keys")]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=Path.cwd())

    assert (done.stdout.strip(), done.stderr) == ("[True, True, True]", "")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_fork_within_the_transactions_of_a_thread_leaves_both_processes_their_store(tmp_path):
    store = store_at(tmp_path / "keys")
    has_ended = threading.Event()
    finished = []

    def work():
        while not has_ended.is_set():
            key = os.urandom(24)
            store.claim(key, b"", b"ann")
            store.finish(key, b"answer")
            finished.append(key)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        statuses = [status_of_child(store, finished) for _ in range(10)]
    finally:
        has_ended.set()
        thread.join()

    assert statuses == [0] * 10
    assert all(store.claim(key, b"", b"ann").answer == b"answer" for key in finished)


def status_of_child(store, finished):
    """Fork once more keys are finished, and return the exit status of the child, which uses the store."""
    ends_at = time.monotonic() + 30
    count = len(finished)
    while len(finished) == count and time.monotonic() < ends_at:
        time.sleep(0)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            key = os.urandom(24)
            if store.claim(key, b"", b"bob") is None:
                store.finish(key, b"child")
            found = store.claim(key, b"", b"bob")
            status = 0 if found is not None and found.answer == b"child" else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
