"""One connection of gevent's pywsgi: what its own handler lets through, takes without end, or loses is mended here."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gevent
from gevent.pywsgi import WSGIHandler

from ..http.refusals import Refusal, ServiceUnavailable
from ..http.request import CLIENT_SOCKET
from ..http.response import refusal_response
from ..runtime.interrupts import is_interrupt
from .native.limits import Head
from .native.messages import RETRY_AFTER_S
from .native.parser import RequestParser
from .pywsgi_body import LengthBody, TimedBody
from .pywsgi_reader import ChunkedBody, RequestReader
from .pywsgi_sockets import read_rest, send_some
from .tls import send_close_notify
from .wsgi import client_variables

if TYPE_CHECKING:
    from .pywsgi import PywsgiServer

__all__ = ["PywsgiHandler"]

# What is left of a body, for the connection to be kept: more is not worth reading. Both are guesses.
_DISCARDED_BYTES = 64 * 1024
_DISCARDED_IN_S = 0.2

# What a path may have beside letters and digits (RFC 3986, section 3.3).
_LOGGED_AS_IT_IS = "/:@!$&'()*+,;=~"


class PywsgiHandler(WSGIHandler):
    """One connection. What it has to say goes to the server's log: info with ``debug=True``, else debug."""

    server: PywsgiServer
    _reader: RequestReader
    _body: TimedBody
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
            self.__dict__.pop("_reader", None)
            self.__dict__.pop("environ", None)

    def handle_one_request(self) -> Any:
        """Answer one request; return True where another one may follow, else None.

        The base class would read the head by itself, leniently. Between two requests, a stop ends the connection.
        """
        goes_on = False
        if self._await_request():
            variables: Head = {"wsgi.url_scheme": self.server.environ["wsgi.url_scheme"]}
            variables |= client_variables(self.client_address)
            self._reader = RequestReader(self.rfile, self.server.parser_limits, variables)
            try:
                goes_on = self._read_head() and self._answer()
            finally:
                self._reader.close()
        if goes_on:
            self.server.silent.add(self.socket)
            return True
        self._end_connection()
        return None

    def _await_request(self) -> bool:
        """Return whether a request has begun to come. From then on it has a deadline, and a stop waits for it."""
        try:
            has_come = bool(self.rfile.peek(1))
        except OSError:  # a client that is silent for too long, or has gone
            return False
        if not has_come:
            return False
        self.server.silent.discard(self.socket)
        return True

    def _read_head(self) -> bool:
        """Return whether there is a request to be answered: one whose head has come, and is not refused."""
        self.requestline, self.response_length = "", 0
        try:
            self._reader.read_piece()  # of what has come already: mostly all of the head, and no clock need run
            if not self._reader.has_head:
                late = TimeoutError("the head did not come in time")
                with gevent.Timeout(self.server.head_timeout_s, late):
                    self._reader.read_head()
        except Refusal as refusal:
            self._refuse(refusal)
            return False
        except OSError as exc:
            self.log_error("refused: %s", exc)
            return False
        return True

    def _refuse(self, refusal: Refusal) -> None:
        self.log_error("refused: %s", refusal)
        self.code = int(refusal.status[:3])
        self._sendall(self._reader.parser.refusal_answer(refusal))
        self.log_request()

    def _answer(self) -> bool:
        """Answer the request whose head has been read; return whether another one may follow."""
        self.environ = self.get_environ()
        self.application = self.server.application
        self.handle_one_response()
        return not self.close_connection and not self.server.is_stopping

    def get_environ(self) -> dict[str, Any]:
        """Return the environ (PEP 3333) of the request whose head has been read."""
        parser = self._reader.parser
        self.command, self.request_version = parser.head["REQUEST_METHOD"], parser.head["SERVER_PROTOCOL"]
        self.requestline = request_line(parser.head)
        self.close_connection = not parser.keeps_alive
        self._is_shed = False
        self._body = self._make_body(parser)
        self.wsgi_input = UnreadBody(self)  # type: ignore[assignment]  # all that is asked of it is there
        environ = {
            **self.server.get_environ(),
            **parser.head,
            CLIENT_SOCKET: self.socket,
            "wsgi.input": io.BufferedReader(self._body),
        }
        if isinstance(self.socket, ssl.SSLSocket) and (certificate := self.socket.getpeercert(binary_form=True)):
            environ["SSL_CLIENT_CERT"] = ssl.DER_cert_to_PEM_cert(certificate)
        return environ

    def _make_body(self, parser: RequestParser) -> TimedBody:
        raw: LengthBody | ChunkedBody | None = None
        if "HTTP_TRANSFER_ENCODING" in parser.head:  # which is chunked: the head has been checked
            raw = ChunkedBody(self._reader)
        elif not self._reader.is_complete:
            raw = LengthBody(self.rfile, int(parser.head["CONTENT_LENGTH"]))
        timeout_s, waits = self.server.body_timeout_s, parser.awaits_continue
        return TimedBody(raw, timeout_s, self.socket, waits_for_100=waits, on_complete=self._begin_call)

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
        except Refusal as refusal:
            if self.headers_sent:  # the answer has begun, and cannot become another one
                raise
            response = refusal_response(refusal)
            self.start_response(response.status, response.headers)
            self.result = [] if self.command == "HEAD" else [response.body]  # its bytes would be the next answer
            super().process_result()
            self.result = None
        finally:
            self._end_call()

    def process_result(self) -> None:
        """Send what the application has returned. A client that reads slowly takes up no room for calls."""
        self._end_call()
        super().process_result()

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin an answer; with the status of the refusal where the request has been refused meanwhile.

        An application that knows no refusals, such as a page of Flask, takes one for an error of its own.
        """
        if self._is_shed:
            status, headers = ServiceUnavailable.status, [*headers, ("Retry-After", str(RETRY_AFTER_S))]
        elif self._body.refused_status is not None:
            status = self._body.refused_status
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
        self.server.write_log(self._peer(), f'"{self.requestline or "-"}" {self.code or "-"}')

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

    def _peer(self) -> str:
        return self.client_address[0] if isinstance(self.client_address, tuple) else "-"


class UnreadBody:
    """What pywsgi lets go after the answer: the body, as far as nobody has read it."""

    def __init__(self, handler: PywsgiHandler) -> None:
        self._handler = handler

    def _discard(self) -> None:
        self._handler.end_body()


def request_line(head: Head) -> str:
    """Return a request line as it may be logged: a query may hold what is secret, a path line breaks."""
    path = quote(head["PATH_INFO"], safe=_LOGGED_AS_IT_IS, encoding="latin-1")
    query = "?..." if head["QUERY_STRING"] else ""
    return f"{head['REQUEST_METHOD']} {path}{query} {head['SERVER_PROTOCOL']}"
