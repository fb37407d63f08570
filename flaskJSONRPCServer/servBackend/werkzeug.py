"""Serving with Werkzeug's request handler: always there, one request a connection.

Connections are accepted, and their TLS is done, in the :class:`~.lobby.Lobby`. Werkzeug's own server would start a
thread for each, and a client that stalls its handshake would hold up all others.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from .chunks import ChunkedBody
from .heads import without_query
from .lobby import Connection, Lobby, LobbyBackend
from .sockets import is_unix

__all__ = ["WerkzeugBackend"]

_CONNECTION = "flaskJSONRPCServer.connection"


class RequestHandler(WSGIRequestHandler):
    """One request. What Werkzeug has to say goes to the server's log: info with ``debug=True``, else debug."""

    server: HTTPServer

    def setup(self) -> None:
        """Read what has come already, and then from the socket."""
        self._came_by: Connection = self.request
        self.request = self._came_by.socket
        super().setup()
        self.rfile.close()
        self.rfile = self._came_by.reader
        self.client_address = (self._came_by.peer, 0) if is_unix(self.connection) else self._came_by.address

    def parse_request(self) -> bool:
        """Read the head. Werkzeug would encode what is raw in the target a second time."""
        is_read = super().parse_request()
        if is_read:
            self.path = "".join(char if char.isascii() else f"%{ord(char):02X}" for char in self.path)
        return is_read

    def make_environ(self) -> dict[str, Any]:
        """Return the environ, which PEP 3333 wants to have a server name over a Unix socket too."""
        environ = super().make_environ()
        environ[_CONNECTION] = self._came_by
        if isinstance(self.server.server_address, str):
            environ.update(SERVER_NAME="localhost", SERVER_PORT="80")
        if environ.get("wsgi.input_terminated"):
            environ["wsgi.input"] = io.BufferedReader(ChunkedBody(self._came_by.reader))
        return environ

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log one of Werkzeug's messages."""
        self.server.write_log(self.address_string(), message % args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log a request, without Werkzeug's colours."""
        number = int(code) if isinstance(code, int) else code  # an HTTPStatus has another text on Python 3.10
        self.log("info", '"%s" %s', without_query(self.requestline), number)


class HTTPServer(ThreadedWSGIServer):
    """What Werkzeug's request handler wants to know of its server. It neither accepts nor serves by itself."""

    server_address: Any

    def __init__(self, listener: socket.socket, app: Any, write_log: Callable[..., None]) -> None:
        self.write_log = write_log
        name = listener.getsockname()
        host, port = (f"unix://{os.fsdecode(name)}", 0) if is_unix(listener) else name[:2]
        super().__init__(host, port, without_rest(app), RequestHandler, fd=listener.fileno())
        self.server_close()  # its duplicate of the listening socket

    def enter(self, lobby: Lobby) -> None:
        """Serve the connections of a lobby."""
        self.ssl_context = lobby.tls  # not given to the base class, which would wrap the listening socket

    def answer(self, connection: Connection) -> bool:
        """Answer the request that has come over a connection; it ends with that."""
        self.process_request_thread(connection, connection.address)  # type: ignore[arg-type]  # it passes it on only
        return False

    def shutdown_request(self, request: Any) -> None:
        """Leave the connection to the lobby."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a connection broke on; the base class prints it."""
        self.write_log("a connection broke:", repr(sys.exc_info()[1]))

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log in one line that TLS broke in the middle of a request; the base class would print the traceback."""
        if isinstance(sys.exc_info()[1], ssl.SSLError):
            self.handle_error(None, None)
        else:
            super().log(type, message, *args)


def without_rest(app: Callable[..., Any]) -> Callable[..., Iterator[bytes]]:
    """Wrap an application, so that after its answer nothing more is read from the connection.

    Werkzeug would wait for what the client still sends, in this thread. The lobby does it without one.
    """

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        connection: Connection = environ.pop(_CONNECTION)
        chunks = app(environ, start_response)
        try:
            yield from chunks
        finally:
            connection.read_no_more()
            if hasattr(chunks, "close"):
                chunks.close()

    return wrapped


class WerkzeugBackend(LobbyBackend):
    """Serves with ``werkzeug.serving``."""

    _id = "werkzeug"
    _make_server = HTTPServer
