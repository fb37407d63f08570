"""The call of a registered function, and the error that each of its exceptions becomes.

A call fails alone. The invoker catches ``BaseException``: nothing that a dispatcher raises ends its thread or the other
calls of its batch. An exception that a signal has raised in the middle of a dispatcher belongs to the program; see
:mod:`flaskJSONRPCServer.runtime.interrupts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from time import perf_counter_ns
from typing import Any, cast

from ..contract.results import InvalidResultError
from ..runtime.contexts import CurrentContext, own_context, own_decimal_context
from ..runtime.counters import Histogram
from ..runtime.interrupts import is_interrupt
from ..runtime.logs import DEBUG, ERROR, WARNING, ServerLog, traceback_of_handled
from ..runtime.stats import Stats
from ..sansio_jsonrpc import JsonRpcException, JsonRpcInternalError, JsonRpcInvalidParamsError, JsonRpcRequest
from .connection import ServerFacts
from .deadlines import earlier, has_passed, work_in
from .exception_groups import json_rpc_error_in
from .exchange import Exchange
from .http_errors import error_of_http
from .locks import Locks
from .routes import Route

__all__ = ["Invoker", "hold_call", "logged_error"]


class Invoker:
    """Calls dispatchers.

    Args:
        server: The server, as connections show it.
        stats: Counts and times the calls.
        debug: Whether a client may see the traceback of an unexpected exception.
        should_propagate: Returns whether an unexpected exception propagates to the caller, rather than become an error
            of the call.
    """

    def __init__(
        self,
        server: ServerFacts,
        stats: Stats,
        *,
        debug: bool,
        should_propagate: Callable[[BaseException], bool] = lambda exc: False,
    ) -> None:
        self._should_propagate = should_propagate
        self._server = server
        self._log = server.log
        self._exceptions = server.exceptions
        self._locks = server.locks
        self._stats = stats
        self._debug = debug

    def wake_waiting(self) -> None:
        """Wake the threads that wait for calls to end."""
        if self._stats.awaiting_idle:
            self._stats.wake_waiting()

    def invoke(
        self,
        route: Route,
        call: JsonRpcRequest,
        exchange: Exchange,
        make_context: Callable[[], Context | CurrentContext] = copy_context,
    ) -> Any:
        """Bind the parameters, wait for the locks, and call the function, by default in a context of its own.

        Args:
            route: The route of the function.
            call: The call.
            exchange: The request of the call.
            make_context: Returns the context to call the function in.

        Returns:
            The function's result.

        Raises:
            JsonRpcException: Wrong parameters; the function's own error; -32003 if the server stopped while the call
                waited; -32006 if its deadline passed meanwhile; or -32603 for any other exception.
            BaseException: A signal has interrupted the call to end the program, or ``should_propagate`` asks for it.
        """
        plan = route.plan
        connection = None
        if plan.takes_magic:
            connection = exchange.make_connection(route, self._server, notify=call.is_notification)
        try:
            args, kwargs = plan.bind(call.params, connection)
        except BaseException as exc:  # the parameters do not fit, or a validator of the user's has failed
            self.raise_error_of(exc, f"the check of the parameters of {route.url} raised", route, exchange)
            raise
        if self._locks.engaged:
            self._hold(route, call, exchange)
        ended: Histogram
        ended = calls = exchange.counters.calls[route.url]
        calls.started += 1
        started_ns = perf_counter_ns()
        try:
            context = make_context()  # by default as own_context(), without the cost of its call
            if context:
                own_decimal_context(context)
            control = exchange.control
            run = call_with if control is None else control.run
            return context.run(run, route.target, args, kwargs)
        except BaseException as exc:  # noqa: BLE001  of any kind: only this call has failed
            calls.failed += 1
            if call.is_notification:
                self._note_if_lost(route, exc)
            code = None
            try:
                self.raise_error_of(exc, f"dispatcher {route.url} raised", route, exchange)
                raise
            except JsonRpcException as error:
                code = exchange.counters.codes.known(error.get_error().code)
                raise
            finally:
                ended = calls.failures_with(code)
        finally:
            ended.end(perf_counter_ns() - started_ns)

    def _hold(self, route: Route, call: JsonRpcRequest, exchange: Exchange) -> None:
        try:
            hold_call(self._locks, route, exchange, earlier(exchange.deadline, exchange.begin_by))
        except JsonRpcException as exc:
            if call.is_notification:
                self._lose(route, exc.message)
            raise

    def _note_if_lost(self, route: Route, exc: BaseException) -> None:
        # Not isinstance(), which runs code of the exception where its class has an own __class__.
        if issubclass(type(exc), JsonRpcException):
            error = cast("JsonRpcException", exc)
            if work_in(error) == "not started":
                self._lose(route, error.message)

    def _lose(self, route: Route, why: str) -> None:
        self._stats.count_lost(1)
        self._log.write(WARNING, f"notification {route.url} is lost:", why)

    def raise_error_of(self, exc: BaseException, event: str, route: Route, exchange: Exchange) -> None:
        """Raise the error that an exception in a call means to the client; log the exception if it is unexpected.

        Return if the exception is to propagate as it is: it is a JSON-RPC error itself, a signal has raised it, or
        ``should_propagate`` asks for it. A group of JSON-RPC errors means the first of them.

        Args:
            exc: The exception, which is being handled.
            event: The failure, in words, for the log.
            route: The route that is called.
            exchange: The request of the call.

        Raises:
            JsonRpcException: The error.
        """
        try:
            error = self._error_of(exc, event, route, exchange)
        except BaseException as failure:  # code of the exception itself, such as its __class__
            if is_interrupt(failure):
                raise
            error = self.internal_error(event, exchange)
        if error is None:
            return
        try:
            raise error from exc
        finally:
            del error  # this frame is in its traceback, so they would keep each other alive

    def _error_of(self, exc: BaseException, event: str, route: Route, exchange: Exchange) -> JsonRpcException | None:
        """Return the error for :meth:`raise_error_of`; None if the exception is to propagate."""
        if (own := json_rpc_error_in(exc)) is not None:
            sendable = own if is_sendable(own) else self.internal_error(event, exchange)
            return None if sendable is exc else sendable
        if (misfit := route.plan.misfit(exc)) is not None:
            return JsonRpcInvalidParamsError(misfit)
        if is_interrupt(exc):
            return None
        if isinstance(exc, InvalidResultError):  # a fault of the method, whatever Exception is mapped to
            return self.internal_error(event, exchange)
        expected = self._mapped_error(exc, event, route, exchange) or error_of_http(exc)
        if expected is None and self.should_propagate(exc):
            return None
        return expected or self.internal_error(event, exchange)

    def _mapped_error(
        self, exc: BaseException, event: str, route: Route, exchange: Exchange
    ) -> JsonRpcException | None:
        """Return the error that an exception is mapped to; None if it is not mapped."""
        try:
            error = own_context().run(self._exceptions.error_of, route, exc)  # it may call functions of the user's
        except BaseException as failure:  # in a function of the user's
            if is_interrupt(failure):
                raise
            return self.internal_error(f"{event} {type(exc).__name__}, and mapException failed for it", exchange)
        if error is not None and self._log.is_enabled(DEBUG):
            mapped = f"{event} {type(exc).__name__}, which is mapped to {error.code}"
            self._log.write(DEBUG, mapped, f"[{exchange.unique_id}]", traceback=True)
        return error

    def should_propagate(self, exc: BaseException) -> bool:
        """Return whether an unexpected exception propagates to the caller; False if that question itself raises."""
        try:
            return self._should_propagate(exc)
        except BaseException as failure:  # in a receiver of Flask's signal
            if is_interrupt(failure):
                raise
            self._log.write(ERROR, "a receiver of got_request_exception raised", traceback=True)
            return False

    def internal_error(self, what: str, exchange: Exchange) -> JsonRpcInternalError:
        """Log the exception that is being handled, and return the error for the client.

        The client gets a correlation id; the log has the traceback under that id. After the deadline of its call, an
        exception is logged at level debug: no client gets the id.
        """
        level = DEBUG if has_passed(exchange.deadline) else ERROR
        return logged_error(self._log, what, exchange.unique_id, debug=self._debug, level=level)


def hold_call(locks: Locks, route: Route, exchange: Exchange, until: float | None) -> None:
    """Block a call until its dispatcher may run.

    Args:
        locks: The locks of the server.
        route: The route that is called.
        exchange: The request of the call.
        until: When the call has to begin, on the monotonic clock; None for no limit.

    Raises:
        JsonRpcException: As with :meth:`~.locks.Locks.hold_call`; or -32009: its caller has cancelled it meanwhile.
    """
    control = exchange.control
    if control is None:
        locks.hold_call(route.lock_key, until)
        return
    control.on_cancel(locks.wake_waiting)
    locks.hold_call(route.lock_key, until, lambda: control.is_cancelled)
    control.refuse_cancelled()


def call_with(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call a function; ``Context.run(function, *args, **kwargs)`` would take twice as long."""
    return function(*args, **kwargs) if kwargs else function(*args)


def is_sendable(exc: JsonRpcException) -> bool:
    """Return whether an exception makes a valid error: a subclass of the user's may override the method."""
    try:
        error = exc.get_error()
    except BaseException:  # noqa: BLE001  the user's code may raise anything
        return False
    return isinstance(error.code, int) and isinstance(error.message, str)


def logged_error(log: ServerLog, what: str, unique_id: str, *, debug: bool, level: int = ERROR) -> JsonRpcInternalError:
    """Log the exception that is being handled, under the id of its request, and return the error for the client.

    Args:
        log: The log.
        what: The failure, in words.
        unique_id: The id of the request.
        debug: Whether the client may see the traceback.
        level: The level of the log entry.
    """
    log.write(level, what, f"[{unique_id}]", traceback=True)
    data = {"correlationId": unique_id}
    if debug:
        data["traceback"] = traceback_of_handled()
    return JsonRpcInternalError(data=data)
