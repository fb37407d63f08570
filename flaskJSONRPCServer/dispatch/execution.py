"""The running side of an exec backend: a call that comes as plain values is found, made and answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..http import jsonp
from ..http.request import Environ
from ..runtime.stats import Stats
from ..sansio_jsonrpc import ABSENT, JsonRpcException, JsonRpcMethodNotFoundError, JsonRpcRequest
from .backends import CallAnswer
from .connection import Connection, ServerFacts
from .exchange import Exchange
from .invoker import Invoker
from .routes import Route, Router

__all__ = ["Execution"]

Overload = Mapping[str, Any] | Callable[[Any], Any] | None


class CopiedExchange(Exchange):
    """The request of a call that comes as plain values.

    Attributes:
        copied: The copy of the request.
        native_thread: What ``_connection.nativeThread`` says; None leaves it.
        overload: What to set on the connection, or a function that may replace it.
        connection: The connection, once the dispatcher has asked for one.
    """

    copied: Mapping[str, Any]
    native_thread: bool | None = None
    overload: Overload = None
    connection: Any = None


class Execution:
    """Makes one call for an exec backend: what the documented ``_callDispatcher`` does.

    Args:
        server: The server, as connections show it.
        stats: Where the call is counted.
        router: The routes.
        magic_name: The name of the magic variable.
        debug: Whether a client may see the traceback of an unexpected exception.
        allow_compress: Whether the answer may be compressed, unless the dispatcher says otherwise.
        lets_through: As with :class:`~flaskJSONRPCServer.dispatch.invoker.Invoker`.
    """

    def __init__(
        self,
        server: ServerFacts,
        stats: Stats,
        router: Router,
        *,
        magic_name: str,
        debug: bool,
        allow_compress: bool,
        lets_through: Callable[[BaseException], bool],
    ) -> None:
        self._stats = stats
        self._router = router
        self._magic_name = magic_name
        self._invoker = Invoker(server, stats, debug=debug, connect=connected, lets_through=lets_through)
        self._allow_compress = allow_compress

    def call(
        self,
        unique_id: str,
        path: str,
        data: Mapping[str, Any],
        request: Mapping[str, Any],
        *,
        is_jsonp: str | bool,
        native_thread: bool | None,
        overload: Overload,
    ) -> CallAnswer:
        """Make the call, in this thread.

        Args:
            unique_id: The id of the request that it belongs to.
            path: The path of the dispatcher, such as ``/api/``.
            data: The call: ``method``, ``params``, ``id``; ``notify`` is True for a notification.
            request: The copy of the request; its ``headers``, ``cookies``, ``environ``, ``remote_addr`` are used.
            is_jsonp: The JSONP output format; True for the usual one; False for plain JSON.
            native_thread: What ``_connection.nativeThread`` says; None leaves it.
            overload: A dict of fields to set on the connection, or a function that is given it and may return another.

        Returns:
            ``(status, params, result)``: ``params`` holds by name what the dispatcher was given, the connection
            included; the result is the exception, a JsonRpcException, where the status is False.
        """
        call = JsonRpcRequest(data["method"], data.get("params"), ABSENT if data.get("notify") else None)
        exchange = self._exchange(unique_id, request, is_jsonp)
        exchange.native_thread = native_thread
        exchange.overload = overload
        route = self._router.table.find(path, call.method)
        try:
            if route is None:
                raise JsonRpcMethodNotFoundError
            result = self._invoker.invoke(route, call, exchange)
            return True, self._params(route, call, exchange), result
        except JsonRpcException as exc:
            return False, self._params(route, call, exchange), exc
        finally:
            self._stats.wake_waiting()

    def _params(self, route: Route | None, call: JsonRpcRequest, exchange: CopiedExchange) -> dict[str, Any]:
        """Return by name what the dispatcher was given, with the connection if there was one."""
        params = {} if route is None else dict(route.plan.by_name(call.params))
        if exchange.connection is not None:
            params[self._magic_name] = exchange.connection
        return params

    def _exchange(self, unique_id: str, request: Mapping[str, Any], is_jsonp: str | bool) -> CopiedExchange:
        environ: Environ = {"REQUEST_METHOD": "POST", **(request.get("environ") or {})}
        exchange = CopiedExchange(environ)
        exchange.__dict__["unique_id"] = unique_id
        exchange.copied = request
        exchange.allow_compress = self._allow_compress
        exchange.counters = self._stats.thread_counters()
        output_format = jsonp.DEFAULT_FORMAT if is_jsonp is True else is_jsonp or ""
        callback = "" if output_format else None
        exchange.wrap_in(callback, output_format)
        return exchange


def connected(exchange: CopiedExchange, route: Route, server: ServerFacts, *, notify: bool) -> Any:
    """Make the connection of a call, and keep it: its caller is told of it."""
    connection = described(Connection(exchange, route, server, notify=notify), exchange.copied, exchange.native_thread)
    exchange.connection = overloaded(connection, exchange.overload)
    return exchange.connection


def described(connection: Connection, request: Mapping[str, Any], native_thread: bool | None) -> Connection:
    """Fill in what the copy of the request says; its environ alone need not have all of it."""
    connection.headers = dict(request.get("headers") or {})
    connection.cookies = dict(request.get("cookies") or {})
    connection.ip = request.get("remote_addr")
    if native_thread is not None:
        connection.nativeThread = native_thread
    return connection


def overloaded(connection: Connection, overload: Overload) -> Any:
    if callable(overload):
        replaced = overload(connection)
        return connection if replaced is None else replaced
    for name, value in (overload or {}).items():
        connection[name] = value
    return connection
