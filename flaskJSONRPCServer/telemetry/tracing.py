"""Traces and the duration of calls, by the API of OpenTelemetry.

The names are those of the semantic conventions 1.44 for HTTP and for JSON-RPC. A request has a span, a batch has one
below it, and each call has one below these. A call on an exec backend has one more where it runs:
:mod:`flaskJSONRPCServer.dispatch.trace_context`.

With the setting ``tracing``, the parts of this module take the places of others when a pipeline is built. So a server
without it pays nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from time import perf_counter_ns
from typing import Any, Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import SpanKind

from ..dispatch.answers import Message
from ..dispatch.call_parts import CallParts
from ..dispatch.exchange import Exchange
from ..dispatch.routes import Endpoint, Route
from ..dispatch.steps import Process
from ..dispatch.trace_context import (
    INSTRUMENTATION,
    ActiveSpan,
    TracedBackendCalls,
    TracedInvoker,
    mark_failed,
    method_attributes,
    started,
)
from ..http.response import Response
from ..runtime.counters import OTHER
from ..runtime.text import encodable
from ..sansio_jsonrpc import JsonRpcBatch, JsonRpcError, JsonRpcRequest
from .call_spans import CURRENT, CallTrace, RequestTrace, known_method
from .request_spans import HeadContexts, RequestSpan, ServedBy, head_attributes, record_status, request_attributes
from .traced_answers import TracedAnswerer

__all__ = ["Tracing"]

_NAMELESS: Final = "jsonrpc"
"""The name of the spans of calls that no registered method answers."""

_LONGEST: Final = 256
"""The most characters that a span has of a text that the client has chosen."""

_LONGEST_PARAMS: Final = 1024
"""The most characters of recorded parameters."""

# From the semantic conventions.
_BOUNDARIES_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class Tracing:
    """Makes the spans of a server.

    Args:
        served_by: As with :class:`~flaskJSONRPCServer.dispatch.connection.ServerFacts`.
        params: Whether spans have the parameters of the calls.
        messages: Whether spans have the messages of errors.

    Attributes:
        call_parts: The parts that run calls within their spans.
    """

    def __init__(self, served_by: ServedBy, *, params: bool = False, messages: bool = False) -> None:
        self._served_by = served_by
        self._has_params = params
        self._has_messages = messages
        self._tracer = trace.get_tracer(INSTRUMENTATION)
        self._durations = metrics.get_meter(INSTRUMENTATION).create_histogram(
            "rpc.server.call.duration",
            unit="s",
            description="Measures the duration of inbound remote procedure calls (RPC).",
            explicit_bucket_boundaries_advisory=_BOUNDARIES_S,
        )
        self.call_parts = CallParts(TracedInvoker, TracedBackendCalls, partial(TracedAnswerer, self))
        self._contexts = HeadContexts()
        # Each by names that the server has registered, so they do not grow by requests. Each change is one step.
        self._of_requests: dict[tuple[str, str], tuple[str, dict[str, str]]] = {}
        self._of_calls: dict[str, dict[str, str]] = {}
        self._of_metrics: dict[str, dict[str, str]] = {}

    @classmethod
    def of_setting(cls, setting: bool | Mapping[str, bool], served_by: ServedBy) -> Tracing:
        """Return the traces of a server with the setting ``tracing``, if it is not False."""
        return cls(served_by, **(setting if isinstance(setting, Mapping) else {}))

    def traced(self, process: Process) -> Process:
        """Return a step that answers each request within its span."""
        context_of, tracer = self._contexts.context_of, self._tracer

        def process_traced(exchange: Exchange, endpoint: Endpoint, route: Route | None) -> Response:
            context, kind = context_of(exchange.head)
            name, attributes = self._request_attributes(exchange, endpoint, route)
            span = started(tracer, name, context, kind, attributes)
            is_live = bool(context) or span.get_span_context().is_valid
            exchange.trace = request = RequestTrace(is_live)
            token = CURRENT.set(request)
            try:
                if not is_live:
                    return process(exchange, endpoint, route)
                with RequestSpan(span, context):
                    if span.is_recording():
                        span.set_attributes(head_attributes(exchange, self._served_by))
                    response = process(exchange, endpoint, route)
                    record_status(span, response.status)
                    return response
            finally:
                CURRENT.reset(token)

        return process_traced

    def context_of(self, exchange: Exchange) -> Context:
        """Return the context around a call whose request may have no span, such as one by another protocol."""
        if exchange.trace is not None or CURRENT.get() is not None:
            return get_current()
        return self._contexts.context_of_message(exchange.head, exchange.carrier)

    def begin_call(
        self, message: Message, endpoint: Endpoint, request: RequestTrace, context: Context | None = None
    ) -> CallTrace:
        """Return the trace of a call, which begins now; in the current context, unless another is given."""
        method = known_method(message, endpoint)
        context = get_current() if context is None else context
        name = _NAMELESS if method is OTHER else method
        span = started(self._tracer, name, context, SpanKind.SERVER, self._call_attributes(method))
        if isinstance(message, JsonRpcRequest) and span.is_recording():
            span.set_attributes(self._message_attributes(message, method))
        return CallTrace(request, span, context)

    def batch_span(self, batch: JsonRpcBatch) -> ActiveSpan:
        """Return the span of a batch, which begins now."""
        attributes: dict[str, str | int] = {"rpc.system.name": "jsonrpc", "flaskjsonrpcserver.batch.size": len(batch)}
        context = get_current()
        return ActiveSpan(started(self._tracer, "jsonrpc batch", context, SpanKind.INTERNAL, attributes), context)

    def note_error(self, error: JsonRpcError) -> None:
        """Note the error that the current call is answered with: the last one counts.

        Without a call, it is the error of the request or the batch.
        """
        request = CURRENT.get()
        if request is not None:
            request.code = str(error.code)
            if not request.is_live:
                return
        span = request.call_span if request is not None and request.call_span is not None else trace.get_current_span()
        # Otherwise an exporter would fail for all spans that it sends together.
        mark_failed(span, error.code, encodable(error.message) if self._has_messages else None)

    def record_duration(self, started_ns: int, method: str, code: str | None) -> None:
        """Record the duration of a call that ends now.

        Args:
            started_ns: When it began.
            method: Its method; ``_OTHER`` if that is unknown.
            code: The code of the error that it is answered with; None without one.
        """
        attributes = self._of_metrics.get(method)
        if attributes is None:
            attributes = self._of_metrics[method] = {"rpc.system.name": "jsonrpc", "rpc.method": method}
        if code is not None:
            attributes = {**attributes, "rpc.response.status_code": code, "error.type": code}
        self._durations.record((perf_counter_ns() - started_ns) / 1e9, attributes)

    def _call_attributes(self, method: str) -> dict[str, str]:
        attributes = self._of_calls.get(method)
        if attributes is None:
            attributes = self._of_calls[method] = method_attributes(method)
        return attributes

    def _request_attributes(
        self, exchange: Exchange, endpoint: Endpoint, route: Route | None
    ) -> tuple[str, dict[str, str]]:
        """Return the name of the span of a request, and its attributes."""
        url = endpoint.path if route is None else route.url
        named = self._of_requests.get((exchange.method, url))
        if named is None:
            named = self._of_requests[exchange.method, url] = request_attributes(exchange, endpoint, route)
        return named

    def _message_attributes(self, call: JsonRpcRequest, method: str) -> dict[str, str]:
        attributes = {}
        if method is OTHER:
            attributes["rpc.method_original"] = call.method[:_LONGEST]
        if not call.is_notification and call.id is not None:
            attributes["jsonrpc.request.id"] = str(call.id)[:_LONGEST]
        if self._has_params and call.params is not None:
            attributes["flaskjsonrpcserver.params"] = params_text(call.params)
        return attributes


def params_text(params: Any) -> str:
    """Return parameters as JSON, shortened."""
    text = ""
    for chunk in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(params):
        text += chunk[:_LONGEST_PARAMS]
        if len(text) > _LONGEST_PARAMS:
            return text[:_LONGEST_PARAMS] + "…"
    return text
