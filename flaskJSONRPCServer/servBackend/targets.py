"""Parsing request targets (RFC 9112, section 3.2)."""

from __future__ import annotations

from typing import Any

import httptools

from ..http.refusals import BadRequest

__all__ = ["origin_form"]

_DEFAULT_PORTS = {b"http": 80, b"https": 443}


def origin_form(target: str, host: str | None) -> str:
    """Return the path and query of a request target that does not begin with a slash.

    By RFC 9112, the authority of an absolute URL replaces the Host. This function refuses one that differs, since a
    proxy in front may have routed by the other. The default port of the scheme equals no port (RFC 9110, section
    4.2.3).

    Args:
        target: The target, such as ``http://a.test/api?b=c``, or ``*``.
        host: The Host field; None if there is none.

    Raises:
        BadRequest: The target is no HTTP URL, or its authority differs from the Host. Answer 400.

    Source: RFC 9112, sections 3.2.2, 3.2.4 and 3.3.
    """
    if target == "*":
        return target
    url = parse_url(target)
    scheme = (url.schema or b"").lower()
    if scheme not in _DEFAULT_PORTS or not url.host or url.userinfo is not None:
        raise BadRequest("the request target is neither a path nor a URL of HTTP")
    if host is not None and not is_authority_of(url, host, _DEFAULT_PORTS[scheme]):
        raise BadRequest("the host of the request target differs from Host")
    path = (url.path or b"/").decode("latin-1")
    return path if url.query is None else f"{path}?{url.query.decode('latin-1')}"


def is_authority_of(url: Any, host: str, default_port: int) -> bool:
    """Return whether a Host field names the host and the port of a URL."""
    host_url = parse_url(f"http://{host}")
    if not host_url.path is host_url.query is host_url.fragment is host_url.userinfo is None:
        return False
    url_port, host_port = (default_port if part.port is None else part.port for part in (url, host_url))
    return bool(url.host.lower() == host_url.host.lower() and url_port == host_port)


def parse_url(url: str) -> Any:
    try:
        return httptools.parse_url(url.encode("latin-1"))
    except httptools.HttpParserInvalidURLError as exc:
        raise BadRequest(f"{url!r} is no URL, in the request target or made of the Host") from exc
