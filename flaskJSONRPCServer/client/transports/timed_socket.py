"""A socket on which every wait ends by the deadline of the call.

The timeout of a socket counts for one wait. A server that sends a byte now and then could hold a call for ever, so each
wait gets the time that is left.
"""

from __future__ import annotations

import io
import socket
import ssl
from enum import Enum
from typing import Any, Final

from ..deadlines import Deadline
from ..errors import AnswerTooLargeError, ConnectionLostError, RequestTimeoutError
from .polling import has_input

__all__ = ["TimedSocket"]

_NEARLY_S: Final = 0.001
# Beside the body: the head, and the lines between chunks.
_OVERHEAD_BYTES: Final = 1024 * 1024
_BUFFER_BYTES: Final = 64 * 1024


class TimedSocket:
    """Wraps a connected socket.

    Args:
        raw: The socket.
        read_timeout_s: The longest silence of the server, in seconds; None for no limit beside the deadline.
        limit_bytes: The largest body of an answer.

    Attributes:
        raw: The socket.
        reader: The received bytes.
        received_bytes: How many bytes of the answer have come.
        has_ended: Whether the server has closed the connection, and all bytes before that have been read.
    """

    def __init__(self, raw: socket.socket, read_timeout_s: float | None, limit_bytes: int) -> None:
        self.raw = raw
        self.received_bytes = 0
        self.has_ended = False
        self._deadline = Deadline(None)
        self._read_timeout_s = read_timeout_s
        self._limit_bytes = limit_bytes
        self._timeout_s: float | None = -1.0  # that of the socket, as far as it is known
        self._source = SocketSource(self)
        # One for all answers, since it may hold bytes of the next.
        self.reader = io.BufferedReader(self._source, _BUFFER_BYTES)

    def begin(self, deadline: Deadline) -> None:
        """Begin a request, which has a deadline."""
        self._deadline = deadline
        self.received_bytes = 0

    def sendall(self, data: bytes) -> None:
        """Send all bytes by the deadline.

        Raises:
            RequestTimeoutError: The server did not read them in time.
            ConnectionLostError: The server has closed the connection.
        """
        rest = memoryview(data)
        try:
            while rest:  # not sendall(), which of a TLS socket waits for each part anew
                self._set_timeout(self._deadline.wait_s())
                rest = rest[self.raw.send(rest) :]
        except TimeoutError as exc:
            raise self._timed_out(exc) from exc
        except OSError as exc:
            raise ConnectionLostError(f"the connection ended while the request was sent: {exc}") from exc

    def receive_into(self, buffer: Any) -> int:
        """Receive some bytes by the deadline; 0 at the end of the connection.

        Raises:
            RequestTimeoutError: None came in time.
            ConnectionLostError: The connection was reset.
            AnswerTooLargeError: The answer is over the limit.
        """
        try:
            self._set_timeout(self._deadline.wait_s(self._read_timeout_s))
            count = self.raw.recv_into(buffer)
        except TimeoutError as exc:
            raise self._timed_out(exc) from exc
        except OSError as exc:
            raise ConnectionLostError(f"the connection ended before the answer did: {exc}") from exc
        self.received_bytes += count
        self.has_ended = count == 0
        if self.received_bytes > self._limit_bytes + _OVERHEAD_BYTES:
            raise AnswerTooLargeError(f"an answer of more than {self._limit_bytes} bytes")
        return count

    def is_idle(self) -> bool:
        """Return whether the connection is open, and no byte waits that belongs to no request."""
        self._source.mode = Polling.IF_READY if has_input(self.raw) else Polling.NOTHING
        try:
            return not self.reader.peek(1) and not self.has_ended
        finally:
            self._source.mode = Polling.WAIT

    def poll_into(self, buffer: Any) -> int | None:
        """Receive bytes that are there already; None if there are none, 0 at the end."""
        try:
            self._set_timeout(0)
            count = self.raw.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None  # of TLS, messages of the handshake may have come: they are no answer
        except OSError:
            count = 0
        self.has_ended = count == 0
        return count

    def close(self) -> None:
        """Close the socket."""
        self.raw.close()

    def disown(self) -> None:
        """Close this process's copy of the socket. The connection of the parent stays open."""
        self.raw.close()

    def _set_timeout(self, timeout_s: float | None) -> None:
        """Set the timeout of the socket: a system call, so a time that is a millisecond longer at most stays."""
        known_s = self._timeout_s
        if known_s is not None and timeout_s and 0 <= known_s - timeout_s < _NEARLY_S:
            return
        if known_s is None and timeout_s is None:
            return
        self.raw.settimeout(timeout_s)
        self._timeout_s = timeout_s

    def _timed_out(self, exc: TimeoutError) -> RequestTimeoutError:
        if isinstance(exc, RequestTimeoutError):
            return exc
        if self._deadline.remaining_s() <= 0:
            return self._deadline.passed()
        return RequestTimeoutError(f"the server was silent for {self._read_timeout_s} s")


class Polling(Enum):
    """What to do when a reader needs more bytes: wait, take those that are there, or take none."""

    WAIT = "wait"
    IF_READY = "if ready"
    NOTHING = "nothing"


class SocketSource(io.RawIOBase):
    """The received bytes, for a buffered reader.

    Attributes:
        mode: Whether it waits for bytes, takes those that are there, or takes none.
    """

    def __init__(self, connected: TimedSocket) -> None:
        self.mode = Polling.WAIT
        self._socket = connected

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Receive some bytes; None if it does not wait and none are there."""
        if self.mode is Polling.WAIT:
            return self._socket.receive_into(buffer)
        return self._socket.poll_into(buffer) if self.mode is Polling.IF_READY else None
