"""The strict check of a request's head, for backends whose own reader lets through what a proxy may read otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = [
    "MAX_HEAD_BYTES",
    "BadHead",
    "check_fields",
    "check_request_line",
    "origin_form",
    "without_query",
]

# The largest head of a request, in bytes: 100 header fields, the default of `max_header_count`, may have 650 each.
MAX_HEAD_BYTES = 64 * 1024

# RFC 9112, section 3: one space between the parts, and nothing around them. No HTTP/0.9.
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]\r\n")

# RFC 9112, section 5: no space before the colon, no folded line; RFC 9110, section 5.5: no control character.
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)\r\n")

_QUERY = re.compile(r"\?\S*")

_DEFAULT_PORTS = {"http": 80, "https": 443}

_LENGTH = re.compile(rb"[0-9]{1,18}")


class BadHead(ValueError):
    """The head is malformed or ambiguous: answer 400, and close the connection. The message says what is wrong."""


def check_request_line(line: bytes) -> None:
    """Check a request line, with its end.

    Raises:
        BadHead: It is malformed, or its version is neither HTTP/1.0 nor HTTP/1.1. Or its target has bytes that are
            neither ASCII nor UTF-8, which each reader would take for something else.
    """
    if not _REQUEST_LINE.fullmatch(line):
        raise BadHead("malformed request line")
    try:
        line.decode()
    except UnicodeDecodeError as exc:
        raise BadHead("the request line is not UTF-8") from exc


def check_fields(lines: Iterable[bytes], *, is_http_1_1: bool) -> None:
    """Check the header fields of a request: their form, and that they say one thing about where the request ends.

    Args:
        lines: The lines, each with its end, without the empty one.
        is_http_1_1: Whether the request line says HTTP/1.1; else it is HTTP/1.0.

    Raises:
        BadHead: A line is malformed. Or the length of the body or the host are not told exactly once.

    Source: RFC 9112, sections 3.2, 5, 6.1, 6.3.
    """
    hosts: list[bytes] = []
    lengths: list[bytes] = []
    codings: list[bytes] = []
    told = {b"host": hosts, b"content-length": lengths, b"transfer-encoding": codings}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BadHead("malformed header field")
        told.get(field[1].lower(), []).append(field[2].strip(b" \t"))
    check_framing(lengths, codings, is_http_1_1=is_http_1_1)
    if len(hosts) > 1 or (is_http_1_1 and not hosts):
        raise BadHead(f"{len(hosts)} Host fields")


def check_framing(lengths: Sequence[bytes], codings: Sequence[bytes], *, is_http_1_1: bool) -> None:
    if len(lengths) + len(codings) > 1:
        raise BadHead("more than one of Content-Length and Transfer-Encoding")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise BadHead("Content-Length is no number")
    if codings and (codings[0].lower() != b"chunked" or not is_http_1_1):
        raise BadHead("Transfer-Encoding is not 'chunked', or the request is HTTP/1.0")


def origin_form(target: str, host: str) -> str:
    """Return a request target as a path with its query, where it is a whole URL.

    Args:
        target: The target, such as ``/api`` or ``http://a.test/api``.
        host: The Host field; empty where there is none.

    Raises:
        BadHead: It is neither a path nor a URL of HTTP, or its authority is not that of the Host.

    Source: RFC 9112, sections 3.2.1, 3.2.2 and 3.2.4.
    """
    if target.startswith("/") or target == "*":
        return target
    scheme, _, rest = target.partition("://")
    if scheme.lower() not in _DEFAULT_PORTS or not rest:
        raise BadHead("the request target is neither a path nor a URL")
    authority = rest[: min(map(rest.index, set("/?") & set(rest)), default=len(rest))]
    if with_port(authority, scheme) != with_port(host or authority, scheme):
        raise BadHead("the authority of the request target is not the Host")
    path = rest[len(authority) :]
    return path if path.startswith("/") else f"/{path}"


def with_port(authority: str, scheme: str) -> str:
    """Return an authority in lower case, with its port."""
    has_port = authority.rpartition("]")[2].find(":") >= 0
    return authority.lower() if has_port else f"{authority.lower()}:{_DEFAULT_PORTS[scheme.lower()]}"


def without_query(request_line: str) -> str:
    """Return a request line as it may be logged: a query may hold what is secret."""
    return _QUERY.sub("?...", request_line)
