"""One connection of gevent's pywsgi: what its own handler lets through, takes without end, or loses is mended here."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gevent
from gevent.pywsgi import WSGIHandler

from ..http.refusals import ServiceUnavailable
from ..http.request import CLIENT_SOCKET
from ..runtime.interrupts import is_interrupt
from .chunks import ChunkedBody
from .heads import MAX_HEAD_BYTES, BadHead, check_fields, check_request_line, origin_form, without_query
from .pywsgi_body import Body, LengthBody
from .pywsgi_sockets import read_rest, send_some
from .tls import send_close_notify

if TYPE_CHECKING:
    from .pywsgi import Server

__all__ = ["Handler"]

_BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"Connection: close\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nBad Request"
)

# What is left of a body, for the connection to be kept: more is not worth reading. Both are guesses.
_DISCARDED_BYTES = 64 * 1024
_DISCARDED_IN_S = 0.2

# When a client that was refused for want of room may try again, in seconds; a guess.
_RETRY_AFTER_S = "1"


class Handler(WSGIHandler):
    """One connection. What it has to say goes to the server's log: info with ``debug=True``, else debug."""

    server: Server
    _head_timeout: gevent.Timeout | None = None
    _body: Body
    _is_calling = False  # whether it has a place among the calls that run at once
    _is_shed = False  # whether the request has been refused for want of such a place
    _is_broken = False  # whether an answer could not be sent
    _has_answered = False  # whether an answer may be on its way

    def handle(self) -> None:
        """Answer requests until one side ends the connection."""
        try:
            super().handle()
        except OSError as exc:
            self.server.write_log("a connection broke:", repr(exc))
        finally:
            # The body knows its handler. With controlGC, what refers to each other would pile up for long.
            self.__dict__.pop("_body", None)
            self.__dict__.pop("environ", None)

    def handle_one_request(self) -> Any:
        """Answer one request; see the base class for what is returned. Between two of them, a stop ends it at once."""
        try:
            answered = super().handle_one_request()
        finally:
            self._end_head()
        if answered is True and not self.server.is_stopping:
            self.server.silent.add(self.socket)
            return True
        if isinstance(answered, tuple):
            self.code, data = int(answered[0]), answered[1]
            self._sendall(data)
            self.log_request()
            self._has_answered = True
        self._end_connection()
        return None

    def read_requestline(self) -> str:
        """Read the request line, or the end of a connection; the socket has a timeout of silence."""
        arrived = self.rfile.peek(1)  # by one look at the socket at most; all that there is
        if not arrived:
            return ""
        if b"\r\n\r\n" not in arrived:  # else the head is there, and no clock need run
            late = TimeoutError("the head did not come in time")
            self._head_timeout = gevent.Timeout.start_new(self.server.head_timeout_s, late)
        return super().read_requestline()

    def read_request(self, raw_requestline: str) -> Any:
        """Read the head. From here on, a stop waits for the answer.

        Raises:
            BadHead: It is malformed.
            TimeoutError: Its end does not come in time.
        """
        self.server.silent.discard(self.socket)
        check_request_line(raw_requestline.encode("latin-1"))
        read = super().read_request(raw_requestline)
        self._end_head()
        self.path = origin_form(self.path or "", self.headers.get("Host", ""))
        connection = self.headers.get("Connection", "").lower().split(",")
        self.close_connection = self.close_connection or "close" in map(str.strip, connection)
        return read

    def MessageClass(self, stream: Any, *_: Any) -> Any:  # noqa: N802  the name is that of the base class
        """Read the header fields, strictly."""
        lines = list(head_lines(stream))
        check_fields(lines, is_http_1_1=self.request_version == "HTTP/1.1")
        return super().MessageClass(io.BytesIO(b"".join([*lines, b"\r\n"])))

    def get_environ(self) -> dict[str, Any]:
        """Return the environ, with a body of ours: pywsgi's has no deadline, and no bound of chunks and trailers."""
        environ: dict[str, Any] = super().get_environ()
        environ[CLIENT_SOCKET] = self.socket
        environ.setdefault("REMOTE_ADDR", "")  # a Unix socket's peer has none
        if isinstance(self.socket, ssl.SSLSocket) and (certificate := self.socket.getpeercert(binary_form=True)):
            environ["SSL_CLIENT_CERT"] = ssl.DER_cert_to_PEM_cert(certificate)
        self._is_shed = False
        self._body = self._make_body(environ)
        self.wsgi_input = Rest(self)  # type: ignore[assignment]  # all that is asked of it is there
        environ["wsgi.input"] = io.BufferedReader(self._body)
        return environ

    def _make_body(self, environ: dict[str, Any]) -> Body:
        raw: LengthBody | ChunkedBody | None = None
        rfile: Any = self.rfile
        if "HTTP_TRANSFER_ENCODING" in environ:  # which is chunked: the head has been checked
            raw = ChunkedBody(rfile)
        elif self.content_length is not None:
            raw = LengthBody(rfile, self.content_length)
        waits = environ.get("HTTP_EXPECT", "").lower() == "100-continue" and self.request_version == "HTTP/1.1"
        return Body(raw, self.server.body_timeout_s, self.socket, waits_for_100=waits, on_complete=self._begin_call)

    def run_application(self) -> None:
        """Let the application answer as soon as there is room for another call.

        A request with a body is begun at once, so that it may be refused unread; it waits when the body is complete. So
        nobody takes up room by sending slowly.
        """
        try:
            if self._body.has_ended:
                self._begin_call()
            else:
                self._shedding(self.server.calls.check_room)
            super().run_application()
        except ServiceUnavailable as exc:
            reason = f"{exc}\n".encode()
            headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(reason)))]
            self.start_response("503 Service Unavailable", headers)
            self.result = [] if self.command == "HEAD" else [reason]  # bytes of a body would be the next answer
            super().process_result()
            self.result = None
        finally:
            self._end_call()

    def process_result(self) -> None:
        """Send what the application has returned. A client that reads slowly takes up no room for calls."""
        self._end_call()
        super().process_result()

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin an answer; say when to try again where it is a refusal for want of room."""
        if self._is_shed:
            status, headers = "503 Service Unavailable", [*headers, ("Retry-After", _RETRY_AFTER_S)]
        return super().start_response(status, headers, exc_info)

    def finalize_headers(self) -> None:
        """Tell the client when the connection ends."""
        super().finalize_headers()
        if hasattr(self.result, "__len__"):  # what is made while it is sent may still read
            self.end_body()
        self.close_connection = self.close_connection or self.server.is_stopping
        if self.close_connection and self.request_version == "HTTP/1.1":
            self.response_headers.append((b"Connection", b"close"))  # type: ignore[union-attr,arg-type]  # bytes

    def end_body(self) -> None:
        """Read what the application has left of the body, or end the connection with the answer.

        What follows a body that is broken, or that nobody reads, must not be read as a request.
        """
        if not self._body.has_ended and not self._body.discard(_DISCARDED_BYTES, _DISCARDED_IN_S):
            self.close_connection = True

    def _sendall(self, data: Any) -> None:
        # sendall() has one timeout for all of it, which would cut off whoever reads a long answer slowly but steadily.
        self._has_answered = True
        left = memoryview(data)
        try:
            while left:
                sent = send_some(self.socket, left)
                self.response_length += sent
                left = left[sent:]
        except OSError:
            self._is_broken = self.close_connection = True
            raise

    def _begin_call(self) -> None:
        """Take up room for a call, once a request.

        Raises:
            ServiceUnavailable: There is none, nor room to wait.
            ConnectionAbortedError: The client has gone while it waited.
        """
        self._shedding(self.server.calls.acquire, self.socket)
        self._is_calling = True

    def _shedding(self, ask: Callable[..., None], *args: Any) -> None:
        try:
            ask(*args)
        except ServiceUnavailable:
            self._is_shed = True
            raise

    def _end_call(self) -> None:
        if self._is_calling:
            self._is_calling = False
            self.server.calls.release()

    def _end_head(self) -> None:
        timeout, self._head_timeout = self._head_timeout, None
        if timeout is not None:
            timeout.close()

    def _end_connection(self) -> None:
        """Say that nothing follows, and let the client read its answer though it may still be sending.

        Where a connection is closed with unread data, the system resets it, and the client may lose the answer.
        """
        if isinstance(self.socket, ssl.SSLSocket):
            send_close_notify(self.socket)
        if not self._has_answered or self._is_broken:
            return
        descriptor = os.dup(self.socket.fileno())
        with gevent.socket.socket(fileno=descriptor) as same, contextlib.suppress(OSError):
            same.shutdown(socket.SHUT_WR)
            read_rest(same)

    def log_request(self) -> None:
        """Log a request."""
        self.server.write_log(self._peer(), f'"{without_query(self.requestline or "")}" {self.code or "-"}')

    def log_error(self, msg: str, *args: Any) -> None:
        """Log one of pywsgi's messages."""
        self.server.write_log(self._peer(), msg % args if args else msg)

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Log what a connection broke on, in one line; the base class prints it.

        An exception that ends the program, as Ctrl-C raises it, goes on to the main greenlet. Whatever runs at that
        moment gets it, and that may be this connection.
        """
        if is_interrupt(v):
            gevent.get_hub().handle_system_error(t, v, tb)
            return
        self.server.write_log("a connection broke:", repr(v))
        if self._is_broken or isinstance(v, ConnectionError):
            self.close_connection = True
            return
        self._send_error_response_if_possible(500)  # type: ignore[attr-defined]  # not in the stubs

    def _handle_client_error(self, ex: Exception) -> tuple[str, bytes] | None:
        self.log_error(f"refused: {ex}")
        return None if isinstance(ex, TimeoutError) else ("400", _BAD_REQUEST)

    def _peer(self) -> str:
        return self.client_address[0] if isinstance(self.client_address, tuple) else "-"


class Rest:
    """What pywsgi lets go after the answer: the body, as far as nobody has read it."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def _discard(self) -> None:
        self._handler.end_body()


def head_lines(stream: Any) -> Iterator[bytes]:
    """Read the lines of a head, without the empty one.

    Raises:
        BadHead: It is too large, or the connection ends before it does.
    """
    left = MAX_HEAD_BYTES
    while (line := stream.readline(left)) != b"\r\n":
        left -= len(line)
        if not line.endswith(b"\n") or left <= 0:
            raise BadHead("the head is too large, or incomplete")
        yield line
