"""Serving with gevent's pywsgi: a greenlet a connection, and connections that are kept alive. Needs ``gevent=True``."""

from __future__ import annotations

import functools
import io
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from ..http.request import CLIENT_SOCKET
from ..runtime.interrupts import is_interrupt
from ..runtime.logs import DEBUG, INFO, WARNING
from .heads import MAX_HEAD_BYTES, BadHead, check_fields, check_request_line, without_query
from .sockets import is_unix
from .tls import send_close_notify, server_context

__all__ = ["PywsgiBackend"]

_BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"Connection: close\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nBad Request"
)


class Handler(WSGIHandler):
    """One connection. What it has to say goes to the server's log: info with ``debug=True``, else debug."""

    server: Server

    def handle(self) -> None:
        """Answer requests until one side ends the connection."""
        try:
            super().handle()
        except OSError as exc:
            self.server.write_log("a connection broke:", repr(exc))

    def handle_one_request(self) -> Any:
        """Answer one request; see the base class for what is returned. Between two of them, a stop ends it at once."""
        answered = super().handle_one_request()
        if answered is True and not self.server.is_stopping:
            self.server.silent.add(self.socket)
            return True
        if isinstance(self.socket, ssl.SSLSocket):
            send_close_notify(self.socket)
        return None if answered is True else answered

    def read_requestline(self) -> str:
        """Read the request line, or the end of a connection that has been silent for too long."""
        with gevent.Timeout(self.server.read_timeout_s, TimeoutError):
            return super().read_requestline()

    def read_request(self, raw_requestline: str) -> Any:
        """Read the head. From here on, a stop waits for the answer.

        Raises:
            BadHead: It is malformed.
            TimeoutError: Its end does not come in time.
        """
        self.server.silent.discard(self.socket)
        check_request_line(raw_requestline.encode("latin-1"))
        with gevent.Timeout(self.server.read_timeout_s, TimeoutError("the head did not come in time")):
            return super().read_request(raw_requestline)

    def MessageClass(self, stream: Any, *_: Any) -> Any:  # noqa: N802  the name is that of the base class
        """Read the header fields, strictly."""
        lines = list(head_lines(stream))
        check_fields(lines, is_http_1_1=self.request_version == "HTTP/1.1")
        return super().MessageClass(io.BytesIO(b"".join([*lines, b"\r\n"])))

    def get_environ(self) -> dict[str, Any]:
        """Return the environ, with a body of which no more is read after the answer than a request may have."""
        environ: dict[str, Any] = super().get_environ()
        environ[CLIENT_SOCKET] = self.socket
        environ.setdefault("REMOTE_ADDR", "")  # a Unix socket's peer has none
        if isinstance(self.socket, ssl.SSLSocket) and (certificate := self.socket.getpeercert(binary_form=True)):
            environ["SSL_CLIENT_CERT"] = ssl.DER_cert_to_PEM_cert(certificate)
        self.wsgi_input = Rest(self.wsgi_input, self)  # type: ignore[assignment]  # all that is asked of it is there
        return environ

    def finalize_headers(self) -> None:
        """Tell the client when the connection ends."""
        super().finalize_headers()
        self.close_connection = self.close_connection or self.server.is_stopping
        if self.close_connection and self.request_version == "HTTP/1.1":
            self.response_headers.append((b"Connection", b"close"))  # type: ignore[union-attr,arg-type]  # bytes

    def log_request(self) -> None:
        """Log a request."""
        self.server.write_log(self._peer(), f'"{without_query(self.requestline or "")}" {self.code or "-"}')

    def log_error(self, msg: str, *args: Any) -> None:
        """Log one of pywsgi's messages."""
        self.server.write_log(self._peer(), msg % args if args else msg)

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Log what a connection broke on, in one line; the base class prints it.

        An exception that ends the program, as Ctrl-C raises it, goes on to the main greenlet. Whatever runs at that
        moment gets it, and that may be this connection.
        """
        if is_interrupt(v):
            gevent.get_hub().handle_system_error(t, v, tb)
            return
        self.server.write_log("a connection broke:", repr(v))
        self._send_error_response_if_possible(500)  # type: ignore[attr-defined]  # not in the stubs

    def _handle_client_error(self, ex: Exception) -> tuple[str, bytes] | None:
        self.log_error(f"refused: {ex}")
        return None if isinstance(ex, TimeoutError) else ("400", _BAD_REQUEST)

    def _peer(self) -> str:
        return self.client_address[0] if isinstance(self.client_address, tuple) else "-"


def head_lines(stream: Any) -> Iterator[bytes]:
    """Read the lines of a head, without the empty one.

    Raises:
        BadHead: It is too large, or the connection ends before it does.
    """
    left = MAX_HEAD_BYTES
    while (line := stream.readline(left)) != b"\r\n":
        left -= len(line)
        if not line.endswith(b"\n") or left <= 0:
            raise BadHead("the head is too large, or incomplete")
        yield line


class Rest:
    """What an application leaves of a body, which has to go before the next request can be read.

    Args:
        body: The body.
        handler: Its connection.
    """

    def __init__(self, body: Any, handler: Handler) -> None:
        self._body = body
        self._handler = handler

    def _discard(self) -> None:
        # What follows a broken body may be anything: it must not be read as a request.
        if self._body._chunked_input_error or not self._read_rest():
            self._handler.close_connection = True

    def _read_rest(self) -> bool:
        self._body.send_100_continue_enabled = False
        left = self._handler.server.max_body_bytes
        try:
            while left > 0:
                read = len(self._body.read(16384))
                if not read:
                    return True
                left -= read
        except OSError:
            return False
        return False


class Server(WSGIServer):
    """pywsgi's server on a socket of ours, which can wait for the requests that it is answering.

    Args:
        listener: The listening socket; it works on a duplicate.
        app: The WSGI application.
        write_log: Takes the parts of a message.
        settings: The settings of the flaskJSONRPCServer.
    """

    def __init__(self, listener: socket.socket, app: Any, write_log: Callable[..., None], settings: Any) -> None:
        self.write_log = write_log
        self.read_timeout_s = settings.read_timeout_s or None
        self.max_body_bytes = settings.max_body_bytes
        self._tls = server_context(settings.ssl)
        self.is_stopping = False
        self.silent: set[Any] = set()  # connections without a request in progress
        self._connections = Pool()
        # gevent's own class, whatever the listener is of: a socket may have been given that was made before the patch.
        own = gevent.socket.socket(fileno=os.dup(listener.fileno()))
        environ = base_environ(listener)
        super().__init__(own, app, spawn=self._connections, log=None, handler_class=Handler, environ=environ)
        self.environ["wsgi.url_scheme"] = "http" if self._tls is None else "https"

    def do_read(self) -> tuple[Any, Any] | None:  # type: ignore[override]  # the stubs leave None out
        """Accept a connection; None where there is none any more."""
        try:
            accepted: tuple[Any, Any] | None = super().do_read()
        except OSError as exc:
            self.write_log("a connection cannot be accepted:", repr(exc))
            # The base class pauses for whatever is raised here; of all exceptions, this one is not printed.
            raise gevent.GreenletExit from exc
        if accepted is not None:
            self.silent.add(accepted[0])
        return accepted

    def handle(self, sock: Any, address: Any) -> None:
        """Serve one connection."""
        if not is_unix(sock):  # else a client that is kept alive waits 40 ms for an answer in two segments
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(self.read_timeout_s)
        try:
            if self._tls is None:
                super().handle(sock, address)
            else:
                self._handle_tls(self._tls, sock, address)
        finally:
            self.silent.discard(sock)

    def _handle_tls(self, tls: ssl.SSLContext, sock: Any, address: Any) -> None:
        with tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as secured:
            self.silent.discard(sock)  # which has nothing to read from any more
            self.silent.add(secured)
            try:
                with gevent.Timeout(self.read_timeout_s, TimeoutError):
                    secured.do_handshake()
            except OSError as exc:  # plain HTTP, an old version, no certificate, silence, a scan of ports
                self.write_log(f"no TLS with {address or 'a client'}: {exc!r}")
            else:
                super().handle(secured, address)
            finally:
                self.silent.discard(secured)

    def finish(self, timeout_s: float) -> int:
        """Stop accepting, end the connections that have asked for nothing, and wait for the others.

        Returns:
            How many were still being answered when the time was over.
        """
        self.is_stopping = True
        self.close()
        for connection in self.silent:
            end_reading(connection)
        self._connections.join(timeout_s)
        return len(self._connections)


def base_environ(listener: socket.socket) -> dict[str, Any]:
    """Return what is in the environ of every request; pywsgi would ask the name service for the name."""
    name = listener.getsockname()
    host, port = ("localhost", 80) if is_unix(listener) else name[:2]
    return {"SERVER_NAME": host, "SERVER_PORT": str(port), "wsgi.multithread": True}


def end_reading(connection: Any) -> None:
    """Let whoever reads a connection find its end, after what has come already."""
    # Another object of the same connection: gevent's own would break off the read, whatever has come.
    with gevent.socket.socket(fileno=os.dup(connection.fileno())) as same:
        try:
            same.shutdown(socket.SHUT_RD)
        except OSError:  # the client has gone already
            return


class PywsgiBackend:
    """Serves with ``gevent.pywsgi``."""

    _id = "pywsgi"
    _supportGevent = True
    _supportNative = False
    _supportRawSocket = True
    _supportTLS = True
    _supportSSLContext = True

    def start(self, bindAdress: Any, wsgiApp: Callable[..., Any], server: Any, joinLoop: bool) -> Server:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        settings = server.settings
        _, listener = bindAdress
        level = INFO if settings.debug else DEBUG
        running = Server(listener, wsgiApp, functools.partial(server.log.write, level), settings)
        running.start()
        return running

    def stop(self, serverInstance: Server, serverIndex: int, server: Any, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.finish(timeout)
        if cut_off:
            server.log.write(WARNING, f"{cut_off} connections were still being answered after {timeout} s")
