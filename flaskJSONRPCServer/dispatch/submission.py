"""The serving side of exec backends: submit a call, and wait for its result.

A server without exec backends pays nothing for them: a call reads one attribute of its route, a batch one of its
endpoint. Only a submitted call pays for the rest, such as the copy of its request. It has an answer of its own to set
headers on; the serving thread merges these into the response, in the order of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ..http.request import Request
from ..runtime.interrupts import is_interrupt
from ..runtime.logs import WARNING
from ..runtime.stats import Stats
from ..sansio_jsonrpc import ABSENT, JsonRpcError, JsonRpcException, JsonRpcInternalError, JsonRpcRequest
from ..settings import Settings
from .call_control import CONTROL
from .call_data import BEGIN_BY, CallData, call_data
from .caller_time import ShortenedCalls
from .checked_plan import CheckedPlan
from .connection import ServerFacts
from .deadlines import deadline_exception, deadline_of, earlier, has_passed
from .exchange import Exchange
from .exec_backend import CallAnswer, ExecBackend
from .invoker import Invoker, hold_call
from .routes import Route

__all__ = [
    "BACKEND_REFUSED",
    "AnyBackendCalls",
    "AnyInvoker",
    "BackendCalls",
    "InnerBackendCalls",
    "OverriddenInvoker",
    "Pending",
    "exception_of",
    "server_exception",
]

BACKEND_REFUSED = -32002
"""Error code of a call that an exec backend does not accept: its queue is full, or it has stopped."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that was submitted to its backend."""

    call: JsonRpcRequest
    backend: ExecBackend
    ticket: Any


class BackendCalls:
    """Submits calls to exec backends, and returns their results.

    Args:
        settings: The frozen settings of the server.
        server: The server, for its locks and its log.
        invoker: Makes the errors of a backend that fails.
        stats: Counts lost notifications.
        copy_request: Copies a request for the backend.
    """

    def __init__(
        self,
        settings: Settings,
        server: ServerFacts,
        invoker: Invoker,
        stats: Stats,
        copy_request: Callable[[Request], dict[str, Any]],
    ) -> None:
        self._copy_request = copy_request
        self._magic_name = settings.magicVarForDispatcher
        self._locks = server.locks
        self._log = server.log
        self._invoker = invoker
        self._stats = stats
        # Half, so that callers cannot keep calls with a timeout from beginning.
        self._shortened = ShortenedCalls(stats, settings.max_abandoned_calls // 2)

    def submit(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Check the parameters, wait for the locks, and submit a call to its backend.

        Raises:
            JsonRpcException: The parameters are wrong; or the server stops, the deadline of the call passes, or the
                backend refuses the call or fails. A notification then counts as lost, unless its parameters are wrong.
        """
        timeout_s = route.timeout_s
        deadline = None if timeout_s is None else deadline_of(exchange.arrived_at, timeout_s)
        if exchange.begin_by is None:
            return self._submit(backend, route, call, exchange, deadline)
        return self._submit_in_time(backend, route, call, exchange, deadline, exchange.begin_by)

    def _submit_in_time(
        self,
        backend: ExecBackend,
        route: Route,
        call: JsonRpcRequest,
        exchange: Exchange,
        deadline: float | None,
        begin_by: float,
    ) -> Pending:
        """Submit a call whose caller has said how long it waits: a deadline becomes earlier, if it may."""
        is_shorter = deadline is not None and begin_by < deadline and call.id is not ABSENT
        if not (is_shorter and self._shortened.take()):
            return self._submit(backend, route, call, exchange, deadline, begin_by)
        try:
            pending = self._submit(backend, route, call, exchange, begin_by)
        except BaseException:
            self._shortened.give_back()
            raise
        self._shortened.note(pending)
        return pending

    def _submit(
        self,
        backend: ExecBackend,
        route: Route,
        call: JsonRpcRequest,
        exchange: Exchange,
        deadline: float | None,
        begin_by: float | None = None,
    ) -> Pending:
        arguments = self._checked_arguments(route, call, exchange, deadline)
        until = deadline
        if begin_by is not None:
            arguments[2][BEGIN_BY] = begin_by
            until = earlier(deadline, begin_by)
        try:
            if has_passed(until):
                raise deadline_exception("not started")
            if self._locks.engaged:  # here, since a call that waited in the backend would keep others from running
                hold_call(self._locks, route, exchange, until)
            if exchange.control is not None:
                exchange.control.refuse_cancelled()
            pending = Pending(call, backend, self._add(backend, route, arguments, exchange))
        except JsonRpcException as exc:
            if call.id is ABSENT:
                self._stats.count_lost(1)
                self._log.write(WARNING, f"notification {route.path}{route.name} is lost:", exc.message)
            raise
        if exchange.control is not None:
            exchange.control.on_cancel(lambda: self._cancel(pending, exchange))
        return pending

    def _cancel(self, pending: Pending, exchange: Exchange) -> None:
        """Ask the backend of a call to end it, if the backend can do that."""
        cancel = getattr(pending.backend, "cancel", None)
        if cancel is None:
            return
        what = f"the exec backend failed in cancel() for {pending.call.method!r}"
        # Nothing is raised: the thread that cancels has nothing to do with the call.
        with suppress(JsonRpcException), internal_errors(self._invoker, what, exchange):
            cancel(exchange.unique_id, pending.ticket)

    def begin(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Submit a call of a batch, as :meth:`submit`; the calls after it begin before its result is awaited."""
        return self.submit(backend, route, call, exchange)

    def result(self, pending: Pending, exchange: Exchange) -> Any:
        """Wait for the result of a call, and apply its response fields.

        Raises:
            JsonRpcException: The error of the call, or -32603 if the backend itself failed.
        """
        return self.result_from(self.answer(pending, exchange), pending.call.method, exchange)

    def answer(self, pending: Pending, exchange: Exchange) -> CallAnswer:
        """Wait for the answer to a call.

        Raises:
            JsonRpcException: The backend itself failed: -32603.
        """
        what = f"the exec backend failed in check() for {pending.call.method!r}"
        try:
            with internal_errors(self._invoker, what, exchange):
                status, params, result = pending.backend.check(exchange.unique_id, pending.ticket)
        finally:
            self._shortened.end(pending)
        return status, params, result

    def result_from(self, answer: CallAnswer, method: str, exchange: Exchange) -> Any:
        """Return the result in the answer to a call, and apply its response fields.

        Raises:
            JsonRpcException: The error of the call.
        """
        self.apply_fields(answer, exchange)
        return self.value_of(answer, method, exchange)

    def apply_fields(self, answer: CallAnswer, exchange: Exchange) -> None:
        """Apply the response fields in the answer to a call."""
        _, params, _ = answer
        fields = params.get(self._magic_name) if isinstance(params, Mapping) else None
        if fields is not None:
            exchange.apply_response_fields(fields)

    def value_of(self, answer: CallAnswer, method: str, exchange: Exchange) -> Any:
        """Return the result in the answer to a call.

        Raises:
            JsonRpcException: The error of the call.
        """
        status, _, result = answer
        if not status:
            known = exception_of(result)
            raise self._failure(result, method, exchange) if known is None else known
        return result

    def make_shared(self, exchange: Exchange) -> None:
        """Make what the calls of a request share, and what would otherwise be made by the first that needs it."""
        exchange.request_copy(self._copy_request)
        _ = exchange.outgoing

    def arguments(
        self, route: Route, call: JsonRpcRequest, exchange: Exchange, deadline: float | None = None
    ) -> tuple[Any, ...]:
        """Return the arguments of ``add`` and ``_callDispatcher``: ``uniqueId, path, data, request, isJSONP``."""
        request = exchange.request_copy(self._copy_request)
        data = call_data(call, route, deadline)
        if exchange.control is not None:
            exchange.control.grant = exchange.grant
            data[CONTROL] = exchange.control.as_data()
        return request["uniqueId"], route.path, data, request, exchange.output_format

    def _checked_arguments(
        self, route: Route, call: JsonRpcRequest, exchange: Exchange, deadline: float | None
    ) -> tuple[Any, ...]:
        """Return the arguments of ``add``; the call carries its parameters as the function gets them."""
        arguments = self.arguments(route, call, exchange, deadline)
        if not isinstance(route.plan, CheckedPlan):
            return arguments
        unique_id, path, data, request, is_jsonp = arguments
        with internal_errors(self._invoker, f"the check of the parameters of {route.url} raised", exchange):
            data = CallData(data, checked_params=route.plan.checked(call.params))
        return unique_id, path, data, request, is_jsonp

    def _add(self, backend: ExecBackend, route: Route, arguments: tuple[Any, ...], exchange: Exchange) -> Any:
        with internal_errors(self._invoker, f"the exec backend failed in add() for {route.name!r}", exchange):
            status, info, ticket = backend.add(*arguments)
        if not status:
            raise exception_of(info) or server_exception(BACKEND_REFUSED, str(info or "Server busy"))
        return ticket

    def _failure(self, result: Any, method: str, exchange: Exchange) -> BaseException:
        cause = result if isinstance(result, BaseException) else RuntimeError(str(result))
        if self._invoker.should_propagate(cause):
            return cause
        try:
            raise cause
        except BaseException:  # noqa: BLE001  raised here, so that it is logged with its traceback
            return self._invoker.internal_error(f"the exec backend failed to run {method!r}", exchange)


class OverriddenInvoker:
    """Makes calls in the serving thread by the documented ``_callDispatcher``, which the user has overridden.

    Args:
        call_dispatcher: The user's method.
        backend_calls: Makes the arguments of the method, and reads its answer.
        invoker: Makes the errors.
    """

    def __init__(
        self, call_dispatcher: Callable[..., CallAnswer], backend_calls: BackendCalls, invoker: Invoker
    ) -> None:
        self._call_dispatcher = call_dispatcher
        self._backend_calls = backend_calls
        self.internal_error = invoker.internal_error
        self.should_propagate = invoker.should_propagate

    def invoke(self, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Any:
        """Make a call, as :meth:`~flaskJSONRPCServer.dispatch.invoker.Invoker.invoke` does."""
        with internal_errors(self, f"_callDispatcher failed for {route.name!r}", exchange):
            answer = self._call_dispatcher(*self._backend_calls.arguments(route, call, exchange))
        return self._backend_calls.result_from(answer, route.name, exchange)


class AnyInvoker(Protocol):
    """Makes calls in the serving thread, as :class:`~flaskJSONRPCServer.dispatch.invoker.Invoker` does."""

    def invoke(self, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Any:
        """Make a call."""

    def should_propagate(self, exc: BaseException) -> bool:
        """Return whether an unexpected exception propagates to the caller."""

    def internal_error(self, what: str, exchange: Exchange) -> JsonRpcInternalError:
        """Log the exception that is being handled, and return the error for the client."""


class AnyBackendCalls(Protocol):
    """Makes calls on exec backends, as :class:`BackendCalls` does."""

    def begin(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Submit a call of a batch."""

    def submit(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Submit a call to its backend."""

    def result(self, pending: Pending, exchange: Exchange) -> Any:
        """Wait for the result of a call."""


class InnerBackendCalls(AnyBackendCalls, Protocol):
    """Makes calls on exec backends, and takes their answers apart, as :class:`BackendCalls` does."""

    def answer(self, pending: Pending, exchange: Exchange) -> CallAnswer:
        """Wait for the answer to a call."""

    def apply_fields(self, answer: CallAnswer, exchange: Exchange) -> None:
        """Apply the response fields in the answer to a call."""

    def value_of(self, answer: CallAnswer, method: str, exchange: Exchange) -> Any:
        """Return the result in the answer to a call."""

    def make_shared(self, exchange: Exchange) -> None:
        """Make what the calls of a request share."""


@contextmanager
def internal_errors(invoker: AnyInvoker, what: str, exchange: Exchange) -> Iterator[None]:
    """Turn exceptions of the user's code in the block into -32603, logged once; let JsonRpcExceptions pass."""
    try:
        yield
    except JsonRpcException:
        raise
    except BaseException as exc:
        if is_interrupt(exc) or invoker.should_propagate(exc):
            raise
        raise invoker.internal_error(what, exchange) from exc


def exception_of(info: Any) -> JsonRpcException | None:
    """Return the JSON-RPC exception in a backend's answer; None if the answer is anything else."""
    if isinstance(info, JsonRpcError):
        return JsonRpcException.exc_from_error(info)
    return info if isinstance(info, JsonRpcException) else None


def server_exception(code: int, message: str) -> JsonRpcException:
    """Return the exception for an error of the server's own."""
    return JsonRpcException.exc_from_error(JsonRpcError(code, message))
