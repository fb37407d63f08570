"""The process's limit of open files, and its usage of files and memory."""

import contextlib
import errno
import os
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import psutil
import pytest

from flaskJSONRPCServer import SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.runtime import resources
from flaskJSONRPCServer.runtime.resources import checked_limits, raise_descriptor_limit


class FakeResource:
    """A fake system with limits; without privilege the hard limit can only be lowered."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = -1

    def __init__(self, soft, hard, *, privileged=False, most=2**20):
        self.limits = (soft, hard)
        self._privileged = privileged
        self._most = most

    def getrlimit(self, which):
        assert which == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which, limits):
        assert which == self.RLIMIT_NOFILE
        soft, hard = (self._most * 2 if limit == self.RLIM_INFINITY else limit for limit in limits)
        if soft > hard:
            raise ValueError("current limit exceeds maximum limit")
        if limits[1] != self.limits[1] and (not self._privileged or hard > self._most):
            raise PermissionError("not allowed to raise maximum limit")
        self.limits = limits


@pytest.mark.parametrize(
    ("now", "privileged", "wanted", "after"),
    [
        ((1024, 4096), True, (65536, 65536), (65536, 65536)),
        ((1024, 4096), False, (65536, 65536), (4096, 4096)),
        ((1024, 4096), False, (2048, 65536), (2048, 4096)),
        ((1024, 4096), False, (512, 1024), (1024, 4096)),
        ((1024, 2**19), False, (65536, 65536), (65536, 2**19)),
        ((1024, -1), False, (65536, 65536), (65536, -1)),
        ((-1, -1), False, (65536, 65536), (-1, -1)),
        ((1024, 4096), True, (2**21, 2**21), (4096, 4096)),
    ],
)
def test_limits_are_raised_as_far_as_possible_and_never_lowered(now, privileged, wanted, after, monkeypatch):
    system = FakeResource(*now, privileged=privileged)
    monkeypatch.setattr(resources, "resource", system)

    assert raise_descriptor_limit(*wanted) == after
    assert system.limits == after


def test_system_without_descriptor_limits(monkeypatch):
    monkeypatch.setattr(resources, "resource", None)

    assert raise_descriptor_limit(10, 20) == (10, 20)


def test_documented_helper_raises_the_limits(monkeypatch):
    system = FakeResource(1024, 4096)
    monkeypatch.setattr(resources, "resource", system)

    assert flaskJSONRPCServer(None, log=False)._tweakLimit([2048, 4096]) == (2048, 4096)
    assert system.limits == (2048, 4096)


@pytest.mark.parametrize(
    ("option", "limits"),
    [((1, 2), (1, 2)), ([65536, 65536], (65536, 65536)), (False, None), (None, None), ((), None)],
)
def test_option(option, limits):
    assert checked_limits(option) == limits


@pytest.mark.parametrize(
    "option", [True, 5, "12", (1,), (1, 2, 3), (0, 1), (-1, 5), (2, 1), ("1", "2"), (1.0, 2.0), {1: 2}]
)
def test_invalid_option_is_refused(option):
    with pytest.raises(SettingsError, match=r"it takes \[soft limit, hard limit\], or False"):
        checked_limits(option)
    with pytest.raises(SettingsError, match="tweakDescriptors="):
        flaskJSONRPCServer(None, tweakDescriptors=option)


@pytest.fixture
def server():
    return flaskJSONRPCServer(None, log=False)


@pytest.fixture
def other_process():
    program = "import sys; files = [open(__import__('os').devnull) for _ in range(50)]; print('ready', flush=True); "
    process = subprocess.Popen(
        [sys.executable, "-c", program + "sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def test_open_files_of_this_process_are_counted(server, tmp_path):
    before = server._countFileDescriptor()
    with contextlib.ExitStack() as files:
        for _ in range(20):
            files.enter_context((tmp_path / "file").open("w"))
        assert server._countFileDescriptor(os.getpid()) >= before + 15  # what else runs here may close a few

    assert isinstance(before, int)


def test_open_files_of_another_process_are_counted_by_number_and_by_text(server, other_process):
    assert server._countFileDescriptor(other_process.pid) == server._countFileDescriptor(str(other_process.pid)) >= 53


@pytest.mark.parametrize("helper", ["_countFileDescriptor", "_countMemory"])
def test_missing_process_is_a_lookup_error(helper, server, other_process):
    other_process.communicate()

    with pytest.raises(ProcessLookupError, match=f"there is no process {other_process.pid}"):
        getattr(server, helper)(other_process.pid)


def test_process_of_another_user_is_a_permission_error(server, monkeypatch):
    def refuse(pid):
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", refuse)

    with pytest.raises(PermissionError, match="process 1 belongs to another user"):
        server._countFileDescriptor(1)


def test_counting_without_a_free_descriptor_returns_the_limit(server, monkeypatch):
    def fail(pid):
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(psutil, "Process", fail)
    monkeypatch.setattr(resources, "resource", FakeResource(100, 200))

    assert server._countFileDescriptor() == 100
    assert server._checkFileDescriptor() is True


def test_first_counting_may_come_when_no_descriptor_is_left():
    program = """
        import os, resource
        from flaskJSONRPCServer.runtime.resources import count_descriptors
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        try:
            while True:
                os.dup(0)
        except OSError:
            print(count_descriptors(None))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)

    assert (run.stdout, run.stderr) == ("40\n", "")


def test_other_failure_of_counting_is_raised(server, monkeypatch):
    def fail(pid):
        raise OSError(errno.ENFILE, "too many open files in the system")

    monkeypatch.setattr(psutil, "Process", fail)

    with pytest.raises(OSError, match="in the system"):
        server._countFileDescriptor()


@pytest.mark.parametrize(
    ("count", "args", "near"),
    [(89, (), False), (90, (), True), (100, (), True), (44, (2.0,), False), (45, (2.0,), True), (100, (0.5,), False)],
)
def test_limit_is_near_from_nine_tenths(count, args, near, server, monkeypatch):
    monkeypatch.setattr(resources, "resource", FakeResource(100, 200))
    server._countFileDescriptor = lambda: count

    assert server._checkFileDescriptor(*args) is near


@pytest.mark.parametrize("system", [None, FakeResource(-1, -1)])
def test_without_a_limit_it_is_never_near(system, server, monkeypatch):
    monkeypatch.setattr(resources, "resource", system)
    server._countFileDescriptor = lambda: 10**9

    assert server._checkFileDescriptor() is False


def test_memory_of_this_process_grows_with_held_data(server):
    before = server._countMemory()
    block = b"x" * (64 << 20)
    held = server._countMemory()

    assert len(block) == 64 << 20
    assert held["now"] >= before["now"] + 48 * 1024  # what else runs here may free some
    assert held["peak"] >= held["now"]


def test_peak_remains_after_memory_is_released(server):
    block = b"x" * (64 << 20)
    del block
    memory = server._countMemory()

    assert memory["peak"] >= memory["now"] + 32 * 1024


def test_memory_of_another_process(server, other_process):
    memory = server._countMemory(str(other_process.pid))

    assert set(memory) == {"peak", "now"}
    assert 1024 < memory["now"] <= memory["peak"] < 1024 * 1024


@pytest.mark.parametrize(
    ("platform", "pid", "peak_wset_bytes", "peak"),
    [
        ("win32", 1, 5 * 1024, 5),
        ("darwin", None, 0, 3),
        ("freebsd13", None, 0, 3 * 1024),
        ("darwin", 1, 0, 0),
    ],
)
def test_peak_on_other_systems(platform, pid, peak_wset_bytes, peak, monkeypatch):
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: SimpleNamespace(ru_maxrss=3 * 1024))
    monkeypatch.setattr(resources, "resource", usage)
    monkeypatch.setattr(resources.sys, "platform", platform)

    assert resources.peak_memory_kb(os.getpid() if pid is None else pid, peak_wset_bytes) == peak


def test_usage_of_this_process_is_that_of_the_single_counts():
    usage = resources.measure_usage()

    assert usage.memory_kb == pytest.approx(resources.count_memory(None)["now"], rel=0.2)
    assert usage.descriptors == pytest.approx(resources.count_descriptors(None), abs=2)
    assert usage.threads >= 1
    assert 0 < usage.cpu_s <= resources.measure_usage().cpu_s
