"""One child process, without a pool: how it starts, how it is waited for, and how its end is noticed."""

import contextlib
import errno
import os
import pickle
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.execBackend.parallel import channel, process
from flaskJSONRPCServer.execBackend.parallel.channel import ChannelSession
from flaskJSONRPCServer.execBackend.parallel.messages import make_setup
from flaskJSONRPCServer.execBackend.parallel.methods import ParentMethods
from flaskJSONRPCServer.execBackend.parallel.process import (
    CallTimeoutError,
    ChildLostError,
    ChildProcess,
    ClientDisconnectedError,
    SlotWakeup,
    is_closed,
    open_pidfd,
    reap,
    socket_pair,
)
from flaskJSONRPCServer.execBackend.parallel.wire import MessageType
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.execBackend.parallel import dispatchers
from tests.execBackend.parallel.pools import error_of, running
from tests.helpers import result_of

PATIENCE_S = 20
UNNAMED_SIGNAL = signal.SIGRTMIN + 1

pytestmark = pytest.mark.skipif(is_patched(), reason="these objects are for a native thread")


def test_lost_child_is_noticed_while_its_fork_lives_on():
    with running(ParallelBackend(poolSize=1)) as (server, application):
        server.registerFunction(dispatchers.fork_and_die, path="/api")
        assert error_of(application, "fork_and_die")["code"] == -32005
        assert result_of(application, "add", [1]) == 2


@pytest.fixture
def wakeup():
    wakeup = SlotWakeup()
    yield wakeup
    wakeup.close()


@pytest.fixture
def child(wakeup):
    server = flaskJSONRPCServer(None, name="one", log=False)
    context = server._backend_context
    setup = pickle.dumps(make_setup(context, number=0, pool_size=1))
    child = ChildProcess(setup, wakeup, lambda ours: ChannelSession(ours, ParentMethods(context), context.log))
    yield child
    if not child._is_reaped:
        child.discard()


def deadline():
    return time.monotonic() + PATIENCE_S


def test_child_becomes_ready_and_ends_on_its_own(child):
    assert child.receive(deadline()) == (MessageType.READY, bytearray())
    child.send(MessageType.END, b"", deadline())

    with pytest.raises(ChildLostError):
        child.receive(deadline())
    assert child.discard() == "it ended with the status 0"


def test_idle_child_is_not_readable_until_it_ends(child, wakeup):
    child.receive(deadline())
    wakeup.wake()
    assert child.wait(PATIENCE_S) is True
    assert child.is_readable is False
    child.kill()
    assert child.wait(PATIENCE_S) is True
    assert child.is_readable is True
    assert child.discard() == "it was ended by SIGKILL"


def test_message_that_does_not_come_in_time_is_too_late(child):
    child.receive(deadline())

    assert child.wait(0) is False
    with pytest.raises(CallTimeoutError):
        child.receive(time.monotonic())


def test_client_that_goes_ends_the_wait_for_the_answer(child):
    child.receive(deadline())
    ours, theirs = socket.socketpair()
    with ours:
        assert is_closed(ours.fileno()) is False
        theirs.close()
        assert is_closed(ours.fileno()) is True
        with pytest.raises(ClientDisconnectedError):
            child.receive(deadline(), ours.fileno())


def test_lost_child_takes_no_message(child):
    child.receive(deadline())
    child.discard()

    with pytest.raises(ChildLostError):
        child.send(MessageType.END, b"")
    child.kill()  # another process may have its number by now


def test_start_that_fails_leaves_no_descriptor_and_no_thread(wakeup, monkeypatch):
    server = flaskJSONRPCServer(None, name="none", log=False)
    context = server._backend_context
    monkeypatch.setattr(process, "get_executable", lambda: "/nowhere/python")
    before = count_descriptors(), threading.active_count()

    with pytest.raises(FileNotFoundError):
        ChildProcess(b"", wakeup, lambda ours: ChannelSession(ours, ParentMethods(context), context.log))
    assert (count_descriptors(), threading.active_count()) == before


def test_child_whose_channel_lacks_a_descriptor_does_not_start(wakeup, monkeypatch):
    def refuse(connected):
        raise OSError(errno.EMFILE, "Too many open files")

    server = flaskJSONRPCServer(None, name="none", log=False)
    context = server._backend_context
    monkeypatch.setattr(socket.socket, "dup", refuse)
    before = count_descriptors(), threading.active_count()

    with pytest.raises(OSError, match="Too many open files"):
        ChildProcess(b"", wakeup, lambda ours: ChannelSession(ours, ParentMethods(context), context.log))
    assert (count_descriptors(), threading.active_count()) == before


def test_child_whose_channel_lacks_a_thread_does_not_start(wakeup, monkeypatch):
    def refuse(*args, **options):
        raise RuntimeError("can't start new thread")

    server = flaskJSONRPCServer(None, name="none", log=False)
    context = server._backend_context
    monkeypatch.setattr(channel, "start_thread", refuse)
    before = count_descriptors()

    with pytest.raises(RuntimeError, match="can't start new thread"):
        ChildProcess(b"", wakeup, lambda ours: ChannelSession(ours, ParentMethods(context), context.log))
    assert count_descriptors() == before


def count_descriptors():
    return len(list(Path("/dev/fd").iterdir()))


def test_wakeup_ends_a_wait_that_begins_later_and_that_one_alone(wakeup):
    wakeup.wake()
    wakeup.wait(PATIENCE_S)
    began = time.monotonic()
    wakeup.wait(0.01)

    assert time.monotonic() - began >= 0.01


def test_wakeup_of_a_full_pipe_does_not_block(wakeup):
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(wakeup._write, bytes(65536))
    wakeup.wake()


@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("raise SystemExit(3)", "it ended with the status 3"),
        ("import os; os.kill(os.getpid(), 9)", "it was ended by SIGKILL"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 1)",
            f"it was ended by signal {UNNAMED_SIGNAL}",
        ),
    ],
)
def test_reap_returns_how_a_process_ended(program, how):
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", program], os.environ)

    assert reap(pid) == how
    assert reap(pid) == "it ended"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system has no pidfd")
def test_pidfd_is_readable_once_the_process_has_ended(wakeup):
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "input()"], os.environ)
    descriptor = open_pidfd(pid)
    os.kill(pid, 9)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    poller = select.poll()
    poller.register(descriptor, 1)
    assert poller.poll(PATIENCE_S * 1000)
    process.close(descriptor)
    reap(pid)


def test_process_that_is_gone_has_no_pidfd():
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    reap(pid)

    assert open_pidfd(pid) is None


def test_socket_pair_blocks_and_is_not_inherited():
    with contextlib.ExitStack() as undo:
        for connected in socket_pair(undo):
            assert connected.gettimeout() is None
            assert os.get_blocking(connected.fileno()) is True
            assert os.get_inheritable(connected.fileno()) is False
