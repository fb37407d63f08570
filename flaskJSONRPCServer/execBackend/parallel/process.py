"""One child process of the backend ``parallel``, as its parent has it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from multiprocessing.spawn import get_executable

from ...runtime.concurrency import make_lock, native
from .wire import MessageType, Wire

__all__ = ["ChildLostError", "ChildProcess", "ClientGoneError", "TooLateError", "Wakeup", "is_closed"]

# sys.path comes first: the package itself may stand in a folder that only the parent's has.
_BOOT = (
    "import sys; sys.path[:] = sys.argv[1:]; from flaskJSONRPCServer.execBackend.parallel.worker import serve; serve()"
)

# The longest wait that poll() takes: 24 days.
_LONGEST_S = 2**31 // 1000

# How long a child may take to end by itself, such as for its atexit functions; guessed.
_END_S = 2.0


# That the other side of a connection has closed it: by that nothing is read, and TLS does not matter.
_CLOSED: int = getattr(select, "POLLRDHUP", 0)  # where the system has no such event, an error tells it


class ChildLostError(Exception):
    """The child has ended."""


class ClientGoneError(Exception):
    """The client has closed its connection before its call was answered."""


class TooLateError(Exception):
    """The child has not answered in time."""


class Wakeup:
    """What a thread that waits for its child is woken by. Any thread, and any greenlet, may wake it."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def wake(self) -> None:
        """Let the wait end; where nobody waits, the next one."""
        with contextlib.suppress(BlockingIOError):  # full, so it wakes anyway
            os.write(self._write, b"\0")

    def fileno(self) -> int:
        """What to wait on."""
        return self._read

    def wait(self, timeout_s: float) -> None:
        """Wait until it is woken, at most so many seconds."""
        poller = native("select", "poll")()
        poller.register(self._read, 1)  # POLLIN
        poller.poll(int(timeout_s * 1000))
        self.clear()

    def clear(self) -> None:
        """Forget that it was woken."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)

    def close(self) -> None:
        """Close it. Nobody may wake it any more."""
        for descriptor in (self._read, self._write):
            close(descriptor)


class ChildProcess:
    """A fresh interpreter, which is fed over a pair of sockets. All but :meth:`kill` is for one native thread.

    It is the leader of a process group, so Ctrl-C at the terminal does not reach it, and what it starts ends with it.

    Args:
        setup: The pickled setup of its server.
        waker: Ends :meth:`wait` too.
    """

    def __init__(self, setup: bytes, waker: Wakeup) -> None:
        self._waker = waker
        self._lock = make_lock()
        self._is_reaped = False  # guarded by _lock: its number may be another process's then
        self._ready: set[int] = set()  # what was ready when it was last waited for
        self.started_at = time.monotonic()
        self.calls = 0
        self.functions: set[int] = set()
        self.parts: dict[int, int] = {}
        ours, theirs = socket.socketpair()
        # Of the unpatched class: this thread is a native one.
        self._socket = native("socket", "socket")(fileno=ours.detach())
        self._socket.settimeout(None)
        self._wire = Wire(self._socket)
        with theirs, closed_on_error(self._socket):
            self.pid = started(theirs.fileno())
        self._death = open_death(self.pid)
        self._own = {each for each in (self._socket.fileno(), self._death) if each is not None}
        self._poller = native("select", "poll")()
        for watched in (*self._own, self._waker.fileno()):
            self._poller.register(watched, 1)  # POLLIN
        with contextlib.suppress(OSError):  # it has ended, which is noticed when it is waited for
            self._wire.send(MessageType.SETUP, setup)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the child says something or ends, or the waker is woken; False after the timeout."""
        ready = self._poller.poll(None if timeout_s is None else int(max(0, min(timeout_s, _LONGEST_S)) * 1000) + 1)
        self._ready = {number for number, _ in ready}
        if self._waker.fileno() in self._ready:
            self._waker.clear()
        return bool(ready)

    @property
    def has_spoken(self) -> bool:
        """Whether it said something or ended, when it was last waited for. One that is idle has nothing to say."""
        return not self._own.isdisjoint(self._ready)

    def send(self, kind: MessageType, body: bytes, deadline: float | None = None) -> None:
        """Send a message.

        Raises:
            ChildLostError: It has ended.
            TooLateError: It does not take the message before the deadline.
        """
        try:
            self._limit(deadline)
            self._wire.send(kind, body)
        except TimeoutError as exc:
            raise TooLateError from exc
        except OSError as exc:
            raise ChildLostError from exc

    def receive(self, deadline: float | None = None, client: int | None = None) -> tuple[MessageType, bytearray]:
        """Wait for a message.

        Args:
            deadline: Until when, by the monotonic clock.
            client: The descriptor of the connection of whoever waits for the message.

        Raises:
            ChildLostError: The child has ended.
            TooLateError: No message has come before the deadline.
            ClientGoneError: The client has closed its connection before.
        """
        with self._watched(client):
            self._ready = set()
            while not self.has_spoken:
                self._wait_until(deadline)
                if client in self._ready and not self.has_spoken:
                    raise ClientGoneError
        # What it has said is there even if it has ended since. What it has started may keep its socket open.
        if self._socket.fileno() not in self._ready:
            raise ChildLostError
        try:
            self._limit(deadline)
            return self._wire.receive()
        except TimeoutError as exc:
            raise TooLateError from exc
        except (OSError, EOFError) as exc:
            raise ChildLostError from exc

    def kill(self) -> None:
        """End it, with what it has started, at once."""
        with self._lock:
            if not self._is_reaped:
                for kill in (os.kill, os.killpg):  # a dispatcher may have put it into another group
                    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
                        kill(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Let it end by itself, or kill it where it does not; give back what it took."""
        with contextlib.suppress(ChildLostError, TooLateError):
            self.send(MessageType.END, b"", time.monotonic() + _END_S)
            self.receive(time.monotonic() + _END_S)
        self.discard()

    def discard(self) -> str:
        """Kill it if it lives, give back what it took, and say what it has ended by."""
        self.kill()
        with contextlib.suppress(ChildProcessError):  # somebody else has asked for it
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._is_reaped = True
            how = ended_by(self.pid)
        self._socket.close()
        if self._death is not None:
            close(self._death)
        return how

    def _wait_until(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TooLateError
        self.wait(left)

    @contextlib.contextmanager
    def _watched(self, client: int | None) -> Iterator[None]:
        if client is None:
            yield
            return
        self._poller.register(client, _CLOSED)
        try:
            yield
        finally:
            self._poller.unregister(client)

    def _limit(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        self._socket.settimeout(None if left is None else max(0.001, min(left, _LONGEST_S)))


@contextlib.contextmanager
def closed_on_error(ours: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        ours.close()
        raise


def is_closed(client: int) -> bool:
    """Tell whether a connection has been closed by its client."""
    poller = native("select", "poll")()
    poller.register(client, _CLOSED)
    return bool(poller.poll(0))


def close(descriptor: int) -> None:
    """Close a descriptor now: gevent's ``os.close`` leaves it to its loop, which a native thread does not run."""
    native("os", "close")(descriptor)


def open_death(pid: int) -> int | None:
    """Return a descriptor that is readable once a process has ended; None where the system has none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # the end of its socket tells it too, unless another process has it
        return None


def started(connected: int) -> int:
    """Start a fresh interpreter, which has a socket as its standard input; return the number of its process.

    By posix_spawn, which copies no thread and no lock, and which gevent leaves alone where it is asked for like this.
    """
    options = [*(f"-W{each}" for each in sys.warnoptions), *(["-O"] * sys.flags.optimize)]
    program = os.fsdecode(get_executable())
    arguments = [program, *options, "-c", _BOOT, *sys.path]
    actions = [(os.POSIX_SPAWN_DUP2, connected, 0)]
    number: int = native("os", "posix_spawn")(program, arguments, os.environ, file_actions=actions, setpgroup=0)
    return number


def ended_by(pid: int) -> str:
    """Say how a child has ended, and let the system forget it."""
    try:
        code = os.waitstatus_to_exitcode(native("os", "waitpid")(pid, 0)[1])
    except ChildProcessError:  # somebody else has asked for it, such as gevent once it has watched a child
        return "it ended"
    if code >= 0:
        return f"it ended with the status {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"
