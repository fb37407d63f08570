"""The spans of calls, and the traces of the requests that they belong to."""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span

from ..dispatch.answers import Message
from ..dispatch.exchange import Exchange
from ..dispatch.routes import Endpoint
from ..dispatch.trace_context import mark_raised
from ..runtime.counters import OTHER
from ..sansio_jsonrpc import JsonRpcRequest

__all__ = ["CURRENT", "CallTrace", "RequestTrace", "known_method", "trace_of"]


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


CURRENT: Final[ContextVar[RequestTrace | None]] = ContextVar("flaskJSONRPCServer.request_trace", default=None)
"""The trace of the request that this thread answers."""


class CallTrace:
    """The span of one call. It is the current one within ``with``, and does not end there: a batch comes back to it.

    Args:
        request: The trace of the request.
        span: The span.
        context: The context around it.

    Attributes:
        span: The span.
        code: The code of the error that the call is answered with; None without one.
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


def trace_of(exchange: Exchange) -> RequestTrace:
    """Return the trace of a request that an overridden step has made anew."""
    exchange.trace = request = CURRENT.get() or RequestTrace(True)
    return request


def known_method(message: Message, endpoint: Endpoint) -> str:
    """Return the method of a call if it is registered; :data:`OTHER` for all names that clients make up."""
    if not isinstance(message, JsonRpcRequest):
        return OTHER
    method = message.method
    if endpoint.find(method) is not None or (endpoint.built_in is not None and endpoint.built_in.name == method):
        return method
    return OTHER
