"""The serving side of exec backends: submit a call, and wait for its result.

A server without exec backends pays nothing for them: a call reads one attribute of its route, a batch one of its
endpoint. Only a submitted call pays for the rest, such as the copy of its request. It has an answer of its own to set
headers on; the serving thread merges these into the response, in the order of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..http.request import Request
from ..runtime.interrupts import is_interrupt
from ..runtime.logs import WARNING
from ..runtime.stats import Stats
from ..sansio_jsonrpc import ABSENT, JsonRpcError, JsonRpcException, JsonRpcRequest
from ..settings import Settings
from .connection import ServerFacts
from .deadlines import deadline_exception, deadline_of, has_passed
from .exchange import Exchange
from .exec_backend import CallAnswer, ExecBackend
from .invoker import Invoker
from .routes import Route

__all__ = [
    "BACKEND_REFUSED",
    "AnyInvoker",
    "BackendCalls",
    "OverriddenInvoker",
    "Pending",
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

    def submit(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Wait for the locks, and submit a call to its backend.

        Raises:
            JsonRpcException: The server stops, the deadline of the call passes, or the backend refuses the call or
                fails. A notification then counts as lost.
        """
        try:
            timeout_s = route.timeout_s
            deadline = None if timeout_s is None else deadline_of(exchange.arrived_at, timeout_s)
            if has_passed(deadline):
                raise deadline_exception("not started")
            if self._locks.engaged:  # here, since a call that waited in the backend would keep others from running
                self._locks.hold_call(route.lock_key, deadline)
            return Pending(call, backend, self._add(backend, route, call, exchange, deadline))
        except JsonRpcException as exc:
            if call.id is ABSENT:
                self._stats.count_lost(1)
                self._log.write(WARNING, f"notification {route.path}{route.name} is lost:", exc.message)
            raise

    def result(self, pending: Pending, exchange: Exchange) -> Any:
        """Wait for the result of a call, and apply its response fields.

        Raises:
            JsonRpcException: The error of the call, or -32603 if the backend itself failed.
        """
        what = f"the exec backend failed in check() for {pending.call.method!r}"
        with internal_errors(self._invoker, what, exchange):
            status, params, result = pending.backend.check(exchange.unique_id, pending.ticket)
        return self.result_from((status, params, result), pending.call.method, exchange)

    def result_from(self, answer: CallAnswer, method: str, exchange: Exchange) -> Any:
        """Return the result in the answer to a call, and apply its response fields.

        Raises:
            JsonRpcException: The error of the call.
        """
        status, params, result = answer
        fields = params.get(self._magic_name) if isinstance(params, Mapping) else None
        if fields is not None:
            exchange.apply_response_fields(fields)
        if not status:
            known = exception_of(result)
            raise self._failure(result, method, exchange) if known is None else known
        return result

    def arguments(
        self, route: Route, call: JsonRpcRequest, exchange: Exchange, deadline: float | None = None
    ) -> tuple[Any, ...]:
        """Return the arguments of ``add`` and ``_callDispatcher``: ``uniqueId, path, data, request, isJSONP``."""
        request = exchange.request_copy(self._copy_request)
        return request["uniqueId"], route.path, call_data(call, route, deadline), request, exchange.output_format

    def _add(
        self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange, deadline: float | None
    ) -> Any:
        arguments = self.arguments(route, call, exchange, deadline)
        with internal_errors(self._invoker, f"the exec backend failed in add() for {call.method!r}", exchange):
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


AnyInvoker = Invoker | OverriddenInvoker
"""Makes calls in the serving thread."""


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


def call_data(call: JsonRpcRequest, route: Route, deadline: float | None = None) -> dict[str, Any]:
    """Return a call as the documented dict: ``method``, ``params``, ``id``, ``notify``; ``deadline`` if it has one."""
    is_notification = call.id is ABSENT
    call_id = None if is_notification else call.id
    data = {"method": route.name, "params": call.params, "id": call_id, "notify": is_notification}
    return data if deadline is None else {**data, "deadline": deadline}


def exception_of(info: Any) -> JsonRpcException | None:
    """Return the JSON-RPC exception in a backend's answer; None if the answer is anything else."""
    if isinstance(info, JsonRpcError):
        return JsonRpcException.exc_from_error(info)
    return info if isinstance(info, JsonRpcException) else None


def server_exception(code: int, message: str) -> JsonRpcException:
    """Return the exception for an error of the server's own."""
    return JsonRpcException.exc_from_error(JsonRpcError(code, message))
