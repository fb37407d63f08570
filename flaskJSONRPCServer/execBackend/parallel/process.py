"""One child process of the backend ``parallel``, as its parent has it.

A child is a fresh interpreter, started by posix_spawn: that copies no thread and no lock, and gevent leaves it alone.
The executors of loky would not do. One executor for all children breaks for all of them when a child crashes. With one
executor for each child, their management threads become greenlets under gevent, and the two helper processes of their
trackers outlive the stop of the server.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.spawn import get_executable
from typing import Any

from ...runtime.concurrency import make_lock, native
from ...runtime.forks import release_in_forks
from .channel import ChannelSession
from .wire import MessageType, Wire

__all__ = [
    "CallCancelledError",
    "CallTimeoutError",
    "ChildLostError",
    "ChildProcess",
    "ClientDisconnectedError",
    "OpenSession",
    "SlotWakeup",
    "is_closed",
]

OpenSession = Callable[[socket.socket], ChannelSession]
"""Returns the session of a child for the parent's end of its channel."""

# sys.path is set first: the package may be in a folder that only the parent's sys.path has.
_BOOT = (
    "import sys; channel = int(sys.argv[1]); sys.path[:] = sys.argv[2:]; "
    "from flaskJSONRPCServer.execBackend.parallel.worker import serve; serve(channel)"
)

# The longest wait that poll() takes, in seconds: 24 days.
_LONGEST_S = 2**31 // 1000

# How long a child may take to end on its own, such as for its atexit functions; guessed.
_END_S = 2.0

# The event of a connection whose other side has closed it. It reads nothing, so it works with TLS too. A system without
# this event reports an error at the next use of the connection instead.
_CLOSED: int = getattr(select, "POLLRDHUP", 0)


class ChildLostError(Exception):
    """The child has ended."""


class ClientDisconnectedError(Exception):
    """The client closed its connection before its call was answered."""


class CallCancelledError(Exception):
    """The caller has cancelled the call."""


class CallTimeoutError(Exception):
    """The child did not answer in time."""


class SlotWakeup:
    """Wakes the thread that waits for its child. Any thread and any greenlet may call :meth:`wake`.

    The caller holds a lock around :meth:`wake` and :meth:`close`: the descriptor may belong to another file afterwards.
    """

    def __init__(self) -> None:
        self._is_closed = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def wake(self) -> None:
        """End the wait; if no thread waits, end the next wait. Do nothing once it is closed."""
        if self._is_closed:
            return
        with contextlib.suppress(BlockingIOError):  # the pipe is full, and that wakes too
            os.write(self._write, b"\0")

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._read

    def wait(self, timeout_s: float) -> None:
        """Wait for :meth:`wake`, at most ``timeout_s`` seconds."""
        poller = native("select", "poll")()
        poller.register(self._read, 1)  # POLLIN
        poller.poll(int(timeout_s * 1000))
        self.clear()

    def clear(self) -> None:
        """Discard earlier wakeups."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)

    def close(self) -> None:
        """Close the pipe, once. Do not wait afterwards."""
        if self._is_closed:
            return
        self._is_closed = True
        for descriptor in (self._read, self._write):
            close(descriptor)


class ChildProcess:
    """A child, which gets its calls over a pair of sockets, and asks the server over another, its channel.

    All methods but :meth:`kill` are for one native thread. The child leads a process group of its own: Ctrl-C at the
    terminal does not reach it, and the programs that it started are killed with it.

    Args:
        setup: The pickled setup of the child.
        wakeup: Ends :meth:`wait` too.
        open_session: Returns the session that answers the questions of the child.
    """

    def __init__(self, setup: bytes, wakeup: SlotWakeup, open_session: OpenSession) -> None:
        self._wakeup = wakeup
        self._lock = make_lock()
        self._is_reaped = False  # guarded by _lock: afterwards its number may belong to another process
        self._ready: set[int] = set()  # the descriptors that were ready at the end of the last wait
        self.started_at = time.monotonic()
        self.calls = 0
        self.functions: set[int] = set()  # the numbers of the functions that it was sent
        self.parts: dict[int, int] = {}  # how many parts of the globals of each module it was sent
        with contextlib.ExitStack() as undo:
            self._socket, theirs = socket_pair(undo)
            ours_of_channel, theirs_of_channel = socket_pair(undo)
            self._session = open_session(ours_of_channel)
            self._session.start()
            undo.callback(self._session.end)
            self.pid = spawn(theirs.fileno(), theirs_of_channel.fileno())
            theirs.close()
            theirs_of_channel.close()
            undo.pop_all()
        self._wire = Wire(self._socket)
        self._death = open_pidfd(self.pid)
        self._own = {descriptor for descriptor in (self._socket.fileno(), self._death) if descriptor is not None}
        self._poller = native("select", "poll")()
        for descriptor in (*self._own, self._wakeup.fileno()):
            self._poller.register(descriptor, 1)  # POLLIN
        with contextlib.suppress(OSError):  # it has ended, and the next wait notices that
            self._wire.send(MessageType.SETUP, setup)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the child sends a message or ends, or for a wakeup; return False after the timeout."""
        ready = self._poller.poll(None if timeout_s is None else int(max(0, min(timeout_s, _LONGEST_S)) * 1000) + 1)
        self._ready = {number for number, _ in ready}
        if self._wakeup.fileno() in self._ready:
            self._wakeup.clear()
        return bool(ready)

    @property
    def is_readable(self) -> bool:
        """Whether it had sent a message or ended at the last wait. An idle child sends nothing."""
        return not self._own.isdisjoint(self._ready)

    def send(self, message_type: MessageType, body: bytes, deadline: float | None = None) -> None:
        """Send a message.

        Raises:
            ChildLostError: The child has ended.
            CallTimeoutError: The child does not take the message before the deadline.
        """
        try:
            self._limit(deadline)
            self._wire.send(message_type, body)
        except TimeoutError as exc:
            raise CallTimeoutError from exc
        except OSError as exc:
            raise ChildLostError from exc

    def receive(
        self,
        deadline: float | None = None,
        client: int | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> tuple[MessageType, bytearray]:
        """Wait for a message.

        Args:
            deadline: The end of the wait, by the monotonic clock; None for no end.
            client: The descriptor of the connection of the client that waits for the message.
            is_cancelled: Returns whether the message is no longer wanted; called again after each wakeup.

        Raises:
            CallCancelledError: The message is no longer wanted.
            ChildLostError: The child has ended.
            CallTimeoutError: No message came before the deadline.
            ClientDisconnectedError: The client closed its connection before.
        """
        with self._watched(client):
            self._ready = set()
            while not self.is_readable:
                if is_cancelled():
                    raise CallCancelledError
                self._wait_until(deadline)
                if client in self._ready and not self.is_readable:
                    raise ClientDisconnectedError
        # A message that it sent is there even if it has ended since. If only the pidfd is ready, there is no message,
        # though a program that it started may keep its socket open.
        if self._socket.fileno() not in self._ready:
            raise ChildLostError
        try:
            self._limit(deadline)
            return self._wire.receive()
        except TimeoutError as exc:
            raise CallTimeoutError from exc
        except (OSError, EOFError) as exc:
            raise ChildLostError from exc

    def kill(self) -> None:
        """Kill it and the programs that it started."""
        with self._lock:
            if not self._is_reaped:
                for kill in (os.kill, os.killpg):  # a dispatcher may have moved it into another group
                    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
                        kill(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Let it end on its own, and kill it if it does not; release its resources."""
        with contextlib.suppress(ChildLostError, CallTimeoutError):
            self.send(MessageType.END, b"", time.monotonic() + _END_S)
            self.receive(time.monotonic() + _END_S)
        self.discard()

    def discard(self) -> str:
        """Kill it if it runs, release its resources, and return how it ended."""
        self.kill()
        with contextlib.suppress(ChildProcessError):  # other code has waited for it
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._is_reaped = True
            how = reap(self.pid)
        self._session.end()
        self._socket.close()
        if self._death is not None:
            close(self._death)
        return how

    def _wait_until(self, deadline: float | None) -> None:
        left_s = None if deadline is None else deadline - time.monotonic()
        if left_s is not None and left_s <= 0:
            raise CallTimeoutError
        self.wait(left_s)

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
        left_s = None if deadline is None else deadline - time.monotonic()
        self._socket.settimeout(None if left_s is None else max(0.001, min(left_s, _LONGEST_S)))


def socket_pair(undo: contextlib.ExitStack) -> tuple[Any, Any]:
    """Return two connected sockets of the unpatched class, which block: the thread that uses them is a native one.

    Args:
        undo: Closes them unless the caller succeeds.
    """
    ours, theirs = (native("socket", "socket")(fileno=patched.detach()) for patched in socket.socketpair())
    release_in_forks(ours)
    for connected in (ours, theirs):
        undo.enter_context(connected)
        connected.settimeout(None)
    return ours, theirs


def is_closed(client: int) -> bool:
    """Return whether a client has closed its connection."""
    poller = native("select", "poll")()
    poller.register(client, _CLOSED)
    return bool(poller.poll(0))


def close(descriptor: int) -> None:
    """Close a descriptor at once: gevent's ``os.close`` leaves it to its loop, which a native thread does not run."""
    native("os", "close")(descriptor)


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor that is readable once a process has ended; None if the system has none.

    The end of its socket would not do alone: a program that it started may keep the socket open.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def spawn(calls: int, channel: int) -> int:
    """Start a fresh interpreter, and return the number of its process.

    Args:
        calls: The descriptor of the socket for its calls, which becomes its standard input.
        channel: The descriptor of its end of the channel, whose number there is its first argument.
    """
    with contextlib.ExitStack() as undo:
        return spawn_above(*(above_standard_streams(descriptor, undo) for descriptor in (calls, channel)))


def spawn_above(calls: int, channel: int) -> int:
    """Start the interpreter of :func:`spawn` with descriptors above the standard streams."""
    options = [*(f"-W{option}" for option in sys.warnoptions), *(["-O"] * sys.flags.optimize)]
    program = os.fsdecode(get_executable())
    inherited = 4 if channel == 3 else 3  # another number: on some systems only a new one is inherited
    arguments = [program, *options, "-c", _BOOT, str(inherited), *sys.path]
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_DUP2, calls, 0),
        (os.POSIX_SPAWN_DUP2, channel, inherited),
        # Otherwise a socket of the child would take the free number, and what C code writes to stderr would go there.
        *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (1, 2) if not is_inherited(number)),
    ]
    pid: int = native("os", "posix_spawn")(program, arguments, os.environ, file_actions=actions, setpgroup=0)
    return pid


def above_standard_streams(descriptor: int, undo: contextlib.ExitStack) -> int:
    """Return a descriptor of the same file above 2. It is 0 to 2 if this process has closed its standard streams.

    Args:
        descriptor: The descriptor.
        undo: Closes the descriptor that is returned, if it is another one.
    """
    if descriptor > 2:
        return descriptor
    duplicate = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    undo.callback(close, duplicate)
    return duplicate


def is_inherited(descriptor: int) -> bool:
    """Return whether a program that this process starts has a descriptor too."""
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # it is closed
        return False


def reap(pid: int) -> str:
    """Remove an ended child from the process table, and return how it ended."""
    try:
        code = os.waitstatus_to_exitcode(native("os", "waitpid")(pid, 0)[1])
    except ChildProcessError:  # other code has waited for it, such as gevent once it watches a child
        return "it ended"
    if code >= 0:
        return f"it ended with the status {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"
