"""HTTP/1.1 over pooled connections, for threads.

`http.client` reads the answers. The request is written here, head and body in one piece: `http.client` checks and sends
them separately, which costs the client twice the time, and the server a second wakeup.
"""

from __future__ import annotations

import gzip
import http.client
import os
from typing import Any

from .connections import Connector
from .deadlines import Deadline
from .errors import AnswerTooLargeError, ClientError, ConnectionLostError, ProtocolError, TransportError
from .fields import content_length, decompressed, is_interim, joined_fields
from .pool import ConnectionPool
from .timed_socket import TimedSocket
from .transport import ClientRequest, ClientResponse

__all__ = ["HttpTransport", "request_bytes"]


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
        self._head = connector.request_head()
        self._compress_min_bytes = compress_min_bytes
        self._pool: ConnectionPool[TimedSocket] = ConnectionPool(max_idle, max_idle_s, os.getpid)

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`."""
        if self._pool.is_closed:
            raise ClientError("the client is closed")
        data = request_bytes(self._head, request, self._compress_min_bytes)
        connection = self._idle_connection()
        is_reused = connection is not None
        if connection is None:
            connection = self._connector.open(deadline)
        try:
            connection.begin(deadline)
            connection.sendall(data)
            response, stays_open = read_response(connection, self._connector.limit_bytes)
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

    def _idle_connection(self) -> TimedSocket | None:
        """Return a connection that is still open, as far as can be known; None if there is none."""
        while True:
            connection = self._pool.take()
            if connection is None or connection.is_idle():
                return connection
            connection.close()


def request_bytes(head: bytes, request: ClientRequest, compress_min_bytes: int | None) -> bytes:
    """Return a request as it is sent.

    Args:
        head: The request line and the Host field.
        request: The request. Its header fields have been checked.
        compress_min_bytes: The shortest body that is compressed; None for none.
    """
    fields, body = request.headers, request.body
    if compress_min_bytes is not None and len(body) >= compress_min_bytes:
        body = gzip.compress(body, 6)
        fields = {**fields, "Content-Encoding": "gzip"}
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, lines.encode("latin-1"), len(body), body)


def read_response(connection: TimedSocket, limit_bytes: int) -> tuple[ClientResponse, bool]:
    """Read an answer. Return it, and whether the connection stays open.

    Raises:
        TransportError: It did not come, or not whole.
        ProtocolError: It is not HTTP, or too large.
    """
    try:
        answer = read_head(connection)
        while is_interim(answer.status):
            answer = read_head(connection)
        headers = joined_fields(answer.headers.items())
        length = content_length(headers)
        if length is not None and length > limit_bytes:
            raise AnswerTooLargeError(f"an answer of {length} bytes; at most {limit_bytes} are read")
        body = answer.read()
    except (http.client.RemoteDisconnected, http.client.IncompleteRead) as exc:
        raise ConnectionLostError("the connection ended before the answer did") from exc
    except (http.client.HTTPException, ValueError, OverflowError) as exc:
        if connection.has_ended:
            raise ConnectionLostError("the connection ended inside the answer") from exc
        raise ProtocolError(f"the answer is not HTTP: {exc!r}") from exc
    if len(body) > limit_bytes:
        raise AnswerTooLargeError(f"an answer of more than {limit_bytes} bytes")
    body = decompressed(body, headers.get("content-encoding"), limit_bytes=limit_bytes)
    return ClientResponse(answer.status, headers, body), not answer.will_close


def read_head(connection: TimedSocket) -> http.client.HTTPResponse:
    duck: Any = connection  # it has all that HTTPResponse uses of a socket
    answer = http.client.HTTPResponse(duck, method="POST")
    answer.begin()
    if connection.has_ended:  # `http.client` takes the end of the connection for the end of the head
        raise ConnectionLostError("the connection ended inside the head of the answer")
    return answer


def is_lost_unanswered(exc: TransportError, connection: TimedSocket) -> bool:
    return isinstance(exc, ConnectionLostError) and not connection.received_bytes
