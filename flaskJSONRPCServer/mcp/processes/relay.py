"""Passing a request on to another process, and its answer back."""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from ...dispatch.streams import AdmittedResponse
from ...http.refusals import ServiceUnavailable
from ...http.request import Environ
from ...http.response import Header, Response
from .forwarded import NOTICES, REQUESTS

__all__ = ["RelayedBody", "RelayedResponse", "connect", "notify", "relay"]

# The fields that describe the connection between the processes, and those that each serving program adds itself.
_OF_CONNECTION: Final = frozenset({"connection", "date", "keep-alive", "server", "transfer-encoding"})

_PART_BYTES: Final = 64 * 1024

# How long a process may take to accept a notice, in seconds; guessed.
_NOTICE_S: Final = 2.0


class UnixConnection(http.client.HTTPConnection):
    """A connection to a server on a Unix socket.

    Args:
        path: The path of the socket.
        timeout_s: How long each step may take, in seconds; None for no limit.
    """

    def __init__(self, path: Path, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect.

        Raises:
            OSError: Nobody listens there.
        """
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class RelayedBody:
    """Yields the parts of an answer as another process sends them. A client that reads slowly slows the process down.

    Args:
        connection: The connection to the process.
        answer: The answer that comes by it.
        on_close: Called when it has been closed.

    Attributes:
        has_run: Always True: nothing in this process works on the answer.
    """

    has_run = True

    def __init__(
        self, connection: UnixConnection, answer: http.client.HTTPResponse, on_close: Callable[[RelayedBody], object]
    ) -> None:
        self._connection = connection
        self._answer = answer
        self._on_close = on_close
        self._has_begun = self._is_finished = False

    def __iter__(self) -> RelayedBody:
        return self

    def __next__(self) -> bytes:
        """Wait for a part, and return it.

        Raises:
            ConnectionError: The answer has broken off, as the process has ended.
        """
        if not self._has_begun:
            self._has_begun = True
            return b""  # most programs send the head with the first part
        try:
            part = self._answer.read1(_PART_BYTES)
        except (OSError, http.client.HTTPException) as exc:
            if self._is_finished:
                raise StopIteration from None
            # gunicorn logs no traceback of this errno, which is that of a client that has gone.
            raise ConnectionResetError(errno.ECONNRESET, "the answer of another process has broken off") from exc
        if not part:
            raise StopIteration
        return part

    def finish(self) -> None:
        """End the answer: this server stops."""
        self._is_finished = True
        self.break_off()

    def break_off(self) -> None:
        """End the connection to the process, which a thread may be reading."""
        with contextlib.suppress(OSError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection: the serving program has sent everything, or cannot send any more (PEP 3333)."""
        self._answer.close()
        self._connection.close()
        self._on_close(self)

    def __del__(self) -> None:
        self.close()  # for one that is never sent, such as after a hook of Flask has answered something else


class RelayedResponse(AdmittedResponse):
    """An answer of another process whose body comes in parts.

    Args:
        status: Its status.
        headers: Its header fields.
        body: Its body.
    """

    __slots__ = ("_body",)

    def __init__(self, status: str, headers: list[Header], body: RelayedBody) -> None:
        Response.__init__(self, status, headers)
        self.stream = None
        self._body = body

    def wsgi_body(self, environ: Environ) -> Iterable[bytes]:
        """Return the body as a WSGI application does."""
        return self._body


def connect(path: Path, timeout_s: float | None = None) -> UnixConnection | None:
    """Return a connection to the process with this socket; None if it has ended."""
    connection = UnixConnection(path, timeout_s)
    try:
        connection.connect()
    except OSError:
        connection.close()
        return None
    return connection


def notify(path: Path, notice: bytes) -> None:
    """Send a notice to another process, unless it has ended or hangs."""
    connection = connect(path, _NOTICE_S)
    if connection is None:
        return
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("POST", NOTICES, notice)
        with connection.getresponse() as answer:
            answer.read()


def relay(
    connection: UnixConnection,
    request: bytes,
    keep: Callable[[RelayedBody], object],
    forget: Callable[[RelayedBody], object],
) -> Response:
    """Return the answer of another process to a request.

    Args:
        connection: The connection to the process.
        request: The request; see :func:`.forwarded.packed`.
        keep: Called with a body that comes in parts; it may raise an exception to refuse it.
        forget: Called when this body has been closed.

    Raises:
        ServiceUnavailable: The process has ended meanwhile.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(connection.close)
        try:
            connection.request("POST", REQUESTS, request)
            answer = connection.getresponse()
            stack.callback(answer.close)  # which has the socket too
            headers = [field for field in answer.getheaders() if field[0].lower() not in _OF_CONNECTION]
            status = f"{answer.status} {answer.reason}"
            if not answer.getheader("Content-Type", "").startswith("text/event-stream"):
                return Response(status, headers, answer.read())
        except (OSError, http.client.HTTPException) as exc:
            raise ServiceUnavailable("the process that has the session or task has just ended") from exc
        body = RelayedBody(connection, answer, forget)
        keep(body)
        stack.pop_all()
        return RelayedResponse(status, headers, body)
