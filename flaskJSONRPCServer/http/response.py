"""One HTTP answer: its status, headers and body, and the additions of dispatchers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from wsgiref.util import is_hop_by_hop

from .refusals import Refusal

if TYPE_CHECKING:
    import werkzeug.wrappers

__all__ = [
    "NO_CONTENT",
    "Header",
    "HeaderError",
    "Outgoing",
    "Response",
    "as_werkzeug",
    "calculated_type",
    "checked_header",
    "compressed",
    "encoded",
    "from_werkzeug",
    "json_document",
    "json_response",
    "merged_headers",
    "refusal_response",
    "server_error_response",
    "text_response",
]

_JSON_TYPE = "application/json"
_JAVASCRIPT_TYPE = "text/javascript; charset=utf-8"

Header = tuple[str, str]

NO_CONTENT = "204 No Content"
"""The status of the answer to notifications alone."""

_JSON = ("Content-Type", _JSON_TYPE)
_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_NOSNIFF = ("X-Content-Type-Options", "nosniff")

# field-name and field-value of RFC 9110, sections 5.1 and 5.5; a value is sent as ISO-8859-1 (PEP 3333).
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# A domain outside ASCII is sent in its ASCII form (RFC 5890).
_DOMAIN = re.compile(r"[^\s,;:=/]+")

# Their values are lists of the names of headers, in which further names can be added.
_LISTS_OF_NAMES = frozenset({"access-control-expose-headers", "vary"})

# Only the server sets these: a value from a dispatcher could contradict the actual body. The same holds for hop-by-hop
# headers, which no WSGI application may set (PEP 3333).
_FRAMING = frozenset({"content-encoding", "content-length", "trailer"})

# The attributes after the value, each with a semicolon before it.
_COOKIE_ATTRIBUTES = ("expires", "domain", "path", "secure", "httponly", "samesite")
_COOKIE_KEYS = frozenset({"name", "value", *_COOKIE_ATTRIBUTES})


class HeaderError(ValueError):
    """A dispatcher set a header or a cookie that cannot be sent. The answer is 500 and has none of them."""


class Response:
    """An answer in the form of WSGI.

    Args:
        status: The code and reason, such as ``200 OK``.
        headers: The pairs of name and value, in order; None for those of a plain JSON answer, which has none without a
            body.
        body: The bytes after the headers.

    Attributes:
        status, body: As given.
        headers_if_any: The :attr:`headers`, if something has used them; None means a plain JSON answer. ``native``
            writes such an answer without them.
    """

    __slots__ = ("body", "headers_if_any", "status")

    def __init__(self, status: str, headers: list[Header] | None, body: bytes = b"") -> None:
        self.status = status
        self.headers_if_any = headers
        self.body = body

    @property
    def headers(self) -> list[Header]:
        """The pairs of name and value, in order."""
        headers = self.headers_if_any
        if headers is None:
            headers = [_JSON, ("Content-Length", str(len(self.body))), _NOSNIFF] if self.body else []
            self.headers_if_any = headers
        return headers

    @headers.setter
    def headers(self, headers: list[Header]) -> None:
        self.headers_if_any = headers


_new_response = Response.__new__


@dataclass(slots=True)
class Outgoing:
    """The changes that the dispatchers of one request make to its answer.

    Attributes:
        allow_compress: Whether the body may be compressed.
        jsonp: The JSONP output format; False for plain JSON.
        mime_type: The media type; None for the default, which depends on ``jsonp``.
        headers: Further header fields.
        cookies: Cookies in the form of ``cookiesOut``.
    """

    allow_compress: bool
    jsonp: str | bool = False
    mime_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def content_type(self) -> str:
        """The media type of the answer."""
        return self.mime_type or (_JAVASCRIPT_TYPE if self.jsonp else _JSON_TYPE)

    def header_lines(self) -> list[Header]:
        """Check the headers and cookies and return them as header fields.

        Raises:
            HeaderError: A header or cookie cannot be sent.
        """
        lines = [checked_header(name, value) for name, value in self.headers.items()]
        return lines + [checked_header("Set-Cookie", set_cookie(cookie)) for cookie in self.cookies]


def checked_header(name: object, value: object) -> Header:
    """Check a header field and return it as it is sent.

    Raises:
        HeaderError: The name or the value is invalid, or only the server may set the field.
    """
    text = str(value)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise HeaderError(f"header name {name!r} is not a token (RFC 9110, section 5.1)")
    if name.lower() in _FRAMING or is_hop_by_hop(name):
        raise HeaderError(f"header {name!r} is set by the server alone")
    if not _VALUE.fullmatch(text):
        raise HeaderError(f"header {name!r} has a character that no header can hold: {text!r}")
    return name, text


def set_cookie(cookie: Mapping[str, Any]) -> str:
    """Return the Set-Cookie value for one entry of ``cookiesOut``.

    Raises:
        HeaderError: The cookie is invalid, or would set further attributes.
    """
    check_cookie(cookie)
    name, domain = str(cookie["name"]), cookie.get("domain")
    from werkzeug.http import dump_cookie

    try:
        return dump_cookie(
            name,
            str(cookie["value"]),
            expires=cookie.get("expires"),
            path=cookie.get("path", "/"),
            domain=None if domain is None else str(domain),
            secure=bool(cookie.get("secure", False)),
            httponly=bool(cookie.get("httponly", False)),
            samesite=cookie.get("samesite"),
            max_size=0,
        )
    except (TypeError, ValueError) as exc:
        raise HeaderError(f"cookie {name!r} cannot be sent: {exc}") from exc


def check_cookie(cookie: Mapping[str, Any]) -> None:
    if unknown := set(cookie) - _COOKIE_KEYS:
        raise HeaderError(f"cookie {cookie.get('name')!r} has unknown keys: {', '.join(sorted(map(str, unknown)))}")
    if "name" not in cookie or "value" not in cookie:
        raise HeaderError(f"cookie {dict(cookie)!r} needs 'name' and 'value'")
    name = str(cookie["name"])
    # Werkzeug would quote them in a value: harmless, but never intended.
    if any(char < " " or char == "\x7f" for value in cookie.values() for char in str(value)):
        raise HeaderError(f"cookie {name!r} has a control character: {dict(cookie)!r}")
    if not _NAME.fullmatch(name):
        raise HeaderError(f"cookie name {name!r} is not a token (RFC 6265, section 4.1.1)")
    check_cookie_attributes(name, cookie)


def check_cookie_attributes(name: str, cookie: Mapping[str, Any]) -> None:
    for attribute in _COOKIE_ATTRIBUTES:
        if ";" in str(cookie.get(attribute, "")):
            raise HeaderError(f"cookie {name!r} has a semicolon in its {attribute}: {cookie[attribute]!r}")
    domain = cookie.get("domain")
    if domain is not None and not is_host_name(str(domain)):
        raise HeaderError(f"cookie {name!r} has a domain that is no host name: {domain!r}")


def is_host_name(domain: str) -> bool:
    """Return whether a domain is a host name in its ASCII form: IDNA turns U+FF1B into a semicolon."""
    try:
        return _DOMAIN.fullmatch(domain.lstrip(".").encode("idna").decode("ascii")) is not None
    except UnicodeError:
        return False


def merged_headers(headers: list[Header], extra: Iterable[Header]) -> list[Header]:
    """Return ``headers`` with ``extra``: lists of header names are extended, Set-Cookie repeated, others replaced."""
    merged = list(headers)
    for name, value in extra:
        lower = name.lower()
        if lower in _LISTS_OF_NAMES:
            value = joined_names(merged, lower, value)
        if lower != "set-cookie":
            merged = [line for line in merged if line[0].lower() != lower]
        merged.append((name, value))
    return merged


def joined_names(headers: list[Header], lower: str, value: str) -> str:
    lines = [line for name, line in headers if name.lower() == lower]
    names: dict[str, str] = {}
    for name in map(str.strip, ",".join([*lines, value]).split(",")):
        names.setdefault(name.lower(), name)
    return ", ".join(filter(None, names.values()))


def json_response(reply: bytes) -> Response:
    """Return the answer with a JSON-RPC message; 204 if the message is empty."""
    # Without __init__: there is one answer per request, and a constructor in Python takes half as long again.
    response = _new_response(Response)
    response.status, response.headers_if_any, response.body = "200 OK" if reply else NO_CONTENT, None, reply
    return response


def encoded(response: Response, coding: str, body: bytes) -> Response:
    """Return the answer with its body replaced by the same body under a content coding."""
    framing = [("Content-Length", str(len(body))), ("Content-Encoding", coding)]
    return Response(response.status, merged_headers(response.headers, framing), body)


def as_werkzeug(response: Response) -> werkzeug.wrappers.Response:
    """Return the answer as a response object of Werkzeug."""
    from werkzeug.wrappers import Response as ParsedResponse

    return ParsedResponse(response.body, response.status, response.headers)


def from_werkzeug(response: werkzeug.wrappers.Response) -> Response:
    """Return the answer for a response object of Werkzeug or Flask."""
    body = response.get_data()
    headers = list(response.headers)
    if body:
        headers = merged_headers(headers, [("Content-Length", str(len(body)))])
    return Response(response.status, headers, body)


def compressed(response: werkzeug.wrappers.Response, compress: Callable[[bytes], bytes]) -> werkzeug.wrappers.Response:
    """Compress an answer in place, ignoring Accept-Encoding; implements the documented ``_compressResponse``."""
    response.set_data(compress(response.get_data()))
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    return response


def calculated_type(request: werkzeug.wrappers.Request) -> str:
    """Return the default media type of the answer to a request."""
    is_jsonp = request.method in ("GET", "HEAD") and "jsonp" in request.args
    return _JAVASCRIPT_TYPE if is_jsonp else _JSON_TYPE


def text_response(status: str, text: str) -> Response:
    """Return an answer outside JSON-RPC: one sentence as plain text."""
    body = f"{text}\n".encode("ascii", "backslashreplace")
    return Response(status, [_TEXT, ("Content-Length", str(len(body))), _NOSNIFF], body)


def json_document(value: Any, status: str = "200 OK") -> Response:
    """Return an answer outside JSON-RPC: a JSON value, which nothing may keep."""
    body = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    return Response(status, [_JSON, ("Content-Length", str(len(body))), ("Cache-Control", "no-store"), _NOSNIFF], body)


def refusal_response(refusal: Refusal) -> Response:
    """Return the answer to a refused request."""
    response = text_response(refusal.status, str(refusal))
    if refusal.retry_after_s is not None:
        response.headers.append(("Retry-After", str(refusal.retry_after_s)))
    if refusal.challenge:
        response.headers.append(("WWW-Authenticate", refusal.challenge))
    return response


def server_error_response(unique_id: str) -> Response:
    """Return the answer to a request that failed in the server. The log has the reason under the id."""
    return text_response("500 Internal Server Error", f"the server failed to answer; its log says why [{unique_id}]")
