"""Marks of the calls that have run: only their answers are stored.

A call that was refused before its function began may be sent again under its key. So the parts below take the places
of the invoker and of ``BackendCalls`` for requests with keys, and mark each call that runs. They also keep calls from
beginning when the time of their caller is over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ...runtime.contexts import CurrentContext
from ...sansio_jsonrpc import ABSENT, JsonRpcException, JsonRpcInvalidParamsError, JsonRpcRequest
from ..checked_plan import CheckedPlan, Plan
from ..deadlines import deadline_exception, has_passed, work_in
from ..exchange import Exchange
from ..exec_backend import CallAnswer, ExecBackend
from ..locks import CALL_NOT_RUN
from ..routes import Route
from ..submission import (
    BACKEND_REFUSED,
    AnyBackendCalls,
    AnyInvoker,
    InnerBackendCalls,
    Pending,
    exception_of,
)

__all__ = [
    "MarkedBackendCalls",
    "MarkedInvoker",
    "MarkedRequest",
    "OverriddenInContext",
    "ResultMarkingBackendCalls",
    "ResultMarkingInvoker",
    "RunMark",
]

_INVALID_PARAMS: Final = JsonRpcInvalidParamsError().get_error().code


class RunMark:
    """How often a call has run, or may have: middleware may run it again. One thread at a time counts.

    Attributes:
        runs: The number of runs.
        plan: The plan of the function, once a backend has the call.
    """

    __slots__ = ("plan", "runs")

    def __init__(self) -> None:
        self.runs = 0
        self.plan: Plan | None = None


@dataclass(slots=True)
class MarkedRequest(JsonRpcRequest):
    """A call with the mark of its runs. Middleware copies a call to change it; the copies share the mark."""

    mark: RunMark = field(default_factory=RunMark)


def mark_of(call: JsonRpcRequest) -> RunMark:
    """Return the mark of a call; one that nothing reads if the call has none."""
    return call.mark if isinstance(call, MarkedRequest) else RunMark()


MakeContext = Callable[[], Context | CurrentContext]


class InvokerInContext(Protocol):
    """Makes calls, each in a context that is made just before its function is called."""

    def invoke(self, route: Route, call: JsonRpcRequest, exchange: Exchange, make_context: MakeContext) -> Any:
        """Make a call."""


class OverriddenInContext:
    """Makes calls by the user's ``_callDispatcher``. It may do anything, so a call has run once that is called.

    Args:
        overridden: Calls the method.
    """

    def __init__(self, overridden: AnyInvoker) -> None:
        self._overridden = overridden

    def invoke(self, route: Route, call: JsonRpcRequest, exchange: Exchange, make_context: MakeContext) -> Any:
        """Make a call."""
        make_context()
        return self._overridden.invoke(route, call, exchange)


class MarkedInvoker:
    """Makes calls in the serving thread, and marks each when its function begins.

    Args:
        plain: Makes the calls.
        errors: Makes the errors.
    """

    def __init__(self, plain: InvokerInContext, errors: AnyInvoker) -> None:
        self._plain = plain
        self.internal_error = errors.internal_error
        self.should_propagate = errors.should_propagate

    def invoke(
        self, route: Route, call: JsonRpcRequest, exchange: Exchange, make_context: MakeContext = copy_context
    ) -> Any:
        """Make a call, as :meth:`~flaskJSONRPCServer.dispatch.invoker.Invoker.invoke`.

        Raises:
            JsonRpcException: Also -32006: the time of the caller was over before the function began.
        """
        mark = mark_of(call)

        def marking() -> Context | CurrentContext:
            if has_passed(exchange.begin_by):
                raise deadline_exception("not started")
            mark.runs += 1
            return make_context()

        return self._plain.invoke(route, call, exchange, marking)


class MarkedBackendCalls:
    """Makes calls on exec backends, and marks each that has run, or may have.

    Args:
        plain: Makes the calls.
    """

    def __init__(self, plain: InnerBackendCalls) -> None:
        self._plain = plain
        self.apply_fields = plain.apply_fields
        self.value_of = plain.value_of
        self.make_shared = plain.make_shared

    def submit(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Submit a call. It counts as run unless its refusal says otherwise."""
        mark = mark_of(call)
        mark.plan = route.plan
        mark.runs += 1
        try:
            return self._plain.submit(backend, route, call, exchange)
        except JsonRpcException as exc:
            # The parameters are checked before the backend gets the call.
            mark.runs -= says_not_run(exc) or exc.get_error().code == _INVALID_PARAMS
            raise

    def begin(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Submit a call of a batch."""
        return self.submit(backend, route, call, exchange)

    def answer(self, pending: Pending, exchange: Exchange) -> CallAnswer:
        """Wait for the answer to a call."""
        answer = self._plain.answer(pending, exchange)
        mark = mark_of(pending.call)
        error = None if answer[0] else exception_of(answer[2])
        if error is not None and (says_not_run(error) or is_misfit(error, mark.plan, pending.call.params)):
            mark.runs -= 1
        return answer

    def result(self, pending: Pending, exchange: Exchange) -> Any:
        """Wait for the result of a call, and apply its response fields."""
        answer = self.answer(pending, exchange)
        self.apply_fields(answer, exchange)
        return self.value_of(answer, pending.call.method, exchange)


class ResultMarkingInvoker:
    """Makes calls through middleware, and marks each that has a result: middleware may answer without the function.

    Args:
        inner: Makes the calls.
    """

    def __init__(self, inner: AnyInvoker) -> None:
        self._inner = inner
        self.internal_error = inner.internal_error
        self.should_propagate = inner.should_propagate

    def invoke(self, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Any:
        """Make a call."""
        result = self._inner.invoke(route, call, exchange)
        mark_of(call).runs += 1
        return result


class ResultMarkingBackendCalls:
    """Makes calls on exec backends through middleware, and marks each that has a result.

    Args:
        inner: Makes the calls.
    """

    def __init__(self, inner: AnyBackendCalls) -> None:
        self._inner = inner
        self.begin = inner.begin

    def submit(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Submit a call. A notification that has passed its middleware has no result, and counts as run."""
        pending = self._inner.submit(backend, route, call, exchange)
        mark_of(call).runs += call.id is ABSENT
        return pending

    def result(self, pending: Pending, exchange: Exchange) -> Any:
        """Wait for the result of a call."""
        result = self._inner.result(pending, exchange)
        mark_of(pending.call).runs += 1
        return result


def says_not_run(exc: JsonRpcException) -> bool:
    """Return whether an error of an exec backend says that the call was not run."""
    return exc.get_error().code in (BACKEND_REFUSED, CALL_NOT_RUN) or work_in(exc) == "not started"


def is_misfit(exc: JsonRpcException, plan: Plan | None, params: Any) -> bool:
    """Return whether an error of an exec backend says that the parameters do not fit, so that the call was not run.

    The function may raise the same error itself.
    """
    if plan is None or isinstance(plan, CheckedPlan) or exc.get_error().code != _INVALID_PARAMS:
        return False  # a checked plan has checked them before the backend got the call
    try:
        plan.bind(params, None)
    except BaseException:  # noqa: BLE001  a function of the user's may have made the plan
        return True
    return False
