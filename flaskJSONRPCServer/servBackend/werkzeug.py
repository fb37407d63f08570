"""Serving with Werkzeug's threaded server, for development: one thread and one connection for each request.

Nothing bounds the number of threads, and Python's :mod:`http.server` parses the requests, which accepts more than
RFC 9112 allows. docs/security.md compares the backends.

This module adds only the few lines that the life cycle of the server needs: it counts the requests that are being
answered, so that a stop can wait for them, moves handshakes out of the accepting thread, and logs. Bounds would be a
second implementation of ``native``. Instead, a start where other machines can reach the server logs a warning.
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

from ..dispatch.facade import ServerFacade
from ..http.refusals import Refusal
from ..runtime.logs import DEBUG, ERROR, INFO
from .exposure import warn_if_exposed
from .gate import refusal_observer
from .sockets import is_unix
from .tls import send_close_notify, server_context
from .unfinished import warn_of_unfinished
from .wsgi import server_variables

__all__ = ["WerkzeugBackend"]

_EXPOSED = "is for development: it bounds neither threads nor slow clients, and does not refuse ambiguous requests"

# How often the accepting thread checks whether to stop; socketserver offers no other way.
_POLL_S = 0.1

# How long a connection is drained after its answer, so that the client reads that and not a reset; guessed.
_LINGER_S = 2.0

_RECEIVE_BYTES = 64 * 1024

_QUERY = re.compile(r"\?\S*")


class WerkzeugHandler(WSGIRequestHandler):
    """Handles one request. It logs to the server's log: at level info with ``debug=True``, else debug."""

    server: WerkzeugServer

    def setup(self) -> None:
        """Open the files of the connection."""
        super().setup()
        self._socket_file = self.rfile

    def finish(self) -> None:
        """Close the files of the connection."""
        super().finish()
        self._socket_file.close()

    def parse_request(self) -> bool:
        """Parse the head. From here on, a stop waits for the answer."""
        is_parsed = super().parse_request()
        if is_parsed:
            self.server.mark_answering(self.connection)
            self.protocol_version = min(self.request_version, "HTTP/1.1")  # Werkzeug would send chunks to HTTP/1.0 too
            # Quoted here, since Werkzeug would encode raw bytes of the target a second time.
            self.path = "".join(char if char.isascii() else f"%{ord(char):02X}" for char in self.path)
            if self.request_version < "HTTP/1.1":  # RFC 9110, section 10.1.1; Werkzeug would send 100 Continue here too
                del self.headers["Expect"]
        return is_parsed

    def handle_expect_100(self) -> bool:
        """Go on without an answer: Werkzeug sends ``100 Continue`` itself, and the client would get two."""
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request whose head cannot be parsed."""
        super().send_error(code, message, explain)
        refusal = Refusal(message or "")
        refusal.status = str(int(code))
        self.server.observe_refusal({"REQUEST_METHOD": "", "REMOTE_ADDR": self.address_string()}, refusal)

    def make_environ(self) -> dict[str, Any]:
        """Return the environ. PEP 3333 requires a server name over a Unix socket too."""
        environ = super().make_environ()
        if is_unix(self.connection):
            environ.update(server_variables(self.connection), REMOTE_ADDR="")
        self.rfile = io.BytesIO()  # else Werkzeug would read from the socket after the answer until the client closes
        return environ

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Log that the client has gone."""
        self.server.write_log("a connection broke:", repr(error))

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log a message of Werkzeug."""
        self.server.write_log(self.address_string(), without_query(message % args))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log a request, without the colours of Werkzeug."""
        status = int(code) if isinstance(code, int) else code  # an HTTPStatus prints differently on Python 3.10
        self.log("info", '"%s" %s', self.requestline, status)


class WerkzeugServer(ThreadedWSGIServer):
    """The server of Werkzeug on an existing socket. It can wait for the requests that are being answered.

    Args:
        listener: The listening socket. The server works on a duplicate.
        app: The WSGI application.
        server: The flaskJSONRPCServer.
    """

    def __init__(self, listener: socket.socket, app: Callable[..., Any], server: ServerFacade) -> None:
        settings = server.settings
        self._tls = server_context(settings.ssl)
        self._log = server.log
        self.observe_refusal = refusal_observer(app)
        self.write_log = functools.partial(server.log.write, INFO if settings.debug else DEBUG)
        self._name = f"{server.name}-werkzeug"
        self._timeout_s = settings.read_timeout_s or None
        self._changed = threading.Condition()
        self._answering: dict[socket.socket, bool] = {}  # by open connection: has it a request; guarded by _changed
        self._is_stopping = False  # guarded by _changed
        name = listener.getsockname()
        host, port = (f"unix://{os.fsdecode(name)}", 0) if is_unix(listener) else name[:2]
        super().__init__(host, port, app, WerkzeugHandler, fd=listener.fileno())
        self.ssl_context = self._tls  # not passed to the base class, whose accepting thread would do the handshakes
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_S,), name=self._name, daemon=True)
        self._thread.start()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection."""
        sock, address = super().get_request()
        sock.settimeout(self._timeout_s)
        if self._tls is None:
            return sock, address
        try:
            return self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address
        except OSError:  # the client has gone already
            sock.close()
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection."""
        with self._changed:
            self._answering[request] = False
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the handshake, and answer, in the thread of the connection."""
        threading.current_thread().name = self._name
        try:
            if self._tls is None or self._do_handshake(request, client_address):
                super().finish_request(request, client_address)
        except BaseException:  # noqa: BLE001  raised by a page; the interpreter would print it
            self.handle_error(request, client_address)

    def _do_handshake(self, request: ssl.SSLSocket, client_address: Any) -> bool:
        try:
            request.do_handshake()
        except OSError as exc:  # plain HTTP, an old version, no certificate, silence, a port scan
            self.write_log(f"no TLS with {client_address or 'a client'}: {exc!r}")
            return False
        return True

    def mark_answering(self, connection: Any) -> None:
        """Mark a connection as one with a request, which a stop waits for."""
        with self._changed:
            self._answering[connection] = True

    def shutdown_request(self, request: Any) -> None:
        """End a connection, and drain it: if it were closed with unread bytes, the client might lose the answer."""
        with self._changed:
            self._answering[request] = False
            if self._is_stopping:
                shut_down_reading(request)
        if isinstance(request, ssl.SSLSocket):
            send_close_notify(request)
        with contextlib.suppress(OSError):  # the client has gone, or the time is over
            socket.socket.shutdown(request, socket.SHUT_WR)  # not SSLSocket.shutdown(), which would drop the TLS
            drain(request, time.monotonic() + _LINGER_S)
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Close a connection."""
        with self._changed:
            self._answering.pop(request, None)
            request.close()
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the exception that broke a connection; the base class prints it."""
        self.log("error", "")

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log the current exception: one of TLS in one line, any other one with its traceback."""
        if isinstance(exc := sys.exc_info()[1], ssl.SSLError):
            self.write_log("a connection broke:", repr(exc))
        else:
            self._log.write(ERROR, "an answer broke off", traceback=True)

    def finish(self, timeout_s: float) -> int:
        """Stop accepting, end the idle connections, and wait for the others.

        Returns:
            How many connections were still being answered after the timeout.
        """
        self.shutdown()
        self._thread.join()
        with self._changed:
            self._is_stopping = True
            for connection, is_answering in self._answering.items():
                if not is_answering:
                    shut_down_reading(connection)
            self._changed.wait_for(lambda: not self._answering, timeout_s)
            return sum(self._answering.values())


def drain(connection: socket.socket, deadline: float) -> None:
    """Drain a connection until EOF. TLS has ended before, so its records are not decrypted.

    Raises:
        OSError: The connection is broken, or the deadline has passed.
    """
    while (left_s := deadline - time.monotonic()) > 0:
        connection.settimeout(left_s)
        if not socket.socket.recv(connection, _RECEIVE_BYTES):
            return


def without_query(message: str) -> str:
    """Return a message without the queries in it, which may hold secrets."""
    return _QUERY.sub("?...", message)


def shut_down_reading(connection: socket.socket) -> None:
    """Shut down the receiving side of a connection: its reader gets EOF after the bytes that have come already."""
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

    def start(
        self, bindAdress: Any, wsgiApp: Callable[..., Any], server: ServerFacade, joinLoop: bool
    ) -> WerkzeugServer:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        _, listener = bindAdress
        warn_if_exposed(listener, server.log, self._id, _EXPOSED)
        return WerkzeugServer(listener, wsgiApp, server)

    def stop(self, serverInstance: WerkzeugServer, serverIndex: int, server: ServerFacade, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.finish(timeout)
        if cut_off:
            warn_of_unfinished(server.log, cut_off, "connection", timeout)
