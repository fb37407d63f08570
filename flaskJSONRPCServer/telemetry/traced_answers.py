"""The parts that answer calls within their spans, in the places of the plain ones."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ..dispatch.answers import Answerer, Message
from ..dispatch.exchange import Exchange
from ..dispatch.exec_backend import ExecBackend
from ..dispatch.replies import ReplyWriter
from ..dispatch.routes import Endpoint, Route
from ..dispatch.submission import Pending
from ..dispatch.trace_context import end
from ..sansio_jsonrpc import JsonRpcBatch, JsonRpcError, JsonRpcException, JsonRpcRequest, OptionalId
from .call_spans import CURRENT, CallTrace, RequestTrace, known_method, trace_of

if TYPE_CHECKING:
    from .tracing import Tracing

__all__ = ["TracedAnswerer"]


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
    """

    pending: Pending
    trace: CallTrace
    started_ns: int


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

    def result(self, call: JsonRpcRequest, endpoint: Endpoint, exchange: Exchange) -> Any:
        """Make a call within its span, and return its result, as :meth:`Answerer.result`."""
        context, started_ns = self._tracing.context_of(exchange), perf_counter_ns()
        # Not kept in the exchange: another call of it may have its trace in another message.
        request = exchange.trace or CURRENT.get() or RequestTrace(True)
        trace_of_call = self._tracing.begin_call(call, endpoint, request, context)
        try:
            with trace_of_call:
                try:
                    return super().result(call, endpoint, exchange)
                except JsonRpcException as exc:
                    error = exc.get_error()
                    self._tracing.note_error(error)
                    request.code = str(error.code)
                    failure = exc
            raise failure  # outside the span, which has the error already
        finally:
            self._end(trace_of_call, call, endpoint, started_ns)

    def _end(self, call: CallTrace, message: Message, endpoint: Endpoint, started_ns: int) -> None:
        end(call.span)
        self._record_duration(started_ns, known_method(message, endpoint), call.code)

    def _batch(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> list[bytes]:
        with self._batch_span(batch, exchange):
            return super()._batch(batch, endpoint, exchange)

    def _batch_with_backends(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> list[bytes]:
        with self._batch_span(batch, exchange):
            return super()._batch_with_backends(batch, endpoint, exchange)

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
            return TracedPending(call, backend, None, part, trace_of_call, started_ns)
        return part

    def _finish(self, pending: Pending, endpoint: Endpoint, exchange: Exchange) -> bytes:
        if not isinstance(pending, TracedPending):
            return super()._finish(pending, endpoint, exchange)
        try:
            with pending.trace:
                return super()._finish(pending.pending, endpoint, exchange)
        finally:
            self._end(pending.trace, pending.call, endpoint, pending.started_ns)
