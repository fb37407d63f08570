"""Request targets (RFC 9112, section 3.2)."""

from __future__ import annotations

from typing import Any

import httptools

from ..http.refusals import BadRequest

__all__ = ["origin_form"]

_DEFAULT_PORTS = {b"http": 80, b"https": 443}


def origin_form(target: str, host: str | None) -> str:
    """Return the path and query of a request target that does not begin with a slash.

    RFC 9112 says that the authority of a whole URL replaces the Host. One that differs is refused, since a proxy in
    front may have decided by the other. The default port of the scheme is the same as none (RFC 9110, section 4.2.3).

    Args:
        target: The target, such as ``http://a.test/api?b=c``, or ``*``.
        host: The Host field; None where there is none.

    Raises:
        BadRequest: It is no URL of HTTP, or its authority is not the Host. Answer 400.

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
    own = parse_url(f"http://{host}")
    if not own.path is own.query is own.fragment is own.userinfo is None:
        return False
    url_port, own_port = (default_port if each.port is None else each.port for each in (url, own))
    return bool(url.host.lower() == own.host.lower() and url_port == own_port)


def parse_url(url: str) -> Any:
    try:
        return httptools.parse_url(url.encode("latin-1"))
    except httptools.HttpParserInvalidURLError as exc:
        raise BadRequest(f"{url!r} is no URL, in the request target or made of the Host") from exc
