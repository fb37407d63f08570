"""Serving with gevent's pywsgi: one greenlet for each connection, and kept-alive connections. Needs ``gevent=True``.

A greenlet reads heads and bodies, and sends answers, at the pace of its client. It has one of the
``max_concurrent_calls`` places only from the end of the body to the end of the function, so neither a slow sender nor a
slow reader occupies one. The application begins before that, since it may refuse a body unread: reading the last byte
waits for the place.
"""

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

from ..dispatch.facade import ServerFacade
from ..runtime.logs import DEBUG, INFO
from .gate import RpcApplication, never_immediate
from .native.limits import parser_limits
from .pywsgi_calls import CallLimit
from .pywsgi_handler import PywsgiHandler
from .sockets import is_unix
from .tls import server_context
from .unfinished import warn_of_unfinished
from .wsgi import CONSTANTS, server_variables

__all__ = ["PywsgiBackend"]


class PywsgiServer(WSGIServer):
    """The server of pywsgi on an existing socket. It can wait for the requests that are being answered.

    Args:
        listener: The listening socket. The server works on a duplicate.
        app: The WSGI application.
        write_log: Logs a message, passed in parts.
        settings: The settings of the flaskJSONRPCServer.

    Attributes:
        is_immediate: Returns whether a request, by its environ, is answered beyond that limit.
        calls: The limit on concurrent calls.
        is_stopping: Whether each connection ends after its current request.
        idle: The connections without a request in progress.
    """

    def __init__(
        self,
        listener: socket.socket,
        app: Any,
        write_log: Callable[..., None],
        settings: Any,
    ) -> None:
        self.write_log = write_log
        self.read_timeout_s = settings.read_timeout_s or None
        self.head_timeout_s = settings.head_timeout_s or None
        self.body_timeout_s = settings.body_timeout_s or None
        self.parser_limits = parser_limits(settings, app if isinstance(app, RpcApplication) else None)
        self.is_immediate = app.is_immediate if isinstance(app, RpcApplication) else never_immediate
        self.calls = CallLimit(settings.max_concurrent_calls, settings.max_waiting_requests)
        self._tls = server_context(settings.ssl)
        self.is_stopping = False
        self.idle: set[Any] = set()
        self._connections = Pool()
        # gevent's own class in any case: the user may have passed a socket that was made before the patch.
        duplicate = gevent.socket.socket(fileno=os.dup(listener.fileno()))
        # Set here, since pywsgi would query the name service for the name.
        environ = {**CONSTANTS, **server_variables(listener)}
        super().__init__(
            duplicate, app, spawn=self._connections, log=None, handler_class=PywsgiHandler, environ=environ
        )
        self.environ["wsgi.url_scheme"] = "http" if self._tls is None else "https"

    def do_read(self) -> tuple[Any, Any] | None:  # type: ignore[override]  # the stubs leave None out
        """Accept a connection. Return None if there is none any more."""
        try:
            accepted: tuple[Any, Any] | None = super().do_read()
        except OSError as exc:
            self.write_log("a connection cannot be accepted:", repr(exc))
            # The base class pauses after any exception raised here, and prints all but this one.
            raise gevent.GreenletExit from exc
        if accepted is not None:
            self.idle.add(accepted[0])
        return accepted

    def handle(self, sock: Any, address: Any) -> None:
        """Serve one connection."""
        if not is_unix(sock):
            # With Nagle's algorithm, a kept-alive client would wait 40 ms for an answer that takes two segments.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(self.read_timeout_s)
        try:
            if self._tls is None:
                super().handle(sock, address)
            else:
                self._handle_tls(self._tls, sock, address)
        finally:
            self.idle.discard(sock)

    def _handle_tls(self, tls: ssl.SSLContext, sock: Any, address: Any) -> None:
        try:
            wrapped = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as exc:  # the client has gone already
            self.write_log(f"no TLS with {address or 'a client'}: {exc!r}")
            return
        with wrapped as secured:
            self.idle.discard(sock)  # wrap_socket() has detached it
            self.idle.add(secured)
            try:
                with gevent.Timeout(self.read_timeout_s, TimeoutError):
                    secured.do_handshake()
            except OSError as exc:  # plain HTTP, an old version, no certificate, silence, a port scan
                self.write_log(f"no TLS with {address or 'a client'}: {exc!r}")
            else:
                super().handle(secured, address)
            finally:
                self.idle.discard(secured)

    def finish(self, timeout_s: float) -> int:
        """Stop accepting, end the idle connections, and wait for the others.

        Returns:
            How many connections were still being answered after the timeout.
        """
        self.is_stopping = True
        self.close()
        for connection in self.idle:
            shut_down_reading(connection)
        self._connections.join(timeout_s)
        return len(self._connections)


def shut_down_reading(connection: Any) -> None:
    """Shut down the receiving side of a connection: its reader gets EOF after the bytes that have come already."""
    # Through a duplicate: gevent's own socket would cancel a pending read, even if bytes have come.
    with gevent.socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        try:
            duplicate.shutdown(socket.SHUT_RD)
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

    def start(self, bindAdress: Any, wsgiApp: Callable[..., Any], server: ServerFacade, joinLoop: bool) -> PywsgiServer:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        settings = server.settings
        _, listener = bindAdress
        level = INFO if settings.debug else DEBUG
        instance = PywsgiServer(listener, wsgiApp, functools.partial(server.log.write, level), settings)
        instance.start()
        return instance

    def stop(self, serverInstance: PywsgiServer, serverIndex: int, server: ServerFacade, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.finish(timeout)
        if cut_off:
            warn_of_unfinished(server.log, cut_off, "connection", timeout)
