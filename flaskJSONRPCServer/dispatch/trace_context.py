"""The trace of a call, on its way into the thread or the process that runs the call.

A call carries its trace as texts, in the form of HTTP header fields. So it passes through queues, pickles, brokers and
exec backends of the user's alike, and each process continues it with the propagators that the user has set. This module
is imported only with the setting ``tracing``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

from opentelemetry import propagate, trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from ..runtime.log_limits import LimitedLog
from ..sansio_jsonrpc import JsonRpcInternalError, JsonRpcRequest
from .call_data import TRACE
from .exchange import Exchange
from .exec_backend import CallAnswer
from .execution import Execution
from .invoker import Invoker
from .routes import Route
from .submission import BackendCalls

__all__ = [
    "INSTRUMENTATION",
    "ActiveSpan",
    "TracedBackendCalls",
    "TracedExecution",
    "TracedInvoker",
    "end",
    "extracted",
    "mark_failed",
    "mark_raised",
    "method_attributes",
    "run_span",
    "started",
]

INSTRUMENTATION: Final = "flaskJSONRPCServer"
"""The name of the tracer and of the meter."""

_LOG: Final = logging.getLogger(f"{INSTRUMENTATION}.tracing")

# A client may send what makes a propagator of the user's fail, as often as it likes.
_FAILURES: Final = LimitedLog(lambda *parts: _LOG.exception(" ".join(["%s"] * len(parts)), *parts))

# It uses the provider that is set, also if that happens later.
_TRACER: Final = trace.get_tracer(INSTRUMENTATION)


def method_attributes(method: str) -> dict[str, str]:
    """Return the attributes that each span of a call has, by the semantic conventions of OpenTelemetry 1.44."""
    return {"rpc.system.name": "jsonrpc", "rpc.method": method, "jsonrpc.protocol.version": "2.0"}


def mark_failed(span: Span, code: int, message: str | None = None) -> None:
    """Mark a span as failed with a JSON-RPC error. The message is recorded if it is given."""
    if span.is_recording():
        span.set_attributes({"rpc.response.status_code": str(code), "error.type": str(code)})
        span.set_status(Status(StatusCode.ERROR, message))


def mark_raised(span: Span, exc: BaseException) -> None:
    """Mark a span as failed with an exception, by its class alone: its text may hold anything."""
    span.set_attribute("error.type", name_of_class(type(exc)))
    span.set_status(Status(StatusCode.ERROR))


def name_of_class(cls: type) -> str:
    """Return the full name of a class."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


class CarrierGetter(Getter[Mapping[str, Any]]):
    """Reads the trace that a call carries. It may come from a broker, so it need not be text."""

    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        """Return the field of a name, as a list."""
        value = carrier.get(key)
        return [value] if isinstance(value, str) else None

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        """Return the names of all fields."""
        return [name for name in carrier if isinstance(name, str)]


_CARRIERS: Final = CarrierGetter()


def context_of(data: Mapping[str, Any]) -> Context:
    """Return the context of a call from the trace in its data; the current context if there is none."""
    carrier = data.get(TRACE)
    if not isinstance(carrier, Mapping):
        return get_current()
    return extracted(carrier, Context(), _CARRIERS)


def carrier_of_current() -> dict[str, str]:
    """Return the current trace as texts; empty without one, or if a propagator fails."""
    carrier: dict[str, str] = {}
    try:
        propagate.inject(carrier)
    except Exception:  # noqa: BLE001  of a propagator that the user has set
        _FAILURES.write("a trace cannot be written")
    return carrier


def extracted(carrier: Any, context: Context, getter: Getter[Any]) -> Context:
    """Return a context with the trace that a carrier has; the context itself if a propagator fails."""
    try:
        return propagate.extract(carrier, context, getter)
    except Exception:  # noqa: BLE001  of a propagator that the user has set
        _FAILURES.write("a trace cannot be read")
        return context


def started(tracer: Tracer, name: str, context: Context, kind: SpanKind, attributes: Mapping[str, str | int]) -> Span:
    """Start a span, and return it; return an invalid one if a sampler or a processor fails."""
    try:
        return tracer.start_span(name, context, kind, attributes)
    except Exception:  # noqa: BLE001  of the user's SDK
        _FAILURES.write("a span cannot be started:", repr(name))
        return trace.INVALID_SPAN


def end(span: Span) -> None:
    """End a span, whether or not a processor fails."""
    try:
        span.end()
    except Exception:  # noqa: BLE001  of the user's SDK
        _FAILURES.write("a span cannot be ended")


class ActiveSpan:
    """Makes a span the current one within ``with``, and ends it there.

    Args:
        span: The span.
        context: The context around it.
    """

    __slots__ = ("_context", "_token", "span")

    def __init__(self, span: Span, context: Context) -> None:
        self._context = context
        self.span = span

    def __enter__(self) -> Span:
        self._token = attach(trace.set_span_in_context(self.span, self._context))
        return self.span

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        detach(self._token)
        if exc is not None:
            self.fail(exc)
        end(self.span)

    def fail(self, exc: BaseException) -> None:
        """Mark the span as failed with an exception."""
        mark_raised(self.span, exc)


def run_span(data: Mapping[str, Any]) -> ActiveSpan:
    """Return the span of a call where it runs, if that is another thread or another process.

    Args:
        data: The call, as exec backends get it.
    """
    method, context = data["method"], context_of(data)
    span = started(_TRACER, f"run {method}", context, SpanKind.INTERNAL, method_attributes(method))
    return ActiveSpan(span, context)


class TracedInvoker(Invoker):
    """Calls dispatchers, and records the classes of unexpected exceptions in the current span."""

    def internal_error(self, what: str, exchange: Exchange) -> JsonRpcInternalError:
        """Log the exception that is being handled, as :meth:`Invoker.internal_error`, and record its class."""
        cls = sys.exc_info()[0]
        if cls is not None:
            trace.get_current_span().add_event("exception", {"exception.type": name_of_class(cls)})
        return super().internal_error(what, exchange)


class TracedBackendCalls(BackendCalls):
    """Submits calls to exec backends, each with its trace."""

    def arguments(
        self, route: Route, call: JsonRpcRequest, exchange: Exchange, deadline: float | None = None
    ) -> tuple[Any, ...]:
        """Return the arguments of ``add``, as :meth:`BackendCalls.arguments`; the data has the trace of the call."""
        arguments = super().arguments(route, call, exchange, deadline)
        if carrier := carrier_of_current():
            arguments[2][TRACE] = carrier
        return arguments


class TracedExecution(Execution):
    """Makes calls for an exec backend, each in a span of its own."""

    make_invoker = TracedInvoker

    def call(self, unique_id: str, path: str, data: Mapping[str, Any], *arguments: Any, **options: Any) -> CallAnswer:
        """Make a call in this thread, as :meth:`Execution.call`."""
        with run_span(data) as span:
            answer = super().call(unique_id, path, data, *arguments, **options)
            if not answer[0]:
                mark_failed(span, answer[2].get_error().code)
            return answer
