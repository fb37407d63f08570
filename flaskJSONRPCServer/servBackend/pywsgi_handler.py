"""One connection of gevent's pywsgi, with stricter parsing, bounds and a clean end.

The parser is that of the backend ``native``, so a request means the same on both backends.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gevent

from ..http.refusals import Refusal, ServiceUnavailable
from ..http.request import ARRIVED_AT, CLIENT_SOCKET, SEND_HEAD
from ..http.response import refusal_response
from ..runtime.interrupts import is_interrupt
from .native.limits import Head
from .native.messages import retry_after_s
from .native.parser import RequestParser
from .pywsgi_answers import CheckedAnswers
from .pywsgi_body import LengthBody, TimedBody
from .pywsgi_reader import ChunkedBody, RequestReader
from .pywsgi_sockets import drain, send_some
from .tls import send_close_notify
from .wsgi import client_variables

if TYPE_CHECKING:
    from .pywsgi import PywsgiServer

__all__ = ["PywsgiHandler"]

# How much of an unread body is drained to keep the connection, and for how long; both guessed.
_DISCARD_BYTES = 64 * 1024
_DISCARD_S = 0.2

# The characters of a path that are logged as they are, beside letters and digits (RFC 3986, section 3.3).
_UNQUOTED = "/:@!$&'()*+,;=~"


class PywsgiHandler(CheckedAnswers):
    """Handles one connection. It logs to the server's log: at level info with ``debug=True``, else debug."""

    server: PywsgiServer
    _reader: RequestReader
    _body: TimedBody
    _is_calling = False  # whether it occupies one of the places for concurrent calls
    _is_shed = False  # whether the request has been refused for want of such a place
    _is_broken = False  # whether an answer could not be sent
    _has_answered = False  # whether anything has been sent

    def handle(self) -> None:
        """Answer requests until one side ends the connection."""
        try:
            super().handle()
        except OSError as exc:
            self.server.write_log("a connection broke:", repr(exc))
        finally:
            # Breaks reference cycles, such as that of the body and its handler: with controlGC, they would pile up.
            self.__dict__.pop("_body", None)
            self.__dict__.pop("_reader", None)
            self.__dict__.pop("environ", None)

    def handle_one_request(self) -> Any:
        """Answer one request. Return True if another one may follow, else None.

        This replaces the method of the base class, which parses the head leniently. Between two requests, a stop ends
        the connection.
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
            self.server.idle.add(self.socket)
            return True
        self._end_connection()
        return None

    def _await_request(self) -> bool:
        """Wait for the first byte of a request. Return False at the end of the connection.

        From that byte on, the request has a deadline, and a stop waits for it.
        """
        try:
            has_come = bool(self.rfile.peek(1))
        except OSError:  # a client that was silent for too long, or has gone
            return False
        if not has_come:
            return False
        self.server.idle.discard(self.socket)
        return True

    def _read_head(self) -> bool:
        """Read the head of a request. Return whether to answer the request: False if it is refused, or breaks off."""
        self.requestline, self.response_length = "", 0
        try:
            self._reader.read_piece()  # usually the whole head has come already, and no timer is needed
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
        """Answer the request whose head has been read. Return whether another one may follow."""
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
        self.wsgi_input = UnreadBody(self)  # type: ignore[assignment]  # the base class only calls its _discard()
        environ = {
            **self.server.get_environ(),
            **parser.head,
            ARRIVED_AT: time.monotonic(),  # before it waits for room
            CLIENT_SOCKET: self.socket,
            SEND_HEAD: functools.partial(self.write, b""),
            "wsgi.input": io.BufferedReader(self._body),
        }
        if isinstance(self.socket, ssl.SSLSocket) and (certificate := self.socket.getpeercert(binary_form=True)):
            environ["SSL_CLIENT_CERT"] = ssl.DER_cert_to_PEM_cert(certificate)
        return environ

    def _make_body(self, parser: RequestParser) -> TimedBody:
        raw: LengthBody | ChunkedBody | None = None
        if "HTTP_TRANSFER_ENCODING" in parser.head:  # always chunked: the parser refuses others
            raw = ChunkedBody(self._reader)
        elif not self._reader.is_complete:
            raw = LengthBody(self.rfile, int(parser.head["CONTENT_LENGTH"]))
        return TimedBody(
            raw,
            self.server.body_timeout_s,
            self.socket,
            expects_continue=parser.awaits_continue,
            on_complete=self._begin_call,
        )

    def run_application(self) -> None:
        """Call the application as soon as there is room for another call.

        For a request with a body, the application is called at once, so that it may refuse the body unread. The wait
        for room comes when the body is complete. So a slow sender takes up no room. A probe does not wait for room.
        """
        try:
            if not self._body.has_ended:
                self._shed_without_room(self.server.calls.check_room)
            elif self.server.calls.free or not self.server.is_immediate(self.environ or {}):
                self._begin_call()
            super().run_application()
        except Refusal as refusal:
            if self.headers_sent:  # too late for another answer
                raise
            self.server.parser_limits.observe_refusal(self.environ or {}, refusal)
            response = refusal_response(refusal)
            self.start_response(response.status, response.headers)
            # A HEAD request gets no body: the client would read its bytes as the next answer.
            self.result = [] if self.command == "HEAD" else [response.body]
            super().process_result()
            self.result = None
        finally:
            self._end_call()

    def process_result(self) -> None:
        """Send the answer of the application. A client that reads slowly takes up no room for calls."""
        self._end_call()
        if self.command != "HEAD":
            super().process_result()
            return
        for _ in self.result or ():  # an application may call start_response as late as its first part
            break
        if not self.headers_sent:  # the base class would send the last chunk too
            self.write(b"")

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin an answer. If the request has been refused meanwhile, the status is that of the refusal.

        An application that does not know refusals, such as a page of Flask, reports one as an internal error.
        """
        if self._is_shed:
            status, headers = ServiceUnavailable.status, [*headers, ("Retry-After", str(retry_after_s()))]
        elif self._body.refused_status is not None:
            status = self._body.refused_status
        return super().start_response(status, headers, exc_info)

    def finalize_headers(self) -> None:
        """Announce the end of the connection to the client."""
        super().finalize_headers()
        if hasattr(self.result, "__len__"):  # an application that is still generating its answer may still read
            self.end_body()
        self.close_connection = self.close_connection or self.server.is_stopping
        if self.close_connection and self.request_version == "HTTP/1.1":
            self.response_headers.append((b"Connection", b"close"))  # type: ignore[union-attr,arg-type]  # bytes

    def end_body(self) -> None:
        """Drain the rest of the body, or close the connection after the answer.

        The bytes after a broken or unread body must not be parsed as a request.
        """
        if not self._body.has_ended and not self._body.discard(_DISCARD_BYTES, _DISCARD_S):
            self.close_connection = True

    def _sendall(self, data: Any) -> None:
        # Not sendall(): its one timeout for all bytes would cut off a client that reads a long answer slowly.
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
        """Take a place for a call, once for each request.

        Raises:
            ServiceUnavailable: There is no place, and no room to wait.
            ConnectionAbortedError: The client has gone while it waited.
        """
        self._shed_without_room(self.server.calls.acquire, self.socket)
        self._is_calling = True

    def _shed_without_room(self, check: Callable[..., None], *args: Any) -> None:
        try:
            check(*args)
        except ServiceUnavailable:
            self._is_shed = True
            raise

    def _end_call(self) -> None:
        if self._is_calling:
            self._is_calling = False
            self.server.calls.release()

    def _end_connection(self) -> None:
        """End the sending side, and drain the receiving side for a while, so that the client reads its answer.

        If a connection is closed with unread data, the system resets it, and the client may lose the answer.
        """
        if isinstance(self.socket, ssl.SSLSocket):
            send_close_notify(self.socket)
        if not self._has_answered or self._is_broken:
            return
        descriptor = os.dup(self.socket.fileno())
        with gevent.socket.socket(fileno=descriptor) as duplicate, contextlib.suppress(OSError):
            duplicate.shutdown(socket.SHUT_WR)
            drain(duplicate)

    def log_request(self) -> None:
        """Log a request."""
        self.server.write_log(self._peer(), f'"{self.requestline or "-"}" {self.code or "-"}')

    def log_error(self, msg: str, *args: Any) -> None:
        """Log a message of pywsgi."""
        self.server.write_log(self._peer(), msg % args if args else msg)

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Log the exception that broke a connection, in one line; the base class prints it.

        An exception that ends the program, such as that of Ctrl-C, is passed on to the main greenlet. It is raised in
        the greenlet that runs at that moment, which may be this one.
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
    """The unread rest of a body, for pywsgi to discard after the answer."""

    def __init__(self, handler: PywsgiHandler) -> None:
        self._handler = handler

    def _discard(self) -> None:
        self._handler.end_body()


def request_line(head: Head) -> str:
    """Return a request line for the log, without the query, which may hold secrets, and with the path quoted."""
    path = quote(head["PATH_INFO"], safe=_UNQUOTED, encoding="latin-1")
    query = "?..." if head["QUERY_STRING"] else ""
    return f"{head['REQUEST_METHOD']} {path}{query} {head['SERVER_PROTOCOL']}"
