"""From the bytes of a connection to requests (RFC 9112).

The grammar is llhttp's, strict as it is by default. Here is what it lets pass and a server on the open internet must
refuse or bound: a version other than 1.0 and 1.1, no Host or two, a transfer coding other than ``chunked``, the number
and size of header fields and trailers, the overhead of chunks, bodies without an end, CONNECT.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

from ...http.body import declared_length, too_large
from ...http.refusals import (
    BadRequest,
    ExpectationFailed,
    MethodNotImplemented,
    Refusal,
    ServiceUnavailable,
    TooManyHeaders,
    UrlTooLong,
    VersionNotSupported,
)
from ..targets import origin_form
from .buffers import ReceiveBuffer
from .known_heads import KnownHeads
from .limits import Head, ParserLimits
from .messages import refusal_message

__all__ = ["ParsedRequest", "ParserLimits", "RequestParser"]

# How many bytes of chunk framing (sizes, extensions) a body may have: some in any case, and so many for each byte of
# data. A client that sends byte by byte has 5 for each; 10 leaves room for extensions that somebody may really use.
_FREE_OVERHEAD_BYTES = 16 * 1024
_OVERHEAD_FACTOR = 10

# Bound the cache of field names; clients choose these.
_MOST_NAMES = 1000
_LONGEST_NAME_BYTES = 64

# Fields whose repetition would say two things about one request. Of Content-Length, llhttp refuses a second one.
_SINGLE = frozenset({"HTTP_HOST", "CONTENT_TYPE", "HTTP_AUTHORIZATION", "HTTP_EXPECT", "HTTP_ORIGIN"})

_SEPARATORS = {"HTTP_COOKIE": "; "}  # RFC 9113, section 8.2.3; other lists are joined by commas

_VERSIONS = ("1.1", "1.0")

_END_OF_HEAD = b"\r\n\r\n"

# None stands for a name with an underscore: as a CGI variable it would pass for another field.
_variables: dict[bytes, str | None] = {b"Content-Type": "CONTENT_TYPE", b"Content-Length": "CONTENT_LENGTH"}


@dataclass(slots=True, eq=False)
class ParsedRequest:
    """A complete request.

    Attributes:
        head: Its head as the CGI variables that a WSGI environ has (RFC 3875, section 4.1; PEP 3333).
        body: Its body.
        is_http_1_1: Whether it is HTTP/1.1; else HTTP/1.0.
        keeps_alive: Whether the connection is to go on: at first, whether the client wants that.
    """

    head: Head
    body: ReceiveBuffer
    is_http_1_1: bool
    keeps_alive: bool


class RequestParser:
    """Parses the requests of one connection.

    Args:
        limits: What a request may be.
        connection_variables: What the head of each request of this connection has too.
        known_heads: The heads that all connections of an address have parsed; None to parse each one.

    Attributes:
        messages: The complete requests in order, and at the end the refusal of what came after them.
        is_in_head: Whether a head has begun and is not complete.
        is_in_body: Whether a body has begun and is not complete.
        awaits_continue: Whether the client sends the body only after ``100 Continue``.
        is_finished: Whether nothing more is parsed: a request was the last one, or was refused.
        body: The body that is coming, or came last.
    """

    def __init__(self, limits: ParserLimits, connection_variables: Head, known_heads: KnownHeads | None = None) -> None:
        self.messages: deque[ParsedRequest | Refusal] = deque()
        self.is_in_head = self.is_in_body = self.awaits_continue = self.is_finished = False
        self.body: ReceiveBuffer | None = None
        self._limits = limits
        self._connection_variables = connection_variables
        self._known_heads = known_heads
        self._head: Head = {}
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._unparsed_bytes = self._body_wire_bytes = self._dataless_bytes = self._body_limit = 0
        self._body_setting = ""
        self._is_http_1_1 = True
        self._body_head = b""  # what begins the body of a request to change the protocol
        self._refusal: Refusal | None = None
        self._parser: Any = httptools.HttpRequestParser(self)

    @property
    def head(self) -> Head:
        """The head that is coming or came last, as CGI variables."""
        return self._head

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants the connection to go on after the request whose head came last."""
        return self._parser.should_keep_alive() if self.is_in_body else not self.is_finished

    def feed(self, data: bytes) -> None:
        """Parse what has come."""
        known = self._known_heads
        if known is None or self.is_in_head or self.is_in_body or self.is_finished or self.messages:
            self._feed_all(data)
            return
        head_bytes = data[: data.find(_END_OF_HEAD) + len(_END_OF_HEAD)]
        if not self._take_known(head_bytes, data, known):
            self._feed_all(data)
            if self.messages:
                self._learn(head_bytes, data, known)

    def refusal_answer(self, refusal: Refusal, head: Head | None = None, *, keeps_alive: bool = False) -> bytes:
        """Return the answer that refuses a request.

        Args:
            refusal: What it says.
            head: The head of the request; None for the one that is coming or came last, as far as it is known.
            keeps_alive: Whether the connection goes on.
        """
        if head is None:
            # Before a target, llhttp has the method of the request before.
            method = self._parser.get_method().decode("latin-1") if self._target else ""
            head = {"REQUEST_METHOD": method, **self._head}
        headers = self._limits.refusal_headers(head) if "PATH_INFO" in head else []
        # To a HEAD request, the bytes of a body would be the next answer.
        return refusal_message(refusal, headers, is_head=head["REQUEST_METHOD"] == "HEAD", keeps_alive=keeps_alive)

    def close(self) -> None:
        """Let go of the parser, which refers back to this object; the collector may come late."""
        self._parser = None
        if self.body is not None and self.is_in_body:
            self.body.close()
        for message in self.messages:
            if isinstance(message, ParsedRequest):
                message.body.close()
        self.messages.clear()
        self.is_in_head = self.is_in_body = self.awaits_continue = False
        self.is_finished = True

    def _feed_all(self, data: bytes) -> None:
        while data and not self.is_finished:
            data = self._feed(data)

    def _take_known(self, head_bytes: bytes, data: bytes, known_heads: KnownHeads) -> bool:
        """Take a whole request whose head has come before; False where it has to be parsed.

        llhttp does not notice: it is between two requests before and after.
        """
        known = known_heads.find(head_bytes)
        end = len(head_bytes)
        if known is None or len(data) != end + known.body_bytes:
            return False
        self._head = {**known.variables, **self._connection_variables}
        self.body = ReceiveBuffer(self._limits.spool_body_bytes, data[end:])
        self.messages.append(ParsedRequest(self._head, self.body, known.is_http_1_1, keeps_alive=True))
        return True

    def _learn(self, head_bytes: bytes, data: bytes, known_heads: KnownHeads) -> None:
        """Note the head, where the data is one request and nothing else."""
        request = self.messages[0]
        if (
            isinstance(request, ParsedRequest)
            and request.keeps_alive
            and not (self.is_in_head or self.is_in_body or len(self.messages) > 1)
            and data[:1] not in b"\r\n"  # which llhttp skips before a request line
            and request.body.size <= min(self._limits.max_body_bytes, self._limits.spool_body_bytes)
            and len(head_bytes) + request.body.size == len(data)
        ):
            known_heads.learn(head_bytes, request.head, self._connection_variables)

    def _feed(self, data: bytes) -> bytes:
        """Parse, and return what is left for another parser."""
        began_in_head, began_in_body = self.is_in_head, self.is_in_body
        head, body_bytes = self._head, self.body.size if self.body is not None else 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            # A request to change the protocol may be ignored (RFC 9110, section 7.8). llhttp stops behind its head.
            self._parser = httptools.HttpRequestParser(self)
            return self._body_head + data[exc.args[0] :]
        except httptools.HttpParserError as exc:
            # Behind the last request, llhttp refuses whatever comes: it is not read.
            if not self.is_finished:
                self._refuse(self._refusal or BadRequest(f"malformed request: {exc}"))
            return b""
        if self._head is head:  # else another request has begun, and most of the data may have been before it
            if began_in_head and self.is_in_head:
                self._count_head(len(data))
            elif began_in_body and self.is_in_body:
                self._count_body(len(data), body_bytes)
        return b""

    def _refuse(self, refusal: Refusal) -> None:
        if self.is_in_body and self.body is not None:
            self.body.close()
        if not (self.is_in_head or self.is_in_body):  # nothing of a request has come: the last head is not of this one
            self._head = {**self._connection_variables, "REQUEST_METHOD": ""}
        # Its frames refer to this object, and the collector may come late.
        refusal.__traceback__ = refusal.__context__ = None
        self.is_finished = True
        self.is_in_head = self.is_in_body = self.awaits_continue = False
        self.messages.append(refusal)

    def _stop(self, refusal: Refusal) -> None:
        """Refuse from inside a callback: llhttp stops when it raises."""
        self._refusal = refusal
        raise refusal

    def _count_head(self, unparsed_bytes: int) -> None:
        """Bound a field or target that does not end: llhttp passes it on only when it is complete."""
        self._unparsed_bytes += unparsed_bytes
        if self._unparsed_bytes > self._limits.max_head_bytes:
            self._refuse(head_too_large(self._limits))

    def _count_body(self, wire_bytes: int, bytes_before: int) -> None:
        """Bound what stands around the data of chunks, and behind it."""
        self._body_wire_bytes += wire_bytes
        data_bytes = self.body.size if self.body is not None else 0
        self._dataless_bytes = self._dataless_bytes + wire_bytes if data_bytes == bytes_before else 0
        if self._dataless_bytes > self._limits.max_head_bytes:  # llhttp keeps a trailer until it is complete
            self._refuse(TooManyHeaders(f"the trailers are over max_head_bytes ({self._limits.max_head_bytes} bytes)"))
        elif self._body_wire_bytes > _FREE_OVERHEAD_BYTES + _OVERHEAD_FACTOR * data_bytes:
            self._refuse(BadRequest("the body has more chunk framing than data"))

    # What llhttp calls, in this order.

    def on_message_begin(self) -> None:
        """Begin with a request."""
        if self._body_head:
            return
        self.is_in_head = True
        self._head = self._connection_variables.copy()
        self._target = b""
        self._fields = []
        self._unparsed_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take the request target, or a part of it."""
        self._target = target = self._target + url
        limit = self._limits.max_url_bytes
        if len(target) > limit and len(target) - (b"?" in target) > limit:  # path and query; the mark is of neither
            self._stop(UrlTooLong(f"the URL is over max_url_bytes ({limit} bytes)"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; behind the body, a trailer, which nobody asks for (RFC 9110, section 6.5.1)."""
        fields = self._fields
        fields.append((name, value))
        if len(fields) > self._limits.max_header_count:
            limit = self._limits.max_header_count
            self._stop(TooManyHeaders(f"more than max_header_count ({limit}) header fields"))

    def on_headers_complete(self) -> None:
        """Check the head, and plan the body."""
        if self._body_head:
            self._body_head, self._fields = b"", []
            return
        try:
            self._add_fields()
            self._add_request_line()
            self._plan_body()
        except Refusal as refusal:
            self._stop(refusal)
        if "HTTP_UPGRADE" in self._head and self._parser.should_upgrade():
            self._body_head, self._target = self._make_body_head(), b""
        self.is_in_head = False
        self.is_in_body = True
        self._fields = []  # from now on of trailers
        self._body_wire_bytes = self._dataless_bytes = 0

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        body = self.body
        self.awaits_continue = False
        if body is not None:
            if body.size + len(data) > self._body_limit:
                self._stop(too_large(self._body_limit, self._body_setting))
            try:
                body.append(data)
            except OSError as exc:
                self._stop(not_stored(exc))

    def on_message_complete(self) -> None:
        """Pass the request on."""
        if self._body_head:
            return
        keeps_alive = self._parser.should_keep_alive()
        if self.body is not None and self.body.size > self._limits.spool_body_bytes:
            try:
                self.body.complete()
            except OSError as exc:
                self._stop(not_stored(exc))
        self.messages.append(ParsedRequest(self._head, self.body, self._is_http_1_1, keeps_alive))  # type: ignore[arg-type]
        self.is_in_body = self.awaits_continue = False
        self.is_finished = not keeps_alive

    def _make_body_head(self) -> bytes:
        """Return a head for another parser to read a body by; empty where there is none.

        llhttp takes no body of a request to change the protocol: its bytes would be the next request. Java's
        ``java.net.http`` sends each first request so, also a POST.
        """
        if "HTTP_TRANSFER_ENCODING" in self._head:
            framing = "Transfer-Encoding: chunked"
        elif "CONTENT_LENGTH" in self._head:
            framing = f"Content-Length: {self._head['CONTENT_LENGTH']}"
        else:
            return b""
        connection = "keep-alive" if self._parser.should_keep_alive() else "close"
        version = self._head["SERVER_PROTOCOL"]
        return f"POST / {version}\r\nConnection: {connection}\r\n{framing}\r\n\r\n".encode("latin-1")

    def _add_fields(self) -> None:
        head, size = self._head, 0
        for name, value in self._fields:
            size += len(name) + len(value)
            variable = _variables[name] if name in _variables else variable_of(name)
            if variable is None:
                continue
            text = value.decode("latin-1").rstrip(" \t")  # RFC 9112, section 5.1; llhttp removes what is before it only
            head[variable] = self._combined(variable, text) if variable in head else text
        if size > self._limits.max_head_bytes:
            raise head_too_large(self._limits)

    def _combined(self, variable: str, value: str) -> str:
        """Return the value of a field that comes again."""
        if variable in _SINGLE:
            raise BadRequest(f"more than one {field_of(variable)} field")
        return f"{self._head[variable]}{_SEPARATORS.get(variable, ', ')}{value}"

    def _add_request_line(self) -> None:
        head, parser = self._head, self._parser
        method, version = parser.get_method(), parser.get_http_version()
        if version not in _VERSIONS:
            raise VersionNotSupported(f"HTTP/{version} is not served; use HTTP/1.1")
        if method == b"CONNECT":
            raise MethodNotImplemented("CONNECT is not served")
        self._is_http_1_1 = is_http_1_1 = version == "1.1"
        head["REQUEST_METHOD"] = method.decode("latin-1")
        head["SERVER_PROTOCOL"] = "HTTP/1.1" if is_http_1_1 else "HTTP/1.0"
        target = self._target.decode("latin-1")
        if target[0] != "/":
            target = origin_form(target, head.get("HTTP_HOST"))
        path, _, query = target.partition("?")
        head["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
        head["QUERY_STRING"] = query
        if is_http_1_1 and "HTTP_HOST" not in head:
            raise BadRequest("the request has no Host")

    def _plan_body(self) -> None:
        head, limits = self._head, self._limits
        self.body = ReceiveBuffer(limits.spool_body_bytes)
        self._body_limit, self._body_setting = limits.max_body_bytes, "max_body_bytes"
        coding = head.get("HTTP_TRANSFER_ENCODING")
        if coding is not None and (coding.lower() != "chunked" or not self._is_http_1_1):
            raise BadRequest("Transfer-Encoding is not 'chunked', or the request is HTTP/1.0")
        expectation = head.get("HTTP_EXPECT")
        if expectation is not None and expectation.lower() != "100-continue":
            raise ExpectationFailed(f"Expect {expectation!r} is not known; 100-continue is")
        if coding is None and "CONTENT_LENGTH" not in head:
            return
        if coding is not None or expectation is not None or int(head["CONTENT_LENGTH"]) > limits.max_body_bytes:
            self._body_limit, self._body_setting = limits.body_limit(head)
            declared_length(head, self._body_limit, self._body_setting)
            self.awaits_continue = expectation is not None and self._is_http_1_1


def head_too_large(limits: ParserLimits) -> TooManyHeaders:
    return TooManyHeaders(f"the head is over max_head_bytes ({limits.max_head_bytes} bytes)")


def not_stored(exc: OSError) -> ServiceUnavailable:
    """Return the refusal of a body for which there is no room on the disk."""
    return ServiceUnavailable(f"the body cannot be stored: {exc.strerror}")


def variable_of(name: bytes) -> str | None:
    """Return the CGI variable of a header field, and remember it."""
    variable = None if b"_" in name else cgi_name(name.decode("latin-1"))
    if len(_variables) < _MOST_NAMES and len(name) <= _LONGEST_NAME_BYTES:
        _variables[name] = variable
    return variable


def cgi_name(name: str) -> str:
    upper = name.upper().replace("-", "_")
    return upper if upper in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{upper}"


def field_of(variable: str) -> str:
    return variable.removeprefix("HTTP_").replace("_", "-").title()
