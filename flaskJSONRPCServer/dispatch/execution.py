"""The worker side of an exec backend: find, make and answer a call that arrives as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..http import jsonp
from ..http.request import RequestOptions
from ..runtime.counters import ThreadCounters
from ..runtime.stats import Stats
from ..sansio_jsonrpc import ABSENT, JsonRpcException, JsonRpcMethodNotFoundError, JsonRpcRequest
from .call_control import control_of
from .call_data import params_of, refuse_late
from .connection import ServerFacts
from .deadlines import within_deadline
from .exchange import Exchange
from .exec_backend import CallAnswer
from .invoker import Invoker
from .routes import Route, Router

__all__ = ["CopiedExchange", "Execution", "ExecutionOptions"]

ConnectionOverload = Mapping[str, Any] | Callable[[Any], Any] | None


class CopiedExchange(Exchange):
    """The exchange of one call that arrives as plain values, with a copy of its request.

    Args:
        unique_id: The id of the request.
        request: The copy of the request; its ``headers``, ``cookies``, ``environ`` and ``remote_addr`` are used.
        counters: The counters of the thread that runs the call.
        allow_compress: Whether the answer may be compressed, unless the dispatcher decides otherwise.
        is_jsonp: The JSONP output format; True for the default format; False for plain JSON.
        native_thread: The value of ``_connection.nativeThread``; None detects it.
        overload: A dict of fields to set on the connection, or a function that gets it and may return another.
        deadline: The deadline of the call, on the monotonic clock; None for none.

    Attributes:
        connection: The magic variable of the call; None until the dispatcher needs one.
    """

    connection: Any = None

    def __init__(
        self,
        unique_id: str,
        request: Mapping[str, Any],
        counters: ThreadCounters,
        *,
        allow_compress: bool,
        is_jsonp: str | bool,
        native_thread: bool | None = None,
        overload: ConnectionOverload = None,
        deadline: float | None = None,
    ) -> None:
        head = {"REQUEST_METHOD": "POST", **(request.get("environ") or {})}
        super().__init__(head, counters, RequestOptions(allow_compress=allow_compress))
        self.unique_id = unique_id
        self._request = request
        self._native_thread = native_thread
        self._overload = overload
        self.deadline = deadline
        output_format = jsonp.DEFAULT_FORMAT if is_jsonp is True else is_jsonp or ""
        self.use_jsonp("" if output_format else None, output_format)

    def make_connection(self, route: Route, server: ServerFacts, *, notify: bool) -> Any:
        """Make the connection of the call, and keep it: the sender of the call gets it back."""
        connection = super().make_connection(route, server, notify=notify)
        # From the copy: its environ alone need not have all of this.
        connection.headers = dict(self._request.get("headers") or {})
        connection.cookies = dict(self._request.get("cookies") or {})
        connection.ip = self._request.get("remote_addr")
        if self._native_thread is not None:
            connection.nativeThread = self._native_thread
        connection.deadline = self.deadline
        self.connection = apply_overload(connection, self._overload)
        return self.connection

    def connection_by_name(self, magic_name: str) -> dict[str, Any]:
        """Return the connection under the name of its parameter; an empty dict if the dispatcher needed none."""
        return {} if self.connection is None else {magic_name: self.connection}


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """The settings that an :class:`Execution` is made with.

    Attributes:
        magic_name: The name of the magic variable.
        debug: Whether a client may see the traceback of an unexpected exception.
        allow_compress: Whether the answer may be compressed, unless the dispatcher decides otherwise.
    """

    magic_name: str
    debug: bool
    allow_compress: bool


class Execution:
    """Makes calls for an exec backend: the documented ``_callDispatcher``.

    Args:
        server: The server, as connections show it.
        stats: Counts the calls.
        router: The routes.
        options: The settings that matter.
        should_propagate: As with :class:`~flaskJSONRPCServer.dispatch.invoker.Invoker`.
    """

    make_invoker: ClassVar[type[Invoker]] = Invoker

    def __init__(
        self,
        server: ServerFacts,
        stats: Stats,
        router: Router,
        options: ExecutionOptions,
        *,
        should_propagate: Callable[[BaseException], bool],
    ) -> None:
        self.options = options
        self._stats = stats
        self._router = router
        self._invoker = self.make_invoker(server, stats, debug=options.debug, should_propagate=should_propagate)

    def call(
        self,
        unique_id: str,
        path: str,
        data: Mapping[str, Any],
        request: Mapping[str, Any],
        *,
        is_jsonp: str | bool,
        native_thread: bool | None,
        overload: ConnectionOverload,
    ) -> CallAnswer:
        """Make a call in this thread.

        Args:
            unique_id: The id of its request.
            path: The path of the dispatcher, such as ``/api/``.
            data: The call: ``method``, ``params``, ``id``; ``notify`` is True for a notification; ``deadline``, if it
                has one.
            request: As with :class:`CopiedExchange`.
            is_jsonp: As with :class:`CopiedExchange`.
            native_thread: As with :class:`CopiedExchange`.
            overload: As with :class:`CopiedExchange`.

        Returns:
            ``(status, params, result)``: ``params`` are the arguments of the dispatcher by name, the connection
            included; with a False status, the result is the JsonRpcException.
        """
        call = JsonRpcRequest(data["method"], params_of(data), ABSENT if data.get("notify") else None)
        exchange = CopiedExchange(
            unique_id,
            request,
            self._stats.thread_counters(),
            allow_compress=self.options.allow_compress,
            is_jsonp=is_jsonp,
            native_thread=native_thread,
            overload=overload,
            deadline=data.get("deadline"),
        )
        route = self._router.table.find(path, call.method)
        try:
            if route is None:
                raise JsonRpcMethodNotFoundError
            self._refuse_late(data)
            exchange.control = control_of(data)
            exchange.grant = None if exchange.control is None else exchange.control.grant
            with within_deadline(exchange.deadline):
                result = self._invoker.invoke(route, call, exchange)
            return True, self._params(route, call, exchange), result
        except JsonRpcException as exc:
            return False, self._params(route, call, exchange), exc
        finally:
            self._stats.wake_waiting()

    def _refuse_late(self, data: Mapping[str, Any]) -> None:
        try:
            refuse_late(data)
        except JsonRpcException:
            self._stats.count_lost(bool(data.get("notify")))
            raise

    def _params(self, route: Route | None, call: JsonRpcRequest, exchange: CopiedExchange) -> dict[str, Any]:
        """Return the arguments of the dispatcher by name, its connection included."""
        params = {} if route is None else route.plan.by_name(call.params)
        return {**params, **exchange.connection_by_name(self.options.magic_name)}


def apply_overload(connection: Any, overload: ConnectionOverload) -> Any:
    """Return the connection with the user's fields set, or the object that the user's function puts in its place."""
    if callable(overload):
        replacement = overload(connection)
        return connection if replacement is None else replacement
    for name, value in (overload or {}).items():
        connection[name] = value
    return connection
