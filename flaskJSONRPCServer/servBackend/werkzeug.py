"""Serving with Werkzeug's threaded server: always there, one thread a connection, one request a connection.

The TLS is ours: Werkzeug would wrap the listening socket, and one client that stalls its handshake would hold up all
others.
"""

from __future__ import annotations

import functools
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from ..runtime.logs import DEBUG, INFO, WARNING
from .sockets import is_unix
from .tls import server_context

__all__ = ["WerkzeugBackend"]

# How long a stop may go unnoticed by the accepting thread; each look costs next to nothing.
_LOOK_EVERY_S = 0.1

_QUERY = re.compile(r"\?\S*")


class RequestHandler(WSGIRequestHandler):
    """One connection. What Werkzeug has to say goes to the server's log: info with ``debug=True``, else debug."""

    server: HTTPServer

    def setup(self) -> None:
        super().setup()
        self.client_address = self.client_address or ("", 0)  # a Unix socket's peer has none

    def make_environ(self) -> dict[str, Any]:
        """Return the environ, which PEP 3333 wants to have a server name over a Unix socket too."""
        environ = super().make_environ()
        if isinstance(self.server.server_address, str):
            environ.update(SERVER_NAME="localhost", SERVER_PORT="80")
        return environ

    def parse_request(self) -> bool:
        """Note that a request has begun: from here on, a stop waits for its answer."""
        self.server.request_begins(self.connection)
        return super().parse_request()

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log one of Werkzeug's messages."""
        self.server.write_log(self.address_string(), message % args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log a request, without Werkzeug's colours, and without the query, which may hold what is secret."""
        number = int(code) if isinstance(code, int) else code  # an HTTPStatus has another text on Python 3.10
        self.log("info", '"%s" %s', _QUERY.sub("?...", self.requestline), number)


class HTTPServer(ThreadedWSGIServer):
    """Werkzeug's server on a socket of ours, which can wait for the requests that it is answering."""

    server_address: Any

    def __init__(
        self,
        listener: socket.socket,
        app: Any,
        write_log: Callable[..., None],
        read_timeout_s: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.write_log = write_log
        self.read_timeout_s = read_timeout_s or None
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}  # guarded by _lock
        self._silent: set[socket.socket] = set()  # connections without a request yet; guarded by _lock
        name = listener.getsockname()
        host, port = (f"unix://{os.fsdecode(name)}", 0) if is_unix(listener) else name[:2]
        super().__init__(host, port, app, RequestHandler, fd=listener.fileno())  # works on a duplicate
        self.ssl_context = tls  # not given to the base class, which would wrap the listening socket

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread that :meth:`finish` can find."""
        if self.ssl_context is not None:
            # Nothing is read or written here, in the thread that accepts connections.
            request = self.ssl_context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._lock:
            self._connections[request] = thread
            self._silent.add(request)
        thread.start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, after its handshake."""
        request.settimeout(self.read_timeout_s)
        if self._shakes_hands(request, client_address):
            super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, with the end that TLS has for it."""
        if isinstance(request, ssl.SSLSocket):
            send_close_notify(request)
        super().shutdown_request(request)

    def request_begins(self, connection: socket.socket) -> None:
        with self._lock:
            self._silent.discard(connection)

    def finish(self, timeout_s: float) -> int:
        """End the connections that have asked for nothing, and wait for the others.

        Returns:
            How many were still being answered when the time was over.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            threads = list(self._connections.values())
            for connection in self._silent:
                end_reading(connection)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return sum(thread.is_alive() for thread in threads)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a connection broke on; the base class prints it."""
        self.write_log("a connection broke:", repr(sys.exc_info()[1]))

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log in one line that TLS broke in the middle of a request; the base class would print the traceback."""
        if isinstance(sys.exc_info()[1], ssl.SSLError):
            self.handle_error(None, None)
        else:
            super().log(type, message, *args)

    def _shakes_hands(self, request: Any, client_address: Any) -> bool:
        if not isinstance(request, ssl.SSLSocket):
            return True
        try:
            request.do_handshake()  # its time in all is bounded by the timeout of the socket
        except OSError as exc:  # plain HTTP, an old version, no certificate, silence, a scan of ports
            self.write_log(f"no TLS with {client_address or 'a client'}: {exc!r}")
            return False
        return True

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._connections[request]
                self._silent.discard(request)


def end_reading(connection: socket.socket) -> None:
    try:
        # Not its own shutdown(): that of a TLS connection drops the TLS, under the thread that is in it.
        socket.socket.shutdown(connection, socket.SHUT_RD)
    except OSError:  # the client has gone already
        return


def send_close_notify(connection: ssl.SSLSocket) -> None:
    """Tell the client that nothing was cut off (RFC 8446, section 6.1), without waiting for it to say the same."""
    connection.settimeout(0)
    try:
        connection.unwrap()
    except (OSError, ValueError):  # it has not said the same yet, has gone, or was never one
        return


class Running:
    """A server that accepts connections in a thread of its own."""

    def __init__(self, server: HTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(_LOOK_EVERY_S,), daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> int:
        """Stop accepting, then finish; returns how many connections were cut off."""
        self._server.shutdown()
        self._thread.join()
        return self._server.finish(timeout_s)


class WerkzeugBackend:
    """Serves with ``werkzeug.serving``."""

    _id = "werkzeug"
    _supportGevent = False
    _supportNative = True
    _supportRawSocket = True
    _supportTLS = True
    _supportSSLContext = True

    def start(self, bindAdress: Any, wsgiApp: Callable[..., Any], server: Any, joinLoop: bool) -> Running:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        settings = server.settings
        _, listener = bindAdress
        level = INFO if settings.debug else DEBUG
        write_log = functools.partial(server.log.write, level)
        tls = server_context(settings.ssl)
        return Running(HTTPServer(listener, wsgiApp, write_log, settings.read_timeout_s, tls))

    def stop(self, serverInstance: Running, serverIndex: int, server: Any, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.stop(timeout)
        if cut_off:
            server.log.write(WARNING, f"{cut_off} connections were still being answered after {timeout} s")
