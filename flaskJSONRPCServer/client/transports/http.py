"""HTTP/1.1 over pooled connections, for threads."""

from __future__ import annotations

from ..deadlines import Deadline
from ..errors import ClientError, ConnectionLostError, TransportError
from .answer_reader import read_response
from .base import ClientRequest, ClientResponse
from .connections import Connector
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


def is_lost_unanswered(exc: TransportError, connection: TimedSocket) -> bool:
    return isinstance(exc, ConnectionLostError) and not connection.received_bytes
