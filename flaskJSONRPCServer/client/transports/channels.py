"""Channels of bytes for streams of messages: a TCP or Unix socket, and the pipes of a process."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import subprocess  # nosec B404
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from ..deadlines import Deadline
from ..errors import ConnectError, ConnectionLostError

__all__ = ["Channel", "ProcessChannel", "SocketChannel", "TlsChannel", "write_all"]

_BLOCK_BYTES: Final = 64 * 1024
# A poll takes no more; a longer wait has several.
_LONGEST_POLL_MS: Final = 2**31 - 1
# How long a process may take to end after the end of its input, and then after being asked to.
_GRACE_S: Final = 2.0
# How long a thread waits for bytes that another thread may have read meanwhile.
_LOOK_AGAIN_S: Final = 0.05


class Channel(Protocol):
    """Bytes in both directions. One thread reads, and one at a time writes."""

    def read(self) -> bytes:
        """Wait for the next bytes; b"" at the end."""

    def write(self, data: bytes, deadline: Deadline) -> None:
        """Write all bytes by the deadline.

        Raises:
            RequestTimeoutError: The other side did not read them in time.
            ConnectionLostError: The other side has ended.
        """

    def close(self) -> None:
        """End the channel. A thread that reads gets its end."""


class SocketChannel:
    """A connected socket."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.setblocking(False)

    def read(self) -> bytes:
        """See `Channel.read`."""
        try:
            wait_until_ready(self._socket.fileno(), select.POLLIN, None)
            return self._socket.recv(_BLOCK_BYTES)
        except (OSError, ValueError):  # ValueError: it has been closed
            return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        """See `Channel.write`."""
        write_all(self._socket.fileno(), self._socket.send, data, deadline)

    def close(self) -> None:
        """See `Channel.close`."""
        with contextlib.suppress(OSError):  # the other side was first
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
        self._socket.close()


class TlsChannel:
    """A connected socket with TLS.

    One thread reads while another one writes. OpenSSL does not allow both at once, so each step takes a lock. No step
    waits: a thread waits for the socket outside of the lock.
    """

    def __init__(self, connected: ssl.SSLSocket) -> None:
        self._socket = connected
        self._socket.setblocking(False)
        self._lock = threading.Lock()

    def read(self) -> bytes:
        """See `Channel.read`."""
        try:
            while True:
                event = select.POLLIN
                try:
                    with self._lock:
                        return self._socket.recv(_BLOCK_BYTES)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLWantWriteError:
                    event = select.POLLOUT
                wait_until_ready(self._socket.fileno(), event, None)
        except (OSError, ValueError):  # ValueError: it has been closed
            return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        """See `Channel.write`."""
        write_all(self._socket.fileno(), lambda rest: self._written(rest, deadline), data, deadline)

    def close(self) -> None:
        """See `Channel.close`."""
        with self._lock:
            with contextlib.suppress(OSError):  # the other side was first
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
            self._socket.close()

    def _written(self, rest: memoryview, deadline: Deadline) -> int:
        """Write some bytes, and return their number.

        Raises:
            BlockingIOError: The socket takes none now.
        """
        try:
            with self._lock:
                return self._socket.send(rest)
        except ssl.SSLWantWriteError as exc:
            raise BlockingIOError from exc
        except ssl.SSLWantReadError:
            wait_s = deadline.wait_s(_LOOK_AGAIN_S)
            select.select([self._socket], [], [], wait_s)
            return 0


class ProcessChannel:
    """The standard input and output of a process, which is started here. Its standard error is that of this process.

    Raises:
        ConnectError: The program cannot be started.
    """

    def __init__(self, command: Sequence[str], cwd: str | Path | None, env: Mapping[str, str] | None) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603  the user chooses the program  # nosec B603
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=cwd, env=env
            )
        except (OSError, ValueError, IndexError) as exc:  # IndexError: there is no program
            raise ConnectError(f"{command[0] if command else 'no program'} cannot be started: {exc}") from exc
        assert self._process.stdin is not None  # noqa: S101  both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._input = self._process.stdin
        self._output = self._process.stdout
        os.set_blocking(self._input.fileno(), False)

    def read(self) -> bytes:
        """See `Channel.read`."""
        try:
            return self._output.read(_BLOCK_BYTES) or b""
        except (OSError, ValueError):
            return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        """See `Channel.write`."""
        descriptor = self._input.fileno()
        write_all(descriptor, lambda rest: os.write(descriptor, rest), data, deadline)

    def close(self) -> None:
        """End the input of the process, then the process if it does not end by itself."""
        self._input.close()
        if not self._ends():
            self._process.terminate()
        if not self._ends():
            self._process.kill()
            self._process.wait()
        self._output.close()

    def _ends(self) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        return self._process.returncode is not None


def write_all(descriptor: int, write: Callable[[Any], int], data: bytes, deadline: Deadline) -> None:
    """Write all bytes to something that does not block: see `Channel.write`."""
    rest = memoryview(data)
    while rest:
        try:
            wait_until_ready(descriptor, select.POLLOUT, deadline)
            rest = rest[write(rest) :]
        except BlockingIOError:  # noqa: PERF203  the rest is written when there is room
            continue
        except TimeoutError:
            raise
        except (OSError, ValueError) as exc:
            raise ConnectionLostError(f"the other side ended while the request was sent: {exc}") from exc


def wait_until_ready(descriptor: int, event: int, deadline: Deadline | None) -> None:
    """Wait until a descriptor can be read or written.

    Raises:
        RequestTimeoutError: The deadline has passed.
    """
    poll = select.poll()
    poll.register(descriptor, event)
    while True:
        wait_s = None if deadline is None else deadline.wait_s()
        if poll.poll(None if wait_s is None else min(wait_s * 1000, _LONGEST_POLL_MS)):
            return
