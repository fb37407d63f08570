"""Serving with Werkzeug's threaded server, for development: a thread and a connection for each request.

Nothing bounds the number of threads, and requests are parsed by Python's :mod:`http.server`, which takes more than
RFC 9112 allows. docs/security.md compares the backends.
"""

from __future__ import annotations

import contextlib
import functools
import io
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

from ..runtime.logs import DEBUG, ERROR, INFO, WARNING
from .exposure import warn_if_exposed
from .sockets import is_unix
from .tls import send_close_notify, server_context
from .wsgi import server_variables

__all__ = ["WerkzeugBackend"]

_EXPOSED = "is for development: it bounds neither threads nor slow clients, and does not refuse ambiguous requests"

# How often the accepting thread looks whether it is to stop: socketserver has no other way.
_POLL_S = 0.1

# How long what a client still sends is read after the last answer, so that it finds that rather than a reset; guessed.
_LINGER_S = 2.0

_RECEIVE_BYTES = 64 * 1024

_QUERY = re.compile(r"\?\S*")


class WerkzeugHandler(WSGIRequestHandler):
    """One request. What Werkzeug logs goes to the server's log: info with ``debug=True``, else debug."""

    server: WerkzeugServer

    def setup(self) -> None:
        """Open the connection's files."""
        super().setup()
        self._received = self.rfile

    def finish(self) -> None:
        """Close them."""
        super().finish()
        self._received.close()

    def parse_request(self) -> bool:
        """Read the head. From here on, a stop waits for the answer."""
        is_read = super().parse_request()
        if is_read:
            self.server.begin(self.connection)
            # Werkzeug would encode what is raw in the target a second time.
            self.path = "".join(char if char.isascii() else f"%{ord(char):02X}" for char in self.path)
        return is_read

    def make_environ(self) -> dict[str, Any]:
        """Return the environ; PEP 3333 wants a server name over a Unix socket too."""
        environ = super().make_environ()
        if is_unix(self.connection):
            environ.update(server_variables(self.connection), REMOTE_ADDR="")
        self.rfile = io.BytesIO()  # after the answer, Werkzeug would read from it until the client closes
        return environ

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Log that the client has gone."""
        self.server.write_log("a connection broke:", repr(error))

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log one of Werkzeug's messages."""
        self.server.write_log(self.address_string(), without_query(message % args))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log a request, without Werkzeug's colours."""
        number = int(code) if isinstance(code, int) else code  # an HTTPStatus has another text on Python 3.10
        self.log("info", '"%s" %s', self.requestline, number)


class WerkzeugServer(ThreadedWSGIServer):
    """Werkzeug's server on a socket of ours, which can wait for the requests that it is answering.

    Args:
        listener: The listening socket; it works on a duplicate.
        app: The WSGI application.
        server: The flaskJSONRPCServer.
    """

    def __init__(self, listener: socket.socket, app: Callable[..., Any], server: Any) -> None:
        settings = server.settings
        self._tls = server_context(settings.ssl)
        self._log = server.log
        self.write_log = functools.partial(server.log.write, INFO if settings.debug else DEBUG)
        self._name = f"{server.name}-werkzeug"
        self._timeout_s = settings.read_timeout_s or None
        self._changed = threading.Condition()
        self._answering: dict[socket.socket, bool] = {}  # by open connection; guarded by _changed
        self._is_stopping = False  # guarded by _changed
        name = listener.getsockname()
        host, port = (f"unix://{os.fsdecode(name)}", 0) if is_unix(listener) else name[:2]
        super().__init__(host, port, app, WerkzeugHandler, fd=listener.fileno())
        self.ssl_context = self._tls  # not given to the base class, whose accepting thread would do the handshakes
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_S,), name=self._name, daemon=True)
        self._thread.start()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection."""
        opened, address = super().get_request()
        opened.settimeout(self._timeout_s)
        if self._tls is None:
            return opened, address
        try:
            return self._tls.wrap_socket(opened, server_side=True, do_handshake_on_connect=False), address
        except OSError:  # the client has gone already
            opened.close()
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        with self._changed:
            self._answering[request] = False
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the handshake, and answer; in the thread of the connection."""
        threading.current_thread().name = self._name
        try:
            if self._tls is None or self._do_handshake(request, client_address):
                super().finish_request(request, client_address)
        except BaseException:  # noqa: BLE001  of a page; the interpreter would print it
            self.handle_error(request, client_address)

    def _do_handshake(self, request: ssl.SSLSocket, client_address: Any) -> bool:
        try:
            request.do_handshake()
        except OSError as exc:  # plain HTTP, an old version, no certificate, silence, a scan of ports
            self.write_log(f"no TLS with {client_address or 'a client'}: {exc!r}")
            return False
        return True

    def begin(self, connection: Any) -> None:
        """Note that a request is being answered."""
        with self._changed:
            self._answering[connection] = True

    def shutdown_request(self, request: Any) -> None:
        """End a connection, after what the client still sends: closed before that, it may lose the answer."""
        with self._changed:
            self._answering[request] = False
            if self._is_stopping:
                end_reading(request)
        if isinstance(request, ssl.SSLSocket):
            send_close_notify(request)
        with contextlib.suppress(OSError):  # the client has gone, or its time is over
            socket.socket.shutdown(request, socket.SHUT_WR)  # that of an SSLSocket would drop the TLS
            drain(request, time.monotonic() + _LINGER_S)
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Close a connection."""
        with self._changed:
            self._answering.pop(request, None)
            request.close()
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a connection broke on; the base class prints it."""
        self.log("error", "")

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log the exception that is being handled: of TLS in one line, any other one with its traceback."""
        if isinstance(exc := sys.exc_info()[1], ssl.SSLError):
            self.write_log("a connection broke:", repr(exc))
        else:
            self._log.write(ERROR, "an answer broke off", traceback=True)

    def finish(self, timeout_s: float) -> int:
        """Stop accepting, end the connections that have asked for nothing, and wait for the others.

        Returns:
            How many were still being answered when the time was over.
        """
        self.shutdown()
        self._thread.join()
        with self._changed:
            self._is_stopping = True
            for connection, is_answering in self._answering.items():
                if not is_answering:
                    end_reading(connection)
            self._changed.wait_for(lambda: not self._answering, timeout_s)
            return sum(self._answering.values())


def drain(connection: socket.socket, deadline: float) -> None:
    """Read until the client closes its side, without TLS, which has been ended.

    Raises:
        OSError: The connection broke, or the deadline has passed.
    """
    while (left_s := deadline - time.monotonic()) > 0:
        connection.settimeout(left_s)
        if not socket.socket.recv(connection, _RECEIVE_BYTES):
            return


def without_query(message: str) -> str:
    """Return a message without the queries in it: they may hold what is secret."""
    return _QUERY.sub("?...", message)


def end_reading(connection: socket.socket) -> None:
    """Let the thread that reads a connection find its end, after what has come already."""
    with contextlib.suppress(OSError):  # the client has gone already
        socket.socket.shutdown(connection, socket.SHUT_RD)


class WerkzeugBackend:
    """Serves with ``werkzeug.serving``."""

    _id = "werkzeug"
    _supportGevent = False
    _supportNative = True
    _supportRawSocket = True
    _supportTLS = True
    _supportSSLContext = True

    def start(self, bindAdress: Any, wsgiApp: Callable[..., Any], server: Any, joinLoop: bool) -> WerkzeugServer:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        _, listener = bindAdress
        warn_if_exposed(listener, server.log, self._id, _EXPOSED)
        return WerkzeugServer(listener, wsgiApp, server)

    def stop(self, serverInstance: WerkzeugServer, serverIndex: int, server: Any, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.finish(timeout)
        if cut_off:
            server.log.write(WARNING, f"{cut_off} connections were still being answered after {timeout} s")
