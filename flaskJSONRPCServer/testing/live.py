"""Serve a transport over HTTP on a free port, for clients of any kind."""

from __future__ import annotations

import contextlib
import gzip
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from ..client import ClientError, ClientRequest, Deadline, Transport

__all__ = ["LiveServer"]

_HOST: Final = "127.0.0.1"

# The longest wait for the handlers of open connections at the end, in seconds; guessed.
_CLOSE_S: Final = 5.0

# These concern one connection, or the request is read and written anew.
_NOT_PASSED_ON: Final = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "transfer-encoding"}
)


class LiveServer:
    """An HTTP server on a free port of 127.0.0.1, which hands POST requests to a transport.

    Args:
        transport: Answers the requests.
        on_failure: Called with a text for a request that the transport cannot answer; the client gets status 500.
    """

    def __init__(self, transport: Transport, on_failure: Callable[[str], object]) -> None:
        self._server = ConnectionServer((_HOST, 0), make_handler(transport, on_failure), on_failure)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="jsonrpc-mock", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The URL, at which every path is answered."""
        return f"http://{_HOST}:{self._server.server_port}/"

    def close(self) -> None:
        """Stop the server, and close its connections."""
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()


class ConnectionServer(ThreadingHTTPServer):
    """An HTTP server that knows its connections, so that it can close those that clients keep open."""

    # Of connections that wait to be accepted: a test may open many at once.
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], on_failure: Callable[[str], object]
    ) -> None:
        self._connections: set[socket.socket] = set()  # guarded by _changed
        self._changed = threading.Condition()
        self._on_failure = on_failure
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind the socket, without a look-up of the host's name, which takes seconds on some machines."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer the requests of a connection in a thread."""
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection at the end of its thread."""
        super().shutdown_request(request)
        with self._changed:
            self._connections.discard(request)
            self._changed.notify_all()

    def close_connections(self) -> None:
        """Close all connections, and wait for their threads."""
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the client has closed it
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, _CLOSE_S)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a failure of the server itself, other than of a client that is gone."""
        exc = sys.exc_info()[1]
        if not isinstance(exc, OSError):
            self._on_failure(f"the mock server failed: {exc!r}")


def make_handler(transport: Transport, on_failure: Callable[[str], object]) -> type[BaseHTTPRequestHandler]:
    """Return the handler of requests."""
    return type("MockHandler", (PostHandler,), {"transport": transport, "on_failure": staticmethod(on_failure)})


class PostHandler(BaseHTTPRequestHandler):
    """Answers the POST requests of a connection."""

    protocol_version = "HTTP/1.1"
    # The head and the body in one packet: the second of two would wait for the client's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    transport: Transport
    on_failure: Callable[[str], object]

    def do_POST(self) -> None:
        """Answer a request; a body without a declared length is refused."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            self._answer(411, b"the request needs a Content-Length", "text/plain")
            self._drain()
            return
        body = self.rfile.read(int(length))
        self._answer(*self._sent(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body))

    def _drain(self) -> None:
        """Read what the client still sends: a connection that is closed before would be reset, and the answer lost."""
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_CLOSE_S)
            while self.rfile.read1():
                pass

    def _sent(self, body: bytes) -> tuple[int, bytes, str]:
        fields = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        try:
            response = self.transport.send(ClientRequest(self.path, fields, body), Deadline(None))
        except (AssertionError, ClientError) as exc:
            self.on_failure(str(exc))
            return 500, str(exc).encode(), "text/plain; charset=utf-8"
        return response.status, response.body, response.headers.get("content-type", "application/json")

    def _answer(self, status: int, body: bytes, media_type: str) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
