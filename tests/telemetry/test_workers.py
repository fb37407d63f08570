"""The sum over several workers: their files, and gunicorn."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.telemetry import group_files, workers
from flaskJSONRPCServer.telemetry.families import counter, gauge, merged, sample_key
from flaskJSONRPCServer.telemetry.group_files import GroupFiles, UnsafeFolderError, process_identity
from flaskJSONRPCServer.telemetry.workers import WorkerGroup
from tests.helpers import wait_until
from tests.telemetry.scraping import ask, calls, scrape, value

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processes are forks")

OWN = process_identity(os.getpid())
ENDED = f"{os.getpid()}-1"  # this process began later than that
APP = """
import os
from flaskJSONRPCServer import flaskJSONRPCServer

server = flaskJSONRPCServer(None, log=2, metrics=True)
server.registerFunction(os.getpid, path="/api", name="getpid")
application = server.getWSGI()
"""
COUNTED_BEFORE_THE_FORK = """
server._callDispatcher("1", "/api/", {"method": "getpid", "params": []}, {})
"""


@pytest.fixture
def memory(monkeypatch):
    """The folder of this user, in a folder whose path is short: that of a Unix socket has a limit."""
    with tempfile.TemporaryDirectory(prefix="m") as folder:
        monkeypatch.setattr(group_files, "_MEMORY", Path(folder))
        yield Path(folder) / group_files.folder_name()


def counted(count):
    return [counter("calls", "Calls.", ({}, count)), gauge("level", "A level.", ({}, count))]


def values_of(families):
    return {family.name: value for family in merged(families) for value in family.samples.values()}


def as_worker(files, identity):
    """Return the files of a group as another worker uses them."""
    other = GroupFiles.__new__(GroupFiles)
    other.__dict__.update(files.__dict__, worker=identity)
    return other


def test_counts_of_ended_workers_are_kept_once_and_their_levels_are_not(memory):
    files = GroupFiles(OWN, "api")
    as_worker(files, ENDED).write(counted(5))
    for _ in range(3):
        with files.locked():
            assert values_of(files.others()) == {"calls": 5}

    as_worker(files, f"{os.getpid()}-2").write(counted(6))
    with files.locked():
        assert values_of(files.others()) == {"calls": 11}
    assert sorted(path.name for path in memory.rglob("*.json")) == ["dead.json"]


def test_interruption_before_the_files_are_removed_counts_nothing_twice(memory, monkeypatch):
    files = GroupFiles(OWN, "api")
    as_worker(files, ENDED).write(counted(5))
    with monkeypatch.context() as patched, files.locked():
        patched.setattr(group_files.Path, "unlink", interrupt)
        with pytest.raises(KeyboardInterrupt):
            files.others()

    with files.locked():
        assert values_of(files.others()) == {"calls": 5}


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def test_living_workers_count_with_their_levels(memory):
    parent = process_identity(os.getppid())
    files = GroupFiles(OWN, "api")
    as_worker(files, parent).write(counted(5))
    with files.locked():
        assert values_of(files.others()) == {"calls": 5, "level": 5}


def test_groups_of_other_servers_and_of_ended_parents_are_not_read(memory):
    GroupFiles(ENDED, "api").write(counted(5))
    other_server = GroupFiles(OWN, "other")
    as_worker(other_server, ENDED).write(counted(6))

    files = GroupFiles(OWN, "api")
    with files.locked():
        assert values_of(files.others()) == {}
    assert [folder.name for folder in memory.iterdir()] == [OWN]


@pytest.mark.parametrize("fault", ["open to others", "a link", "a file"])
def test_folder_that_others_could_write_is_refused(memory, fault):
    if fault == "a link":
        memory.symlink_to(memory.parent)
    elif fault == "a file":
        memory.touch()
    else:
        memory.mkdir(mode=0o700)
        memory.chmod(0o777)
    with pytest.raises(UnsafeFolderError, match="is not a folder of this user alone"):
        GroupFiles(OWN, "api")


def test_identity_is_that_of_a_running_process():
    assert process_identity(os.getpid()).startswith(f"{os.getpid()}-")
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert process_identity(ended.pid) is None  # a zombie
    assert process_identity(2**22 + 1) is None


def test_started_program_is_no_fork_of_its_parent():
    script = "from flaskJSONRPCServer.telemetry.group_files import is_forked_from_parent as f; import os; print(f())"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"False\n"


@pytest.fixture
def group(memory, monkeypatch):
    """A worker whose parent process is the one of this test."""
    monkeypatch.setattr(workers, "is_forked_from_parent", lambda: True)
    count = [0]
    group = WorkerGroup("api", lambda: counted(count[0]), lambda: count[0], ServerLog("test", 0))
    group.count = count
    yield group
    group.leave()


def test_worker_writes_when_it_is_asked(group, memory):
    group.join()
    (path,) = memory.rglob("*.sock")
    group.count[0] = 7
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.connect(str(path))
        assert asking.recv(1) == b"\n"
    assert '"calls"' in path.with_suffix(".json").read_text(encoding="utf-8")
    assert {family.name for family in group.families()} == {"calls", "level", "jsonrpc_server_workers"}


def test_worker_writes_what_it_has_counted_without_being_asked(group, memory):
    group.join()
    group.count[0] = 7
    wait_until(lambda: [json.loads(path.read_text())[0][4][0][2] for path in memory.rglob("*-*.json")] == [7])


def test_worker_that_has_left_leaves_nothing(group, memory):
    group.join()
    assert group.families()
    group.leave()
    assert [path.name for path in memory.rglob("*") if path.is_file()] in ([], ["lock"])
    assert not group.has_joined
    group.join()
    assert not group.has_joined


def test_many_threads_join_once(group, memory):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: group.join(), range(50)))
    wait_until(lambda: len([thread for thread in threading.enumerate() if thread.name == "metrics-worker"]) == 1)


def test_worker_without_a_folder_counts_itself(group, memory):
    memory.touch()
    group.count[0] = 3
    group.join()
    assert group.families() == counted(3)


def test_busy_worker_counts_with_what_it_wrote_last(group, monkeypatch):
    monkeypatch.setattr(workers, "_ANSWER_WITHIN_S", 0.05)
    group.join()
    files = group._files
    parent = as_worker(files, process_identity(os.getppid()))
    parent.write(counted(5))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(parent.socket_path))
        silent.listen()
        group.count[0] = 2
        samples = {family.name: family.samples for family in group.families()}
    assert samples["calls"] == {sample_key("_total", {}): 7}
    assert samples["jsonrpc_server_workers"] == {("", ()): 2}


def test_worker_that_cannot_write_answers_all_the_same(group, monkeypatch):
    group.join()
    group.count[0] = 4
    monkeypatch.setattr(GroupFiles, "write", no_space)
    assert group.families()[0] == counted(4)[0]


def no_space(*args):
    raise OSError(errno.ENOSPC, "No space left on device")


class Gunicorn:
    """A server with four workers, and the number of the calls that it has answered."""

    def __init__(self, folder, *options):
        (folder / "app.py").write_text(APP + COUNTED_BEFORE_THE_FORK * ("--preload" in options), encoding="utf-8")
        listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = listening.getsockname()
        bind = ["-w", "4", "-b", f"fd://{listening.fileno()}", "--log-level", "error", *options]
        command = [sys.executable, "-m", "gunicorn", *bind, "app"]
        self.process = subprocess.Popen(command, cwd=folder, pass_fds=[listening.fileno()])
        listening.close()
        self.calls = 0

    def call(self, count):
        """Make calls, each on a connection of its own; return the workers that have answered."""
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(self.address, "getpid")["result"], range(count)))
        self.calls += count
        return set(answers)

    def call_until(self, count):
        """Make calls until so many workers have answered; return them."""
        pids = set()
        while len(pids) < count:  # the timeout of the test ends it
            pids |= self.call(20)
        return pids

    def counts(self):
        """Scrape several times, whichever worker answers; return the counts."""
        return {calls(scrape(self.address), "/api/getpid") for _ in range(5)}


def has_ended(pid):
    return process_identity(pid) is None


@pytest.mark.timeout(180)
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_every_worker_of_gunicorn_has_the_exact_sum_and_killed_ones_are_kept(tmp_path, options):
    gunicorn = Gunicorn(tmp_path, *options)
    try:
        killed, ended, *_ = gunicorn.call_until(4)
        assert gunicorn.counts() == {gunicorn.calls}
        assert value(scrape(gunicorn.address), "workers") == 4

        for pid, number in ((killed, signal.SIGKILL), (ended, signal.SIGTERM)):
            gunicorn.call(20)
            assert gunicorn.counts() == {gunicorn.calls}
            os.kill(pid, number)
            wait_until(partial(has_ended, pid))
            assert gunicorn.counts() == {gunicorn.calls}
        gunicorn.call(20)
        assert gunicorn.counts() == {gunicorn.calls}
    finally:
        gunicorn.process.terminate()
        assert gunicorn.process.wait(60) == 0
