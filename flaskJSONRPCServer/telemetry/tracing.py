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
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Final

from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ..dispatch.answers import Answerer, Message
from ..dispatch.call_parts import CallParts
from ..dispatch.exchange import Exchange
from ..dispatch.exec_backend import ExecBackend
from ..dispatch.pipeline import Process
from ..dispatch.replies import ReplyWriter
from ..dispatch.routes import Endpoint, Route
from ..dispatch.submission import Pending
from ..dispatch.trace_context import (
    INSTRUMENTATION,
    ActiveSpan,
    TracedBackendCalls,
    TracedInvoker,
    end,
    extracted,
    mark_failed,
    mark_raised,
    method_attributes,
    started,
)
from ..http.refusals import Refusal
from ..http.request import Environ
from ..http.response import Response
from ..sansio_jsonrpc import JsonRpcBatch, JsonRpcError, JsonRpcRequest, OptionalId

__all__ = ["TracedAnswerer", "Tracing"]

_OTHER: Final = "_OTHER"
"""The method of calls that no registered method answers: clients choose their names."""

_NAMELESS: Final = "jsonrpc"
"""The name of the spans of these calls."""

_LONGEST: Final = 256
"""The most characters that a span has of a text that the client has chosen."""

_LONGEST_PARAMS: Final = 1024
"""The most characters of recorded parameters."""

# From the semantic conventions.
_BOUNDARIES_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

_CURRENT: ContextVar[RequestTrace | None] = ContextVar("flaskJSONRPCServer.request_trace", default=None)


class HeadGetter(Getter[Environ]):
    """Reads the header fields of a request for the propagators."""

    def get(self, carrier: Environ, key: str) -> list[str] | None:
        """Return the field of a name, as a list."""
        value = carrier.get(environ_key(key))
        return None if value is None else [value]

    def keys(self, carrier: Environ) -> list[str]:
        """Return the names of all fields."""
        return [key[5:].replace("_", "-").lower() for key in carrier if key.startswith("HTTP_")]


def environ_key(field: str) -> str:
    """Return the key of a header field in an environ."""
    return f"HTTP_{field.upper().replace('-', '_')}"


_HEADS: Final = HeadGetter()


class HeadContexts:
    """Returns the contexts of requests."""

    def __init__(self) -> None:
        self._known: tuple[object, tuple[str, ...]] = (None, ())  # a propagator, and the keys of its fields

    def context_of(self, head: Environ) -> tuple[Context, SpanKind]:
        """Return the context that the span of a request has as its parent, and the kind of the span.

        An instrumentation around the server, such as that of Flask, has begun the span of the request already.
        """
        current = get_current()
        if current and trace.get_current_span(current).get_span_context().is_valid:
            return current, SpanKind.INTERNAL
        for key in self._keys():
            if key in head:
                return extracted(head, current, _HEADS), SpanKind.SERVER
        return current, SpanKind.SERVER

    def _keys(self) -> tuple[str, ...]:
        propagator = propagate.get_global_textmap()
        if self._known[0] is not propagator:
            self._known = propagator, tuple(map(environ_key, propagator.fields))
        return self._known[1]


class RequestTrace:
    """The trace of a request whose calls run one after the other.

    Args:
        is_live: Whether anything sees its spans: an SDK that records them, or the client that has sent its own trace.

    Attributes:
        code: The code of the error that the present call is answered with; None without one.
        call_span: The span of the present call; None between two calls.
    """

    __slots__ = ("call_span", "code", "is_live")

    def __init__(self, is_live: bool) -> None:
        self.is_live = is_live
        self.code: str | None = None
        self.call_span: Span | None = None


class RequestSpan(ActiveSpan):
    """Makes the span of a request the current one within ``with``, and ends it there."""

    __slots__ = ()

    def fail(self, exc: BaseException) -> None:
        """Mark the span as failed with an exception; a refusal has a status of its own."""
        if isinstance(exc, Refusal):
            record_status(self.span, exc.status)
        else:
            self.span.set_attribute("http.response.status_code", 500)
            mark_raised(self.span, exc)


def record_status(span: Span, status: str) -> None:
    """Record the status of an answer. The span of a server fails with the codes from 500 on."""
    code = int(status[:3])
    span.set_attribute("http.response.status_code", code)
    if code >= 500:
        span.set_attribute("error.type", str(code))
        span.set_status(Status(StatusCode.ERROR))


class CallTrace:
    """The span of one call. It is current within ``with``, and ends with :meth:`end`.

    Args:
        request: The trace of the request.
        span: The span.
        context: The context around it.
    """

    __slots__ = ("_context", "_request", "_token", "code", "span")

    def __init__(self, request: RequestTrace, span: Span, context: Context) -> None:
        self._request = request
        self._context = trace.set_span_in_context(span, context)
        self.span = span
        self.code: str | None = None

    def __enter__(self) -> None:
        self._request.call_span = self.span
        self._request.code = self.code
        self._token = attach(self._context)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        detach(self._token)
        self.code = self._request.code
        self._request.call_span = self._request.code = None
        if exc is not None:
            mark_raised(self.span, exc)


class Tracing:
    """Makes the spans of a server.

    Args:
        params: Whether spans have the parameters of the calls.
        messages: Whether spans have the messages of errors.

    Attributes:
        call_parts: The parts that run calls within their spans.
    """

    def __init__(self, *, params: bool = False, messages: bool = False) -> None:
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
    def of_setting(cls, setting: bool | Mapping[str, bool]) -> Tracing:
        """Return the traces of a server with the setting ``tracing``, if it is not False."""
        return cls(**setting) if isinstance(setting, Mapping) else cls()

    def traced(self, process: Process) -> Process:
        """Return a step that answers each request within its span."""
        context_of, tracer = self._contexts.context_of, self._tracer

        def process_traced(exchange: Exchange, endpoint: Endpoint, route: Route | None) -> Response:
            context, kind = context_of(exchange.head)
            name, attributes = self._request_attributes(exchange, endpoint, route)
            span = started(tracer, name, context, kind, attributes)
            is_live = bool(context) or span.get_span_context().is_valid
            exchange.trace = request = RequestTrace(is_live)
            token = _CURRENT.set(request)
            try:
                if not is_live:
                    return process(exchange, endpoint, route)
                with RequestSpan(span, context):
                    if span.is_recording():
                        span.set_attributes(head_attributes(exchange))
                    response = process(exchange, endpoint, route)
                    record_status(span, response.status)
                    return response
            finally:
                _CURRENT.reset(token)

        return process_traced

    def begin_call(self, message: Message, endpoint: Endpoint, request: RequestTrace) -> CallTrace:
        """Return the trace of a call, which begins now."""
        method = known_method(message, endpoint)
        context = get_current()
        name = _NAMELESS if method is _OTHER else method
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
        request = _CURRENT.get()
        if request is not None:
            request.code = str(error.code)
            if not request.is_live:
                return
        span = request.call_span if request is not None and request.call_span is not None else trace.get_current_span()
        mark_failed(span, error.code, error.message if self._has_messages else None)

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
        if method is _OTHER:
            attributes["rpc.method_original"] = call.method[:_LONGEST]
        if not call.is_notification and call.id is not None:
            attributes["jsonrpc.request.id"] = str(call.id)[:_LONGEST]
        if self._has_params and call.params is not None:
            attributes["flaskjsonrpcserver.params"] = params_text(call.params)
        return attributes


def known_method(message: Message, endpoint: Endpoint) -> str:
    """Return the method of a call if it is registered, else the name for all others."""
    if not isinstance(message, JsonRpcRequest):
        return _OTHER
    method = message.method
    if endpoint.find(method) is not None or (endpoint.built_in is not None and endpoint.built_in.name == method):
        return method
    return _OTHER


def request_attributes(exchange: Exchange, endpoint: Endpoint, route: Route | None) -> tuple[str, dict[str, str]]:
    """Return the name of the span of a request, and its attributes."""
    if route is None:
        url = endpoint.path.rstrip("/") or "/"
    elif route is endpoint.built_in:  # its URL has another name
        url = endpoint.path + exchange.wsgi_path.rstrip("/").rpartition("/")[2]
    else:
        url = route.url
    return f"{exchange.method} {url}", {"http.request.method": exchange.method, "http.route": url}


def params_text(params: Any) -> str:
    """Return parameters as JSON, shortened."""
    text = ""
    for chunk in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(params):
        text += chunk[:_LONGEST_PARAMS]
        if len(text) > _LONGEST_PARAMS:
            return text[:_LONGEST_PARAMS] + "…"
    return text


def head_attributes(exchange: Exchange) -> dict[str, str | int]:
    """Return the attributes of a request. The query is not among them: it has the parameters of a GET."""
    head = exchange.head
    path = (head.get("SCRIPT_NAME", "") + exchange.wsgi_path).encode("latin-1").decode(errors="replace")
    attributes: dict[str, str | int] = {
        "url.scheme": head.get("wsgi.url_scheme", "http"),
        "url.path": path,
        "network.protocol.version": head.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
    }
    if exchange.remote_addr:
        attributes["client.address"] = exchange.remote_addr
    if head.get("SERVER_NAME"):
        attributes["server.address"] = head["SERVER_NAME"]
    if str(port := head.get("SERVER_PORT", "")).isdecimal():
        attributes["server.port"] = int(port)
    return attributes


class TracedReplies(ReplyWriter):
    """Writes replies, and notes their errors in the spans of the calls.

    Args:
        tracing: The traces of the server.
        arguments: Those of :class:`ReplyWriter`.
    """

    def __init__(self, tracing: Tracing, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._note_error = tracing.note_error

    def error(self, call: JsonRpcRequest, error: JsonRpcError, exchange: Exchange) -> bytes:
        """Return the reply to a call that failed, as :meth:`ReplyWriter.error`."""
        self._note_error(error)
        return super().error(call, error, exchange)

    def own_error(self, call_id: OptionalId, error: JsonRpcError) -> bytes:
        """Return the reply with an error of the server's own, as :meth:`ReplyWriter.own_error`."""
        self._note_error(error)
        return super().own_error(call_id, error)


@dataclass(frozen=True, slots=True)
class TracedPending(Pending):
    """A call of a batch that was submitted to its backend, and its trace.

    Attributes:
        pending: The call without its trace.
        trace: The trace.
        started_ns: When the call began.
        endpoint: The path of the call.
    """

    pending: Pending
    trace: CallTrace
    started_ns: int
    endpoint: Endpoint


class TracedAnswerer(Answerer):
    """Answers JSON-RPC messages, each within its span.

    Args:
        tracing: The traces of the server.
        arguments: Those of :class:`Answerer`.
    """

    def __init__(self, tracing: Tracing, *arguments: Any) -> None:
        self._tracing = tracing
        self._record_duration = tracing.record_duration
        super().__init__(*arguments)

    def make_replies(self, *arguments: Any) -> ReplyWriter:
        """Return the writer of replies."""
        return TracedReplies(self._tracing, *arguments)

    def _reply(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes:
        request, started_ns = exchange.trace or trace_of(exchange), perf_counter_ns()
        if request.is_live:
            return self._reply_in_span(message, endpoint, exchange, started_ns)
        request.code = None
        try:
            return Answerer._reply(self, message, endpoint, exchange)
        finally:
            self._record_duration(started_ns, known_method(message, endpoint), request.code)

    def _reply_in_span(self, message: Message, endpoint: Endpoint, exchange: Exchange, started_ns: int) -> bytes:
        call = self._tracing.begin_call(message, endpoint, exchange.trace)
        try:
            with call:
                return super()._reply(message, endpoint, exchange)
        finally:
            self._end(call, message, endpoint, started_ns)

    def _end(self, call: CallTrace, message: Message, endpoint: Endpoint, started_ns: int) -> None:
        end(call.span)
        self._record_duration(started_ns, known_method(message, endpoint), call.code)

    def _answer_batch(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> bytes:
        with self._batch_span(batch, exchange):
            return super()._answer_batch(batch, endpoint, exchange)

    def _answer_batch_with_backends(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> bytes:
        with self._batch_span(batch, exchange):
            return super()._answer_batch_with_backends(batch, endpoint, exchange)

    def _batch_span(self, batch: JsonRpcBatch, exchange: Exchange) -> AbstractContextManager[Any]:
        if not (exchange.trace or trace_of(exchange)).is_live:
            return nullcontext()
        return self._tracing.batch_span(batch)

    def _submit(
        self, backend: ExecBackend, route: Route, call: JsonRpcRequest, endpoint: Endpoint, exchange: Exchange
    ) -> bytes | Pending:
        started_ns = perf_counter_ns()
        trace_of_call = self._tracing.begin_call(call, endpoint, exchange.trace)
        part: bytes | Pending = b""
        try:
            with trace_of_call:
                part = super()._submit(backend, route, call, endpoint, exchange)
        finally:
            if not isinstance(part, Pending):
                self._end(trace_of_call, call, endpoint, started_ns)
        if isinstance(part, Pending):
            return TracedPending(call, backend, None, part, trace_of_call, started_ns, endpoint)
        return part

    def _finish(self, pending: Pending, exchange: Exchange) -> bytes:
        if not isinstance(pending, TracedPending):
            return super()._finish(pending, exchange)
        try:
            with pending.trace:
                return super()._finish(pending.pending, exchange)
        finally:
            self._end(pending.trace, pending.call, pending.endpoint, pending.started_ns)


def trace_of(exchange: Exchange) -> RequestTrace:
    """Return the trace of a request that an overridden step has made anew."""
    exchange.trace = request = _CURRENT.get() or RequestTrace(True)
    return request
