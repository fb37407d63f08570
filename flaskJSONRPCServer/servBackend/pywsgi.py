"""Serving with gevent's pywsgi: a greenlet a connection, and connections that are kept alive. Needs ``gevent=True``."""

from __future__ import annotations

import functools
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from ..runtime.logs import DEBUG, INFO, WARNING
from .gate import RpcApplication
from .native.limits import parser_limits
from .pywsgi_calls import CallLimit
from .pywsgi_handler import PywsgiHandler
from .sockets import is_unix
from .tls import server_context
from .wsgi import CONSTANTS, server_variables

__all__ = ["PywsgiBackend"]


class PywsgiServer(WSGIServer):
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
        self.head_timeout_s = settings.head_timeout_s or None
        self.body_timeout_s = settings.body_timeout_s or None
        self.parser_limits = parser_limits(settings, app if isinstance(app, RpcApplication) else None)
        self.calls = CallLimit(settings.max_concurrent_calls, settings.max_waiting_requests)
        self._tls = server_context(settings.ssl)
        self.is_stopping = False
        self.silent: set[Any] = set()  # connections without a request in progress
        self._connections = Pool()
        # gevent's own class, whatever the listener is of: a socket may have been given that was made before the patch.
        own = gevent.socket.socket(fileno=os.dup(listener.fileno()))
        # pywsgi would ask the name service for the name.
        environ = {**CONSTANTS, **server_variables(listener)}
        super().__init__(own, app, spawn=self._connections, log=None, handler_class=PywsgiHandler, environ=environ)
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

    def start(self, bindAdress: Any, wsgiApp: Callable[..., Any], server: Any, joinLoop: bool) -> PywsgiServer:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        settings = server.settings
        _, listener = bindAdress
        level = INFO if settings.debug else DEBUG
        running = PywsgiServer(listener, wsgiApp, functools.partial(server.log.write, level), settings)
        running.start()
        return running

    def stop(self, serverInstance: PywsgiServer, serverIndex: int, server: Any, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.finish(timeout)
        if cut_off:
            server.log.write(WARNING, f"{cut_off} connections were still being answered after {timeout} s")
