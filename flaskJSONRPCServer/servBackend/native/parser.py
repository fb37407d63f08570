"""Parsing the bytes of a connection into requests (RFC 9112).

llhttp parses the grammar, in its strict default mode. This module refuses or bounds the rest, as a server on the open
internet must: a version other than 1.0 and 1.1, no Host, two or a malformed one, a fragment, a transfer coding other
than ``chunked``, the number and size of header fields and trailers, the overhead of chunks, bodies without an end,
CONNECT.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

from ...http.body import declared_length, too_large
from ...http.guard import check_host
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

# How many bytes of chunk framing (sizes, extensions) a body may have: a fixed allowance, plus a factor for each byte of
# data. A client that sends one-byte chunks has 5 bytes of framing for each; 10 leaves room for real extensions.
_FREE_OVERHEAD_BYTES = 16 * 1024
_OVERHEAD_FACTOR = 10

# Bounds of the cache of field names, which clients choose.
_MAX_NAMES = 1000
_MAX_NAME_BYTES = 64

# Fields that must not be repeated (RFC 9110, section 5.5). llhttp itself refuses a second Content-Length.
_SINGLETON_FIELDS = frozenset({"HTTP_HOST", "CONTENT_TYPE", "HTTP_AUTHORIZATION", "HTTP_EXPECT", "HTTP_ORIGIN"})

_SEPARATORS = {"HTTP_COOKIE": "; "}  # RFC 9113, section 8.2.3; other lists are joined with commas

_VERSIONS = ("1.1", "1.0")

_END_OF_HEAD = b"\r\n\r\n"

# None marks a name with an underscore: as a CGI variable, it would be mistaken for another field.
_variables: dict[bytes, str | None] = {b"Content-Type": "CONTENT_TYPE", b"Content-Length": "CONTENT_LENGTH"}


@dataclass(slots=True, eq=False)
class ParsedRequest:
    """A complete request.

    Attributes:
        head: The head as the CGI variables of a WSGI environ (RFC 3875, section 4.1; PEP 3333).
        body: The body.
        is_http_1_1: Whether the request is HTTP/1.1, not HTTP/1.0.
        keeps_alive: Whether the connection goes on after the answer. At first, the wish of the client.
    """

    head: Head
    body: ReceiveBuffer
    is_http_1_1: bool
    keeps_alive: bool


class RequestParser:
    """Parses the requests of one connection.

    Args:
        limits: The limits on one request.
        connection_variables: CGI variables to add to the head of each request of this connection.
        known_heads: The cache of heads that all connections of an address share; None to parse every head.

    Attributes:
        completed: The complete requests in order, followed by a refusal if the input after them is refused.
        is_in_head: Whether a head has begun and is incomplete.
        is_in_body: Whether a body has begun and is incomplete.
        awaits_continue: Whether the client sends the body only after ``100 Continue``.
        is_finished: Whether further input is ignored: a request was the last one, or was refused.
        body: The current or latest body.
    """

    def __init__(self, limits: ParserLimits, connection_variables: Head, known_heads: KnownHeads | None = None) -> None:
        self.completed: deque[ParsedRequest | Refusal] = deque()
        self.is_in_head = self.is_in_body = self.awaits_continue = self.is_finished = False
        self.body: ReceiveBuffer | None = None
        self._limits = limits
        self._connection_variables = connection_variables
        self._known_heads = known_heads
        self._head: Head = {}
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._unparsed_bytes = self._body_wire_bytes = self._dataless_bytes = self._body_limit = 0
        self._declared_bytes = 0
        self._body_setting = ""
        self._is_http_1_1 = True
        self._body_head = b""  # a head for the parser that reads the body of an upgrade request
        self._refusal: Refusal | None = None
        self._parser: Any = httptools.HttpRequestParser(self)

    @property
    def head(self) -> Head:
        """The current or latest head, as CGI variables."""
        return self._head

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants the connection to go on after the latest request."""
        return self._parser.should_keep_alive() if self.is_in_body else not self.is_finished

    @property
    def body_memory_bytes(self) -> int:
        """How many bytes of memory the body that is coming holds or, if it declared its length, will hold."""
        body = self.body
        if not self.is_in_body or body is None:
            return 0
        if self._declared_bytes <= self._limits.spool_body_bytes:
            return max(self._declared_bytes, body.memory_bytes)
        return body.memory_bytes

    @property
    def body_spooled_bytes(self) -> int:
        """How many bytes of a file the body that is coming takes or, if it declared its length, will take."""
        body = self.body
        if not self.is_in_body or body is None:
            return 0
        if self._declared_bytes > self._limits.spool_body_bytes:
            return self._declared_bytes
        return body.spooled_bytes

    def head_refusal(self) -> Refusal | None:
        """Return why the current request would be refused by its head alone, whatever its body is; else None."""
        try:
            self._limits.check_head(self._head)
        except Refusal as refusal:
            refusal.__traceback__ = refusal.__context__ = None  # its frames refer to this object
            return refusal
        return None

    def feed(self, data: bytes) -> None:
        """Parse received bytes."""
        known = self._known_heads
        if known is None or self.is_in_head or self.is_in_body or self.is_finished or self.completed:
            self._feed_all(data)
            return
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        head_bytes = data[:end]
        head = known.find(head_bytes)
        if head is not None and len(data) == end + head.body_bytes:
            # A complete request, which leaves llhttp untouched: it is between two requests before and after.
            self._head = {**head.variables, **self._connection_variables}
            self.body = ReceiveBuffer(self._limits.spool_body_bytes, data[end:])
            self.completed.append(ParsedRequest(self._head, self.body, head.is_http_1_1, keeps_alive=True))
            return
        self._feed_all(data)
        if self.completed:
            self._learn(head_bytes, data, known)

    def refusal_answer(self, refusal: Refusal, head: Head | None = None, *, keeps_alive: bool = False) -> bytes:
        """Return the answer that refuses a request.

        Args:
            refusal: The reason.
            head: The head of the request; None for the current or latest one, as far as it has been parsed.
            keeps_alive: Whether the connection goes on.
        """
        if head is None:
            # Before a target, llhttp has the method of the request before.
            method = self._parser.get_method().decode("latin-1") if self._target else ""
            head = {"REQUEST_METHOD": method, **self._head}
        self._limits.observe_refusal(head, refusal)
        headers = self._limits.refusal_headers(head) if "PATH_INFO" in head else []
        # A HEAD request gets no body: the client would read its bytes as the next answer.
        return refusal_message(refusal, headers, is_head=head["REQUEST_METHOD"] == "HEAD", keeps_alive=keeps_alive)

    def close(self) -> None:
        """Drop the llhttp parser and all bodies.

        The llhttp parser refers back to this object, and the garbage collector may come late.
        """
        self._parser = None
        if self.body is not None and self.is_in_body:
            self.body.close()
        for message in self.completed:
            if isinstance(message, ParsedRequest):
                message.body.close()
        self.completed.clear()
        self.is_in_head = self.is_in_body = self.awaits_continue = False
        self.is_finished = True

    def _feed_all(self, data: bytes) -> None:
        while data and not self.is_finished:
            data = self._feed(data)

    def _learn(self, head_bytes: bytes, data: bytes, known_heads: KnownHeads) -> None:
        """Remember the head if the data is exactly one request."""
        request = self.completed[0]
        if (
            isinstance(request, ParsedRequest)
            and request.keeps_alive
            and not (self.is_in_head or self.is_in_body or len(self.completed) > 1)
            and data[:1] not in b"\r\n"  # llhttp skips empty lines before a request line
            and request.body.size <= min(self._limits.max_body_bytes, self._limits.spool_body_bytes)
            and len(head_bytes) + request.body.size == len(data)
        ):
            known_heads.learn(head_bytes, request.head, self._connection_variables)

    def _feed(self, data: bytes) -> bytes:
        """Parse bytes. Return those that a new parser must parse."""
        began_in_head, began_in_body = self.is_in_head, self.is_in_body
        head, body_bytes = self._head, self.body.size if self.body is not None else 0
        completed = len(self.completed)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            # A server may ignore Upgrade (RFC 9110, section 7.8), and this one does. But llhttp stops after such a
            # head, so a new parser goes on, beginning with a head that frames the body.
            self._parser = httptools.HttpRequestParser(self)
            return self._body_head + data[exc.args[0] :]
        except httptools.HttpParserError as exc:
            # After the last request, llhttp refuses any input, which is to be ignored.
            if not self.is_finished:
                if not (began_in_head or began_in_body) and len(self.completed) == completed:
                    self._note_head(data)
                self._refuse(self._refusal or self._malformed(exc))
            return b""
        if self._head is head:  # else another request has begun, and most of the data may belong to the one before
            if began_in_head and self.is_in_head:
                self._count_head(len(data))
            elif began_in_body and self.is_in_body:
                self._count_body(len(data), body_bytes)
        return b""

    def _note_head(self, data: bytes) -> None:
        """Note that a request is a HEAD, given its first bytes: of a target that llhttp refuses, it reports no part."""
        if self.is_in_head and data.lstrip(b"\r\n").startswith(b"HEAD "):
            self._head["REQUEST_METHOD"] = "HEAD"

    def _malformed(self, exc: httptools.HttpParserError) -> Refusal:
        if self._target == b"*" and self._parser.get_method() == b"PRI":  # RFC 9113, section 3.4
            return VersionNotSupported("HTTP/2 is not served; the client or proxy must send HTTP/1.1")
        return BadRequest(f"malformed request: {exc}")

    def _refuse(self, refusal: Refusal) -> None:
        if self.is_in_body and self.body is not None:
            self.body.close()
        if not (self.is_in_head or self.is_in_body):  # nothing of a request has come: the last head is not of this one
            self._head = {**self._connection_variables, "REQUEST_METHOD": ""}
        # Its frames refer to this object, and the collector may come late.
        refusal.__traceback__ = refusal.__context__ = None
        self.is_finished = True
        self.is_in_head = self.is_in_body = self.awaits_continue = False
        self.completed.append(refusal)

    def _stop(self, refusal: Refusal) -> None:
        """Refuse from inside a callback, which stops llhttp by raising."""
        self._refusal = refusal
        raise refusal

    def _count_head(self, unparsed_bytes: int) -> None:
        """Bound a field or target that does not end: llhttp reports it only when it is complete."""
        self._unparsed_bytes += unparsed_bytes
        if self._unparsed_bytes > self._limits.max_head_bytes:
            self._refuse(head_too_large(self._limits))

    def _count_body(self, wire_bytes: int, bytes_before: int) -> None:
        """Bound the framing of chunks, and the trailers."""
        self._body_wire_bytes += wire_bytes
        data_bytes = self.body.size if self.body is not None else 0
        self._dataless_bytes = self._dataless_bytes + wire_bytes if data_bytes == bytes_before else 0
        if self._dataless_bytes > self._limits.max_head_bytes:  # llhttp buffers a trailer until it is complete
            self._refuse(TooManyHeaders(f"the trailers are over max_head_bytes ({self._limits.max_head_bytes} bytes)"))
        elif self._body_wire_bytes > _FREE_OVERHEAD_BYTES + _OVERHEAD_FACTOR * data_bytes:
            self._refuse(BadRequest("the body has more chunk framing than data"))

    # llhttp calls these methods, in this order.

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._body_head:
            return
        self.is_in_head = True
        self._head = self._connection_variables.copy()
        self._target = b""
        self._fields = []
        self._unparsed_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Receive the request target, or a part of it."""
        self._target = target = self._target + url
        limit = self._limits.max_url_bytes
        if len(target) > limit and len(target) - (b"?" in target) > limit:  # the question mark does not count
            self._stop(UrlTooLong(f"the URL is over max_url_bytes ({limit} bytes)"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive a header field, or after the body a trailer, which is then ignored (RFC 9110, section 6.5.1)."""
        fields = self._fields
        fields.append((name, value))
        if len(fields) > self._limits.max_header_count:
            limit = self._limits.max_header_count
            self._stop(TooManyHeaders(f"more than max_header_count ({limit}) header fields"))

    def on_headers_complete(self) -> None:
        """Check the head, and prepare for the body."""
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
        self._fields = []  # from here on, trailers
        self._body_wire_bytes = self._dataless_bytes = 0

    def on_body(self, data: bytes) -> None:
        """Receive a part of the body."""
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
        """Append the complete request."""
        if self._body_head:
            return
        keeps_alive = self._parser.should_keep_alive()
        if self.body is not None and self.body.size > self._limits.spool_body_bytes:
            try:
                self.body.complete()
            except OSError as exc:
                self._stop(not_stored(exc))
        self.completed.append(ParsedRequest(self._head, self.body, self._is_http_1_1, keeps_alive))  # type: ignore[arg-type]
        self.is_in_body = self.awaits_continue = False
        self.is_finished = not keeps_alive

    def _make_body_head(self) -> bytes:
        """Return a head by which a new parser reads the body of an upgrade request; empty if it has no body.

        llhttp does not parse the body of an upgrade request: it would read its bytes as the next request. Java's
        ``java.net.http`` sends ``Upgrade: h2c`` with each first request, POST included.
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
            variable = _variables[name] if name in _variables else cgi_variable(name)
            if variable is None:
                continue
            text = value.decode("latin-1").rstrip(" \t")  # RFC 9112, section 5.1; llhttp strips leading space only
            head[variable] = self._combine(variable, text) if variable in head else text
        if size > self._limits.max_head_bytes:
            raise head_too_large(self._limits)

    def _combine(self, variable: str, value: str) -> str:
        """Join the values of a repeated field.

        Raises:
            BadRequest: The field must not be repeated.
        """
        if variable in _SINGLETON_FIELDS:
            raise BadRequest(f"more than one {field_name(variable)} field")
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
        target, host = self._target.decode("latin-1"), head.get("HTTP_HOST")
        if "#" in target:
            raise BadRequest("the request target has a fragment")
        if target[0] != "/":
            target = origin_form(target, host)
        path, _, query = target.partition("?")
        head["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
        head["QUERY_STRING"] = query
        if host is not None:
            check_host(host)
        elif is_http_1_1:
            raise BadRequest("the request has no Host")

    def _plan_body(self) -> None:
        head, limits = self._head, self._limits
        self._declared_bytes = declared_bytes = int(head.get("CONTENT_LENGTH", 0))
        # A body that will not stay in memory goes to a file from its first byte, and needs no room in memory.
        self.body = ReceiveBuffer(0 if declared_bytes > limits.spool_body_bytes else limits.spool_body_bytes)
        self._body_limit, self._body_setting = limits.max_body_bytes, "max_body_bytes"
        coding = head.get("HTTP_TRANSFER_ENCODING")
        if coding is not None and (coding.lower() != "chunked" or not self._is_http_1_1):
            raise BadRequest("Transfer-Encoding is not 'chunked', or the request is HTTP/1.0")
        expectation = head.get("HTTP_EXPECT")
        if expectation is not None and expectation.lower() != "100-continue":
            raise ExpectationFailed(f"Expect {expectation!r} is not known; 100-continue is")
        if coding is None and "CONTENT_LENGTH" not in head:
            return
        if coding is not None or expectation is not None or declared_bytes > limits.max_body_bytes:
            self._body_limit, self._body_setting = limits.body_limit(head)
            declared_length(head, self._body_limit, self._body_setting)
            self.awaits_continue = expectation is not None and self._is_http_1_1


def head_too_large(limits: ParserLimits) -> TooManyHeaders:
    return TooManyHeaders(f"the head is over max_head_bytes ({limits.max_head_bytes} bytes)")


def not_stored(exc: OSError) -> ServiceUnavailable:
    """Return the refusal of a body for which there is no room on the disk."""
    return ServiceUnavailable(f"the body cannot be stored: {exc.strerror}")


def cgi_variable(name: bytes) -> str | None:
    """Return the CGI variable of a header field; None for a name with an underscore. The result is cached."""
    variable = None if b"_" in name else cgi_name(name.decode("latin-1"))
    if len(_variables) < _MAX_NAMES and len(name) <= _MAX_NAME_BYTES:
        _variables[name] = variable
    return variable


def cgi_name(name: str) -> str:
    upper = name.upper().replace("-", "_")
    return upper if upper in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{upper}"


def field_name(variable: str) -> str:
    return variable.removeprefix("HTTP_").replace("_", "-").title()
