"""One request and its answer, as a task of the thread pool."""

from __future__ import annotations

import contextvars
import sys
import uuid
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ...dispatch.streams import StreamedBody
from ...http.body import too_large
from ...http.refusals import ClientGone, ServiceUnavailable
from ...http.request import ARRIVED_AT, CLIENT_SOCKET, EXCHANGE, SEND_HEAD
from ...http.response import Response, server_error_response
from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR
from ..wsgi import DeclaredBody, close_body, content_length, has_no_body
from .bodies import IterableBody, no_body, part_bytes, whole_body
from .messages import (
    LAST_CHUNK,
    Header,
    chunk,
    head_message,
    permitted_headers,
    rpc_head,
    rpc_message,
    whole_message,
)
from .stream_arguments import checked_headers, no_room, refuse_unusable
from .streams import Stream, StreamKeeper

if TYPE_CHECKING:
    from .client_connection import ClientConnection
    from .parser import ParsedRequest

__all__ = ["HttpExchange"]

_CLOSE = "Connection: close\r\n"
_CHUNKED = "Transfer-Encoding: chunked\r\n"

# Headers that only the server sets. PEP 3333 forbids them to applications, but frameworks send them.
_SERVER_HEADERS = frozenset({"connection", "transfer-encoding", "keep-alive", "date"})

_NOTHING_WRITTEN: list[bytes] = []  # never appended to


class HttpExchange:
    """A request and its answer, as HTTP: a task of the thread pool.

    The pipeline reads the request here directly. It makes an ``Exchange`` of it (``dispatch/exchange.py``): the same
    request, as JSON-RPC. To the pipeline this is the ``ReceivedRequest`` of ``http/request.py``. An environ is made
    only when something asks for it.

    Args:
        connection: The connection that the request came by.
        request: The request.

    Attributes:
        head: The head of the request, as CGI variables; and the address that it came to.
        connection, request: As given.
        has_begun: Whether a thread has begun to answer.
        has_sent_head: Whether the head of the answer has been sent.
        is_followed: Whether it is a short call, and the same thread answers another one next.
        stream_keeper: What keeps the streams that the application opens; None if nothing does.
    """

    has_begun = False
    has_sent_head = False
    is_followed = False
    stream_keeper: StreamKeeper | None = None
    _environ: dict[str, Any] | None = None
    _stream: Stream | None = None
    # Set by a WSGI application, which most requests do not reach.
    _status = ""
    _headers: Sequence[Header] = ()
    _written: list[bytes] = _NOTHING_WRITTEN
    _frame: Callable[[bytes], bytes] | None = None

    def __init__(self, connection: ClientConnection, request: ParsedRequest) -> None:
        self.head = request.head
        self.connection = connection
        self.request = request
        self._keeps_alive = request.keeps_alive

    # The pipeline, which answers without WSGI, uses these.

    @property
    def environ(self) -> dict[str, Any]:
        """The WSGI environ (PEP 3333), made at the first access."""
        if self._environ is None:
            self._environ = self._make_environ()
        return self._environ

    @property
    def arrived_at(self) -> float:
        """When the request arrived, by the monotonic clock. Only valid until it has been answered."""
        return self.connection.http.arrived_at

    def body(self, limit_bytes: int) -> bytes:
        """Return the body.

        Raises:
            BodyTooLarge: It exceeds the limit.
        """
        body = self.request.body
        if body.size > limit_bytes:
            raise too_large(limit_bytes)
        return body.read()

    # Applications use this.

    def open_stream(
        self,
        status: str,
        headers: list[Header],
        *,
        buffer_bytes: int = 256 * 1024,
        when_full: str = "close",
        on_close: Callable[[], object] | None = None,
        takes_large_parts: bool = False,
    ) -> Stream:
        """Answer with a stream. It occupies no thread: any thread may send the next part at any time.

        The application must call this at most once, before it sends anything. Its return value is then ignored. A stop
        or restart of the server closes the stream once the application has returned.

        Args:
            status: Code and reason, such as ``200 OK``.
            headers: Names and values, such as ``("Content-Type", "text/event-stream")``.
            buffer_bytes: How many unsent bytes may wait for a slow client.
            when_full: How to treat a part that finds no room: ``"close"`` ends the connection, ``"drop"`` drops the
                part.
            on_close: Called once, in a thread of the pool, when the client has gone or the stream has been closed.
            takes_large_parts: Whether a part may exceed the room in the buffer. The next one finds no room then.

        Raises:
            TypeError: An argument has another type.
            ValueError: ``buffer_bytes`` is less than 1, ``when_full`` is neither of the two, or a header cannot be sent
                or declares a length.
            RuntimeError: The answer has begun.
            werkzeug.exceptions.ServiceUnavailable: ``max_streams`` are open. Flask answers this with 503.
        """
        refuse_unusable(status, buffer_bytes, on_close)
        try:
            return self._open(
                status,
                checked_headers(headers),
                self.stream_keeper,
                buffer_bytes=buffer_bytes,
                when_full=when_full,
                on_close=on_close,
                takes_large_parts=takes_large_parts,
            )
        except ServiceUnavailable as refusal:
            raise no_room(refusal) from None

    # The pipeline, for its own streams, which it counts and closes itself.

    def open_channel(
        self,
        status: str,
        headers: list[Header],
        *,
        buffer_bytes: int,
        takes_large_parts: bool,
        on_close: Callable[[], object] | None,
    ) -> Stream:
        """As :meth:`open_stream`, with arguments that need no check."""
        return self._open(
            status,
            headers,
            None,
            buffer_bytes=buffer_bytes,
            when_full="close",
            on_close=on_close,
            takes_large_parts=takes_large_parts,
        )

    def _open(self, status: str, headers: list[Header], keeper: StreamKeeper | None, **options: Any) -> Stream:
        if self.has_sent_head or self._stream is not None:
            raise RuntimeError("the answer has begun; open the stream before anything is sent, and once")
        if content_length(headers) is not None:
            raise ValueError("a stream has no Content-Length; return a body of known length instead")
        framing, is_chunked = ("", False) if has_no_body(status) else self._framing()
        head = head_message(status, sendable(headers), framing + self._connection_line())
        stream = Stream(self, is_chunked=is_chunked, status=status, **options)
        is_empty = has_no_body(status) or self.head["REQUEST_METHOD"] == "HEAD"
        if keeper is not None and not is_empty:
            stream.keeper = keeper  # first: the keeper may end it at once
            keeper.keep(stream, self.head)
        self._stream = self.connection.stream = stream
        self.has_sent_head = True
        self.connection.send(head)
        if is_empty:
            stream.end_without_body()
        if not self.connection.notices_end:  # the client went before the connection knew the stream
            self.connection.abort()
            stream.client_gone()
        return stream

    # A thread of the pool runs these.

    def run(self) -> None:
        """Answer the request, unless the client has gone while it waited for a thread."""
        self.has_begun = True
        connection = self.connection
        if connection.is_gone():
            connection.shared.observe_refusal(self.head, ClientGone("the client has gone"))
            self.finish(keeps_alive=False)
            return
        try:
            self._answer()
        except BaseException as exc:
            self.fail()
            if is_interrupt(exc):
                raise

    def start_response(self, status: str, headers: list[Header], exc_info: Any = None) -> Callable[[bytes], object]:
        """Store the status and headers: the ``start_response`` of PEP 3333.

        Raises:
            RuntimeError: It has been called already, and no exception is the reason to call it again.
        """
        if exc_info is None:
            if self._status:
                raise RuntimeError("start_response has been called already; pass exc_info to replace that answer")
        elif self.has_sent_head:
            raise exc_info[1].with_traceback(exc_info[2])
        self._status, self._headers = status, headers
        self._written = []  # what belongs to an answer that is replaced is not sent
        return self._write

    def _write(self, data: bytes) -> None:
        """Keep a part until the first one that the application returns: the ``write`` of PEP 3333.

        Raises:
            TypeError: It is no bytes.
            RuntimeError: The head has been sent, so the part would be lost.
        """
        if self.has_sent_head:
            raise RuntimeError("write() is refused after the first part of the body that was returned")
        self._written.append(part_bytes(data))

    def finish(self, *, keeps_alive: bool) -> None:
        """Finish the answer, and keep or end the connection."""
        self.discard()
        self.connection.finish_answer(keeps_alive=keeps_alive)

    def discard(self) -> None:
        """Release the body and the environ of the request."""
        self.request.body.close()
        if self._environ is not None:
            for name in (EXCHANGE, SEND_HEAD):  # breaks a reference cycle; the garbage collector may come late
                self._environ.pop(name, None)

    def abort(self) -> None:
        """End the connection because the answer cannot be completed."""
        self.connection.abort()
        self.finish(keeps_alive=False)

    def _answer(self) -> None:
        shared = self.connection.shared
        if shared.respond is not None:
            began = perf_counter()
            response = shared.respond(self)
            if response is not None:
                shared.short_calls.record(self.head["PATH_INFO"], began, perf_counter())
                self._send_response(response)
                return
            if self._stream is not None:
                self._stream.application_returned()
                return
        self._answer_by_wsgi()

    def _answer_by_wsgi(self) -> None:
        """Answer a request that is not RPC, or that Flask has to see. It passes the gate once more."""
        # A generator of the application may be continued in another thread: it must see the same context variables.
        context = contextvars.copy_context()
        body = context.run(self.connection.shared.wsgi_app, self.environ, self.start_response)
        if self._stream is None and isinstance(body, StreamedBody):
            body.serve(self, self._status, sendable(self._headers)).application_returned()
        elif self._stream is not None:
            close_body(body)
            # Flask has turned an exception into this, so nobody will complete the stream.
            if self._status.startswith(("3", "4", "5")):
                self._stream.abort()
            self._stream.application_returned()
        elif isinstance(body, (list, tuple)):
            whole = context.run(whole_body, body)
            self._send_whole(b"".join([*self._written, whole]) if self._written else whole)
        else:
            IterableBody(self, body, context).run()

    def _complete(self, message: bytes) -> None:
        self.has_sent_head = True
        self.discard()
        self.connection.complete(message, keeps_alive=self._keeps_alive, is_followed=self.is_followed)

    def _send_response(self, response: Response) -> None:
        """Send an answer of the pipeline as one buffer."""
        is_default = self._keeps_alive and self.request.is_http_1_1
        extra_lines = "" if is_default else self._connection_line()
        message = rpc_head if self.head["REQUEST_METHOD"] == "HEAD" else rpc_message
        self._complete(message(response, extra_lines))

    def _send_whole(self, body: bytes) -> None:
        self._keeps_alive = self._keeps_alive and not wants_close(self._headers)
        headers = sendable(self._headers)
        declared = content_length(headers)
        is_head = self.head["REQUEST_METHOD"] == "HEAD"
        if declared is not None and declared != len(body) and not is_head and not has_no_body(self._status):
            raise ValueError(f"the application declared Content-Length {declared} and returned {len(body)} bytes")
        message = whole_message(self._status, headers, body, self._connection_line(), is_head=is_head)
        self._complete(message)

    def begin_body(self) -> Callable[[bytes], bytes]:
        """Send the head of an answer whose body comes in parts, once. Return the function that frames each part."""
        if self._frame is None:
            self._frame = self._begin_body()
        return self._frame

    def _begin_body(self) -> Callable[[bytes], bytes]:
        self._keeps_alive = self._keeps_alive and not wants_close(self._headers)
        headers = permitted_headers(self._status, sendable(self._headers))
        declared = content_length(headers)
        if has_no_body(self._status) or declared is not None:
            framing, is_chunked = "", False
        else:
            framing, is_chunked = self._framing()
        message = head_message(self._status, headers, framing + self._connection_line())
        self.has_sent_head = True
        self.connection.send(message)
        if has_no_body(self._status) or self.head["REQUEST_METHOD"] == "HEAD":
            return no_body
        if declared is not None:
            return DeclaredBody(declared)
        return chunk if is_chunked else bytes

    def end_body(self, frame: Callable[[bytes], bytes]) -> None:
        """Complete an answer whose body came in parts.

        Raises:
            ValueError: It is shorter than declared: the client would wait for the rest.
        """
        if isinstance(frame, DeclaredBody) and frame.left_bytes and not self.connection.is_broken:
            raise ValueError(f"the application returned {frame.left_bytes} bytes less than its Content-Length")
        if frame is chunk:
            self.connection.send(LAST_CHUNK)
        self.finish(keeps_alive=self._keeps_alive)

    @property
    def stream(self) -> Stream | None:
        """The stream that answers the request, once it has been opened."""
        return self._stream

    @property
    def request_line(self) -> str:
        """The method and the path of the request, for the log."""
        return f"{self.head['REQUEST_METHOD']} {self.head.get('PATH_INFO', '')}"

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may go on after the answer."""
        return self._keeps_alive

    @property
    def written(self) -> list[bytes]:
        """The parts that the application wrote by the callable that ``start_response`` returned."""
        return self._written

    def fail(self) -> None:
        """Log the current exception. Answer 500, or end the connection if the answer has begun."""
        unique_id = uuid.uuid4().hex
        has_begun = self._stream is not None or self.has_sent_head
        what = "an answer broke off" if has_begun else "request failed"
        self.connection.shared.log.write(ERROR, what, f"[{unique_id}]", self.request_line, traceback=True)
        self._end_failed(unique_id)

    def _end_failed(self, unique_id: str) -> None:
        if self._stream is not None:
            self.connection.abort()
            self._stream.client_gone()
            self._stream.application_returned()
            return
        if self.has_sent_head:
            self.abort()
            return
        self._keeps_alive = False
        self._send_response(server_error_response(unique_id))

    def _connection_line(self) -> str:
        if not self._keeps_alive:
            return _CLOSE
        return "" if self.request.is_http_1_1 else "Connection: keep-alive\r\n"

    def _framing(self) -> tuple[str, bool]:
        """Return the header lines that frame a body of unknown length, and whether it is chunked."""
        if self.request.is_http_1_1:
            return _CHUNKED, True
        self._keeps_alive = False  # in HTTP/1.0, the end of the connection ends the body
        return "", False

    def _make_environ(self) -> dict[str, Any]:
        environ = {
            **self.connection.shared.environ,
            **self.head,
            "wsgi.input": self.request.body.open(),
            "wsgi.errors": sys.stderr,
            ARRIVED_AT: self.arrived_at,
            CLIENT_SOCKET: self.connection.socket,
            EXCHANGE: self,
            SEND_HEAD: self.begin_body,
        }
        environ.update(self.connection.certificate_variables)
        return environ


def sendable(headers: Sequence[Header]) -> list[Header]:
    """Return the headers without those that only the server sets."""
    return [header for header in headers if header[0].lower() not in _SERVER_HEADERS]


def wants_close(headers: Sequence[Header]) -> bool:
    return any(name.lower() == "connection" and "close" in value.lower() for name, value in headers)
