"""HTTP/1.1 over pooled connections, for threads: `http.client` reads bodies of unknown length."""

from __future__ import annotations

import http.client
from typing import Any

from ..deadlines import Deadline
from ..errors import AnswerTooLargeError, ClientError, ConnectionLostError, ProtocolError, TransportError
from .answer_fields import BODILESS, content_length, decompressed, is_interim
from .base import ClientRequest, ClientResponse
from .connections import Connector
from .http_head import MAX_HEAD_BYTES, Head, parse_head
from .pool import ConnectionPool
from .processes import current_process
from .request_writer import RequestWriter
from .timed_socket import TimedSocket

__all__ = ["HttpTransport"]


class HttpTransport:
    """Sends requests to one server. Threads share it, and forked processes may use it.

    Args:
        connector: Opens the connections.
        max_idle: The most idle connections to keep.
        max_idle_s: The seconds after which an idle connection is not used any more.
        compress_min_bytes: The shortest body that is sent compressed; None for none.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        max_idle: int = 10,
        max_idle_s: float = 30.0,
        compress_min_bytes: int | None = None,
    ) -> None:
        self._connector = connector
        self._writer = RequestWriter(connector.request_head(), compress_min_bytes)
        self._pool: ConnectionPool[TimedSocket] = ConnectionPool(max_idle, max_idle_s, current_process)

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`."""
        if self._pool.is_closed:
            raise ClientError("the client is closed")
        data = self._writer.write(request)
        connection = self._idle_connection()
        is_reused = connection is not None
        if connection is None:
            connection = self._connector.open(deadline)
        try:
            connection.begin(deadline)
            response, stays_open = self._exchange(connection, data)
        except BaseException as exc:
            connection.close()
            if isinstance(exc, TransportError):
                exc.is_stale = is_reused and is_lost_unanswered(exc, connection)
            raise
        if stays_open:
            self._pool.give_back(connection)
        else:
            connection.close()
        return response

    def close(self) -> None:
        """Close the idle connections, and those in use when their answers have come."""
        self._pool.close()

    def _exchange(self, connection: TimedSocket, data: bytes) -> tuple[ClientResponse, bool]:
        try:
            connection.sendall(data)
        except ConnectionLostError as exc:
            # A server may answer before it has read the whole body, with 413 for example, and close the connection.
            try:
                response, _ = read_response(connection, self._connector.limit_bytes)
            except ClientError:
                raise exc from None
            return response, False
        return read_response(connection, self._connector.limit_bytes)

    def _idle_connection(self) -> TimedSocket | None:
        """Return a connection that is still open, as far as can be known; None if there is none."""
        while True:
            connection = self._pool.take()
            if connection is None or connection.is_idle():
                return connection
            connection.close()


def read_response(connection: TimedSocket, limit_bytes: int) -> tuple[ClientResponse, bool]:
    """Read an answer. Return it, and whether the connection stays open.

    Raises:
        TransportError: It did not come, or not whole.
        ProtocolError: It is not HTTP, or too large.
    """
    try:
        head = read_head(connection)
        while is_interim(head.status):
            head = read_head(connection)
        length = 0 if head.status in BODILESS else content_length(head.headers)
        is_chunked = length is None and "transfer-encoding" in head.headers
        if length is None:
            body = OpenBody(connection, is_chunked=is_chunked).read()
        else:
            body = read_exactly(connection, length, limit_bytes)
    except http.client.IncompleteRead as exc:
        raise ConnectionLostError("the connection ended before the answer did") from exc
    except (http.client.HTTPException, ValueError, OverflowError) as exc:
        if connection.has_ended:
            raise ConnectionLostError("the connection ended inside the answer") from exc
        raise ProtocolError(f"the answer is not HTTP: {exc!r}") from exc
    if len(body) > limit_bytes:
        raise AnswerTooLargeError(f"an answer of more than {limit_bytes} bytes")
    body = decompressed(body, head.headers.get("content-encoding"), limit_bytes=limit_bytes)
    return ClientResponse(head.status, head.headers, body), head.is_persistent and (length is not None or is_chunked)


def read_head(connection: TimedSocket) -> Head:
    """Read the head of an answer."""
    reader = connection.makefile("rb")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline(MAX_HEAD_BYTES)
        if not line.endswith(b"\n") and len(line) < MAX_HEAD_BYTES:
            raise ConnectionLostError("the connection ended before the answer did")
        head += line
        if len(head) > MAX_HEAD_BYTES:
            raise ProtocolError(f"the answer has a head of more than {MAX_HEAD_BYTES} bytes")
        if not (head.startswith(b"HTTP/") and line.endswith(b"\r\n")):  # an empty line may never come
            raise ProtocolError(f"the answer is not HTTP: it begins with {head[:80]!r}")
    return parse_head(head)


def read_exactly(connection: TimedSocket, length: int, limit_bytes: int) -> bytes:
    if length > limit_bytes:
        raise AnswerTooLargeError(f"an answer of {length} bytes; at most {limit_bytes} are read")
    body = connection.makefile("rb").read(length)
    if len(body) < length:
        raise ConnectionLostError("the connection ended before the answer did")
    return body


class OpenBody(http.client.HTTPResponse):
    """A body of which no length is declared.

    The heads are not those of `http.client`, which parses header fields as those of e-mail. That takes as long as the
    rest of the answer to a call.

    Args:
        connection: Where it comes from.
        is_chunked: Whether it has chunks. Otherwise it ends with the connection.
    """

    def __init__(self, connection: TimedSocket, *, is_chunked: bool) -> None:
        duck: Any = connection  # it has all that HTTPResponse uses of a socket
        super().__init__(duck, method="POST")
        self.chunked, self.chunk_left, self.length = is_chunked, None, None


def is_lost_unanswered(exc: TransportError, connection: TimedSocket) -> bool:
    return isinstance(exc, ConnectionLostError) and not connection.received_bytes
