"""The serving backend ``native``: its start, its stop, and the state that all connections of one address share."""

from __future__ import annotations

import functools
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ...dispatch.facade import ServerFacade
from ...http.refusals import ServiceUnavailable
from ...http.response import Response
from ...proxies import TrustedProxies
from ...runtime.log_limits import LimitedLog
from ...runtime.logs import DEBUG, ERROR, INFO, WARNING, ServerLog
from ...runtime.thread_pool import ThreadPool
from ...settings import Settings
from ..gate import RpcApplication, answer_marker, never_immediate, refusal_observer
from ..tls import server_context
from ..unfinished import warn_of_unfinished
from ..wsgi import CONSTANTS, client_variables, server_variables
from .acceptor import ConnectionLimits
from .client_connection import ClientConnection
from .connections import ConnectionManager
from .expiry import Expiry
from .known_heads import KnownHeads
from .limits import check_body_limits, parser_limits, warn_of_large_answers
from .protocol import HttpConnection
from .send_queue import SendQueue
from .short_calls import ShortCalls
from .timeouts import timeouts_of

if TYPE_CHECKING:
    from .http_exchange import HttpExchange

__all__ = ["NativeBackend", "SharedState"]


# The threads that answer probes while all other threads are busy, and how many of these may wait; guessed.
_IMMEDIATE_THREADS = 2
_IMMEDIATE_WAITING = 1000

# The threads that call back when streams have ended, also while all other threads are busy; guessed.
_CALLBACK_THREADS = 4


class SharedState:
    """The settings, threads and limits that all connections of one address share.

    Args:
        settings: The settings of the flaskJSONRPCServer.
        log: Its log.
        wsgi_app: The WSGI application. An :class:`~..gate.RpcApplication` is first asked to answer without WSGI.
        listener: The listening socket.
        name: The name of the threads.

    Raises:
        SettingsError: Two limits on bodies contradict each other, or ``ssl`` cannot be used.

    Attributes:
        respond: Answers a request without WSGI. None if the application cannot do that.
        environ: The variables that the environ of every request contains.
        pool: The threads that answer requests.
        immediate_pool: The threads that answer requests which must not wait for one of these.
        callback_pool: The threads that call the functions for the end of a stream.
        is_immediate: Returns whether a request, by its head, is one that must not wait.
        answering: Returns the context manager for code of the user that runs at the end of a stream.
        observe_refusal: Called with the head of a request that is not answered, and the reason.
        expiry: Answers requests whose deadlines pass in the queue of the pool; None if the application has none.
        short_calls: Predicts which calls are short enough for the manager's thread.
        busy_refusal: The refusal for want of a thread.
    """

    def __init__(
        self,
        settings: Settings,
        log: ServerLog,
        wsgi_app: Callable[..., Iterable[bytes]],
        listener: socket.socket,
        name: str,
    ) -> None:
        check_body_limits(settings)
        warn_of_large_answers(settings, functools.partial(log.write, WARNING))
        self.log = log
        self.wsgi_app = wsgi_app
        rpc = wsgi_app if isinstance(wsgi_app, RpcApplication) else None
        self.respond: Callable[[HttpExchange], Response | None] | None = None if rpc is None else rpc.respond
        # Messages about single connections, rate-limited: anyone who can reach the server can cause any number of them.
        self.write_log = LimitedLog(functools.partial(log.write, INFO if settings.debug else DEBUG)).write
        # What an operator should know, however often a client can cause it.
        self.write_warning = LimitedLog(functools.partial(log.write, WARNING), most_lines=1).write
        # A step that fails may do so again at once, and for ever.
        self.write_failure = LimitedLog(functools.partial(log.write, ERROR, traceback=True)).write
        self.short_calls = ShortCalls()
        self.pool = ThreadPool(settings.threads, settings.max_waiting_requests, name)
        # More than one, since a readiness check may occupy one for a moment.
        self.immediate_pool = ThreadPool(_IMMEDIATE_THREADS, _IMMEDIATE_WAITING, f"{name}-immediate")
        self.callback_pool = ThreadPool(_CALLBACK_THREADS, 0, f"{name}-callbacks")
        self.is_immediate: Callable[[dict[str, Any]], bool] = never_immediate if rpc is None else rpc.is_immediate
        self.observe_refusal = refusal_observer(wsgi_app)
        self.answering = answer_marker(wsgi_app)
        self.expiry = None if rpc is None else Expiry(self.pool, rpc, f"{name}-expiry")
        self.tls: ssl.SSLContext | None = server_context(settings.ssl)
        self.timeouts = timeouts_of(settings)
        self.limits = ConnectionLimits(
            settings.max_connections,
            settings.max_connections_per_client,
            settings.max_buffered_bytes,
            settings.max_spooled_bytes,
            TrustedProxies(settings.trusted_proxies),
        )
        self.environ = {**CONSTANTS, **server_variables(listener)}
        limit = self.max_short_calls = settings.max_waiting_requests
        self.busy_refusal = ServiceUnavailable(f"max_waiting_requests ({limit}) requests are waiting already")
        self._known_heads = KnownHeads()
        self._parser_limits = parser_limits(settings, rpc)
        self._variables = {"wsgi.url_scheme": "http" if self.tls is None else "https"}

    def make_connection(
        self, manager: ConnectionManager, sock: socket.socket, address: Any, client: str
    ) -> ClientConnection:
        """Make the connection of a socket that has just been accepted.

        Raises:
            OSError: The client has gone already.
        """
        if self.tls is not None:
            sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        variables: dict[str, Any] = self._variables | client_variables(address)
        is_tls = self.tls is not None
        http = HttpConnection(
            self._parser_limits,
            self.timeouts,
            variables,
            time.monotonic(),
            is_tls=is_tls,
            known_heads=self._known_heads,
            send_queue=SendQueue(sock),
        )
        return ClientConnection(manager, sock, address, client, http)


class NativeBackend:
    """Serves with llhttp as its parser, one thread for all connections, and a pool of threads for the calls."""

    _id = "native"
    _supportGevent = False
    _supportNative = True
    _supportRawSocket = True
    _supportTLS = True
    _supportSSLContext = True

    def start(
        self, bindAdress: Any, wsgiApp: Callable[..., Any], server: ServerFacade, joinLoop: bool
    ) -> ConnectionManager:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        _, listener = bindAdress
        name = f"{server.name}-{self._id}"
        front = SharedState(server.settings, server.log, wsgiApp, listener, name)
        manager = ConnectionManager(front, listener, f"{name}-connections")
        manager.start()
        return manager

    def stop(self, serverInstance: ConnectionManager, serverIndex: int, server: ServerFacade, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.stop(timeout)
        if cut_off:
            warn_of_unfinished(server.log, cut_off, "request", timeout)
