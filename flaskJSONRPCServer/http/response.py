"""One HTTP answer: a status, headers and a body, and what a dispatcher adds to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from wsgiref.util import is_hop_by_hop

from .refusals import Refusal

if TYPE_CHECKING:
    import werkzeug.wrappers

__all__ = [
    "HeaderError",
    "Outgoing",
    "Response",
    "as_werkzeug",
    "calculated_type",
    "checked_header",
    "compressed",
    "encoded",
    "from_werkzeug",
    "json_response",
    "merged_headers",
    "refusal_response",
    "server_error_response",
]

JSON = "application/json"
JAVASCRIPT = "text/javascript; charset=utf-8"

Header = tuple[str, str]

_JSON = ("Content-Type", JSON)
_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_NOSNIFF = ("X-Content-Type-Options", "nosniff")

# field-name and field-value of RFC 9110, sections 5.1 and 5.5; a value is sent as ISO-8859-1 (PEP 3333).
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# One that is no ASCII is sent in its ASCII form (RFC 5890).
_DOMAIN = re.compile(r"[^\s,;:=/]+")

# Who frames the message sets these: one from a dispatcher could contradict the body that is really sent. The same goes
# for the hop-by-hop headers, which no WSGI application may set (PEP 3333).
_FRAMING = frozenset({"content-encoding", "content-length", "trailer"})

# What stands behind the value, with a semicolon before each.
_COOKIE_ATTRIBUTES = ("expires", "domain", "path", "secure", "httponly", "samesite")
_COOKIE_KEYS = frozenset({"name", "value", *_COOKIE_ATTRIBUTES})


class HeaderError(ValueError):
    """A dispatcher set a header or a cookie that cannot be sent. The answer is 500 and holds none of it."""


@dataclass(slots=True)
class Response:
    """An answer in the form that WSGI sends.

    Attributes:
        status: Code and reason, such as ``200 OK``.
        headers: Name and value pairs, in order.
        body: The bytes after the headers.
    """

    status: str
    headers: list[Header]
    body: bytes = b""


@dataclass(slots=True)
class Outgoing:
    """What the dispatchers of one request ask of its answer.

    Attributes:
        allow_compress: Whether the body may be compressed.
        jsonp: The JSONP output format; False for plain JSON.
        mime_type: The media type; None for the one that follows from ``jsonp``.
        headers: Further header fields.
        cookies: Cookies, as ``cookiesOut`` describes them.
    """

    allow_compress: bool
    jsonp: str | bool = False
    mime_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def content_type(self) -> str:
        """The media type of the answer."""
        return self.mime_type or (JAVASCRIPT if self.jsonp else JSON)

    def header_lines(self) -> list[Header]:
        """Return the headers and Set-Cookie lines, checked.

        Raises:
            HeaderError: One of them cannot be sent.
        """
        lines = [checked_header(name, value) for name, value in self.headers.items()]
        return lines + [checked_header("Set-Cookie", set_cookie(cookie)) for cookie in self.cookies]


def checked_header(name: object, value: object) -> Header:
    """Return the header field as it is sent.

    Raises:
        HeaderError: It is not one, or it is the server's own to set.
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
        HeaderError: It cannot be sent, or would say more than it was given for.
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
    # Werkzeug would quote them in a value: harmless, but never what was meant.
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
    """Return whether it is one as it is sent: IDNA makes a semicolon of U+FF1B."""
    try:
        return _DOMAIN.fullmatch(domain.lstrip(".").encode("idna").decode("ascii")) is not None
    except UnicodeError:
        return False


def merged_headers(headers: list[Header], extra: Iterable[Header]) -> list[Header]:
    """Return ``headers`` with ``extra``: Vary is extended, Set-Cookie repeated, any other header replaced."""
    merged = list(headers)
    for name, value in extra:
        lower = name.lower()
        if lower == "vary":
            value = joined_vary(merged, value)
        if lower != "set-cookie":
            merged = [line for line in merged if line[0].lower() != lower]
        merged.append((name, value))
    return merged


def joined_vary(headers: list[Header], value: str) -> str:
    lines = [line for name, line in headers if name.lower() == "vary"]
    names: dict[str, str] = {}
    for name in map(str.strip, ",".join([*lines, value]).split(",")):
        names.setdefault(name.lower(), name)
    return ", ".join(filter(None, names.values()))


def json_response(reply: bytes) -> Response:
    """Return the answer that holds a JSON-RPC message, or none: 204 where there is nothing to say."""
    if not reply:
        return Response("204 No Content", [])
    return Response("200 OK", [_JSON, ("Content-Length", str(len(reply))), _NOSNIFF], reply)


def encoded(response: Response, coding: str, body: bytes) -> Response:
    """Return the answer with a body that stands for its own under a content coding."""
    framing = [("Content-Length", str(len(body))), ("Content-Encoding", coding)]
    return Response(response.status, merged_headers(response.headers, framing), body)


def as_werkzeug(response: Response) -> werkzeug.wrappers.Response:
    """Return the answer as an object of Werkzeug's."""
    from werkzeug.wrappers import Response as ParsedResponse

    return ParsedResponse(response.body, response.status, response.headers)


def from_werkzeug(response: werkzeug.wrappers.Response) -> Response:
    """Return the answer that an object of Werkzeug's, or of Flask's, stands for."""
    body = response.get_data()
    made = Response(response.status, list(response.headers), body)
    if body:
        made.headers = merged_headers(made.headers, [("Content-Length", str(len(body)))])
    return made


def compressed(response: werkzeug.wrappers.Response, compress: Callable[[bytes], bytes]) -> werkzeug.wrappers.Response:
    """Compress an answer in its place, whatever its client takes: what the documented ``_compressResponse`` does."""
    response.set_data(compress(response.get_data()))
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    return response


def calculated_type(request: werkzeug.wrappers.Request) -> str:
    """Return the media type of the answer to a request, unless a dispatcher says otherwise."""
    return JAVASCRIPT if request.method in ("GET", "HEAD") and "jsonp" in request.args else JSON


def text_response(status: str, text: str) -> Response:
    """Return an answer that is not JSON-RPC: one sentence as plain text."""
    body = f"{text}\n".encode("ascii", "backslashreplace")
    return Response(status, [_TEXT, ("Content-Length", str(len(body))), _NOSNIFF], body)


def refusal_response(refusal: Refusal) -> Response:
    """Return the answer to a request that is refused as HTTP."""
    response = text_response(refusal.status, str(refusal))
    if refusal.retry_after_s is not None:
        response.headers.append(("Retry-After", str(refusal.retry_after_s)))
    return response


def server_error_response(unique_id: str) -> Response:
    """Return the answer to a request that failed for a reason of the server's, which stays in its log under the id."""
    return text_response("500 Internal Server Error", f"the server failed to answer; its log says why [{unique_id}]")
