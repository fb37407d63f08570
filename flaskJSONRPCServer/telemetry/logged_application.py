"""The access log around the application of a listening socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..dispatch.streams import StreamedBody
from ..http.refusals import ClientGone, Refusal
from ..http.request import ARRIVED_AT, EXCHANGE, ReceivedRequest
from ..http.response import Response, refusal_response
from ..servBackend.gate import RpcApplication, answer_marker, refusal_observer
from .access_log import AccessLog
from .call_records import CallRecord, current_record

__all__ = ["LoggedApplication"]

# The key in a head that says that the log has the request: the serving backend has refused it while its call ran.
_IS_LOGGED = "flaskJSONRPCServer.is_logged"

StartResponse = Callable[..., Any]


class LoggedApplication:
    """Passes requests on to the application of a listening socket, and writes a line for each.

    Args:
        app: The application.
        log: The access log.
    """

    def __init__(self, app: RpcApplication, log: AccessLog) -> None:
        self._app = app
        self._log = log
        self.is_immediate = app.is_immediate
        self.expires_at = app.expires_at
        self.has_deadlines = app.has_deadlines
        self.body_limit_bytes = app.body_limit_bytes
        self.check_head = app.check_head
        self.refusal_headers = app.refusal_headers
        self.answering = answer_marker(app)
        self._observe_refusal = refusal_observer(app)

    def respond(self, received: ReceivedRequest) -> Response | None:
        """Answer one request without WSGI. Return None if :meth:`__call__` must answer it."""
        request = LoggedRequest(self._log, received.head, received.arrived_at)
        token = current_record.set(request.record)
        try:
            response = self._app.respond(received)
        finally:
            current_record.reset(token)
        if response is not None:
            request.status = response.status
            request.add_bytes(response.body)
            request.finish()
        elif received.stream is not None:
            request.finish_with(received.stream)
        return response

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        exchange = environ.get(EXCHANGE)
        arrived_at: float | None = environ.get(ARRIVED_AT)
        request = LoggedRequest(
            self._log,
            environ if exchange is None else exchange.head,
            time.monotonic() if arrived_at is None else arrived_at,
        )
        token = current_record.set(request.record)
        try:
            body = self._app(environ, request.starter(start_response))  # type: ignore[operator]  # a WSGI callable too
        except BaseException as exc:
            request.status = exc.status if isinstance(exc, Refusal) else "500"
            request.finish()
            raise
        finally:
            current_record.reset(token)
        if exchange is not None and (exchange.stream is not None or isinstance(body, StreamedBody)):
            return self._logged_stream(exchange, body, request)
        if isinstance(body, (list, tuple)):
            for part in body:
                request.add_bytes(part)
            request.finish()
            return body
        return LoggedBody(body, request)

    def _logged_stream(self, exchange: Any, body: Iterable[bytes], request: LoggedRequest) -> Iterable[bytes]:
        """Have the line written at the end of a stream of ``native``, which may still have to be opened."""
        if exchange.stream is None and isinstance(body, StreamedBody):
            body.when_served(request.finish_with)
        else:
            request.finish_with(exchange.stream)
        return body

    def observe_refusal(self, head: dict[str, Any], refusal: Refusal) -> None:
        """Write the line of a request that the serving backend has refused, and pass it on."""
        self._observe_refusal(head, refusal)
        request = LoggedRequest(self._log, head, head.get(ARRIVED_AT, time.monotonic()))
        request.status = refusal.status
        if not isinstance(refusal, ClientGone):
            request.add_bytes(refusal_response(refusal).body)
        request.finish()


class LoggedRequest:
    """A request and its answer, until the log has them.

    Args:
        log: The access log.
        head: The head of the request, as far as it is known.
        arrived_at: When the request arrived, by the monotonic clock.

    Attributes:
        record: The calls of the request.
        status: The status of the answer; empty before it begins.
    """

    def __init__(self, log: AccessLog, head: dict[str, Any], arrived_at: float) -> None:
        self.record = CallRecord()
        self.status = ""
        self._log = log
        self._head = head
        self._arrived_at = arrived_at
        self._is_head = head.get("REQUEST_METHOD") == "HEAD"
        self._body_bytes = 0

    def starter(self, start_response: StartResponse) -> StartResponse:
        """Return a ``start_response`` that notes the status and what is written."""

        def start(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
            self.status = status
            write = start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)

            def logged_write(part: bytes) -> object:
                self.add_bytes(part)
                return write(part)

            return logged_write

        return start

    def add_bytes(self, part: bytes) -> None:
        """Count a part of the body."""
        if not self._is_head:
            self._body_bytes += len(part)

    def finish_with(self, stream: Any) -> None:
        """Write the line when a stream of ``native`` ends; at once if it could not be opened, which is None."""

        def finish() -> None:
            self._body_bytes = stream.body_bytes
            self.finish()

        self.status = "500" if stream is None else stream.status
        if stream is None:
            self.finish()
        else:
            stream.add_close_callback(finish)

    def finish(self) -> None:
        """Write the line, once for each request."""
        if self._head.get(_IS_LOGGED):
            return
        self._head[_IS_LOGGED] = True
        self._log.write(
            self._head,
            self.status,
            body_bytes=self._body_bytes,
            duration_s=time.monotonic() - self._arrived_at,
            record=self.record,
        )


class LoggedBody:
    """The body of an answer whose parts are made while it is sent. Its line is written at its end.

    Args:
        body: What the application has returned.
        request: The request.
    """

    def __init__(self, body: Iterable[bytes], request: LoggedRequest) -> None:
        self._body = body
        self._parts = iter(body)
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = next(self._parts)
        self._request.add_bytes(part)
        return part

    def close(self) -> None:
        """Close the body, and write the line: servers call this in any case (PEP 3333)."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._request.finish()
