"""The spans of HTTP requests, by the semantic conventions of OpenTelemetry for HTTP servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry import propagate, trace
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, Status, StatusCode

from ..dispatch.exchange import Exchange
from ..dispatch.routes import Endpoint, Route, wsgi_decoded
from ..dispatch.trace_context import ActiveSpan, extracted, mark_raised
from ..http.refusals import Refusal
from ..http.request import Environ
from .trace_fields import WELL_FORMED

__all__ = ["HeadContexts", "RequestSpan", "ServedBy", "head_attributes", "record_status", "request_attributes"]


ServedBy = Callable[[Environ], tuple[bool, str | None, Any]]
"""Returns ``(isRawSocket, ip or socketPath, port or socket)`` for the environ of a request."""


class HeadGetter(Getter[Environ]):
    """Reads the header fields of a request for the propagators."""

    def get(self, carrier: Environ, key: str) -> list[str] | None:
        """Return the well-formed part of the field of a name, as a list."""
        value = carrier.get(environ_key(key))
        if value is not None:
            value = well_formed(key, value)
        return None if value is None else [value]

    def keys(self, carrier: Environ) -> list[str]:
        """Return the names of all fields."""
        return [key[5:].replace("_", "-").lower() for key in carrier if key.startswith("HTTP_")]


class MemberGetter(Getter[Mapping[str, Any]]):
    """Reads the members of a message for the propagators."""

    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        """Return the well-formed part of the member of a name, as a list."""
        value = carrier.get(key)
        return [value] if isinstance(value, str) and (value := well_formed(key, value)) is not None else None

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        """Return the names of all members."""
        return list(carrier)


def well_formed(key: str, value: str) -> str | None:
    """Return the well-formed part of a field; None if there is none."""
    check = WELL_FORMED.get(key)
    return value if check is None else check(value)


def environ_key(field: str) -> str:
    """Return the key of a header field in an environ."""
    return f"HTTP_{field.upper().replace('-', '_')}"


_HEADS: Final = HeadGetter()
_MEMBERS: Final = MemberGetter()


class HeadContexts:
    """Returns the contexts of requests."""

    def __init__(self) -> None:
        self._known: tuple[object, tuple[str, ...]] = (None, ())  # a propagator, and the keys of its fields

    def context_of(self, head: Environ) -> tuple[Context, SpanKind]:
        """Return the context that the span of a request has as its parent, and the kind of the span."""
        current = get_current()
        for key in self._keys():
            if key in head:
                return self._context_around(current, extracted(head, current, _HEADS))
        return self._context_around(current, current) if current else (current, SpanKind.SERVER)

    def context_of_message(self, head: Environ, carrier: Mapping[str, Any]) -> Context:
        """Return the context that the span of a call has as its parent, if its request has no span.

        Args:
            head: The head of the request.
            carrier: What may hold the trace in a message, if the head does not.
        """
        fields = propagate.get_global_textmap().fields
        current = get_current()
        if any(key in head for key in self._keys()) or not any(field in carrier for field in fields):
            return self.context_of(head)[0]
        return self._context_around(current, extracted(carrier, current, _MEMBERS))[0]

    def _context_around(self, current: Context, received: Context) -> tuple[Context, SpanKind]:
        """Choose between the current context and that of the header fields.

        An instrumentation around the server, such as that of Flask, may have begun the span of the request already,
        with the same trace. Another span may only be left from the start of the server: greenlets inherit contexts.
        """
        around = trace.get_current_span(current)
        same = around.get_span_context().trace_id == trace.get_current_span(received).get_span_context().trace_id
        if not same or not around.get_span_context().is_valid:
            return received, SpanKind.SERVER
        has_ended = not (around.is_recording() or isinstance(around, NonRecordingSpan))
        return (Context(), SpanKind.SERVER) if has_ended else (current, SpanKind.INTERNAL)

    def _keys(self) -> tuple[str, ...]:
        propagator = propagate.get_global_textmap()
        if self._known[0] is not propagator:
            self._known = propagator, tuple(map(environ_key, propagator.fields))
        return self._known[1]


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


def request_attributes(exchange: Exchange, endpoint: Endpoint, route: Route | None) -> tuple[str, dict[str, str]]:
    """Return the name of the span of a request, and its attributes."""
    if route is None:
        url = endpoint.path.rstrip("/") or "/"
    elif route is endpoint.built_in:  # its URL has another name
        url = endpoint.path + exchange.wsgi_path.rstrip("/").rpartition("/")[2]
    else:
        url = route.url
    return f"{exchange.method} {url}", {"http.request.method": exchange.method, "http.route": url}


def head_attributes(exchange: Exchange, served_by: ServedBy) -> dict[str, str | int]:
    """Return the attributes of a request. The query is not among them: it has the parameters of a GET.

    Args:
        exchange: The request.
        served_by: As with :class:`~flaskJSONRPCServer.dispatch.connection.ServerFacts`.
    """
    head = exchange.head
    attributes: dict[str, str | int] = {
        "url.scheme": head.get("wsgi.url_scheme", "http"),
        "url.path": wsgi_decoded(head.get("SCRIPT_NAME", "") + exchange.wsgi_path),
        "network.protocol.version": head.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
    }
    if exchange.remote_addr:
        attributes["client.address"] = exchange.remote_addr
    _, address, port = served_by(head)
    if address:
        attributes["server.address"] = address
    if isinstance(port, int):  # else a Unix socket
        attributes["server.port"] = port
    return attributes
