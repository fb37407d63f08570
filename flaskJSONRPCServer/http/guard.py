"""Refuse requests by their head: too many headers, foreign hosts and origins, wrong media types.

All checks that need no body come before the body is read. Their refusals are HTTP answers that name the setting. Later
errors are JSON-RPC answers with status 200.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from werkzeug.http import parse_options_header

from ..settings import Settings
from .refusals import BadRequest, Forbidden, Misdirected, TooManyHeaders, UnsupportedMediaType, UrlTooLong

__all__ = ["LOOPBACK_NAMES", "Guard", "check_host", "host_name", "is_cross_site"]

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

# A WSGI environ holds at least this many entries that are not header fields (PEP 3333). An environ with fewer entries
# than this and the limit together needs no counting.
_ENVIRON_BASE = 11

# The most accepted header values to remember. Further values are checked each time.
_REMEMBERED = 64

# uri-host of RFC 9112, section 3.2, without the forms that no client sends. Two Host fields arrive joined by a comma,
# which does not match.
_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d*)?")

_UTF8_NAMES = frozenset({"utf-8", "utf8"})


class Guard:
    """The checks on a request's head, planned once from the settings.

    Args:
        settings: The frozen settings of the server.
        allowed_hosts: The host names, without ports, that the server answers for; None for any.
        is_local_only: Whether only this machine can reach the server.

    Attributes:
        good_media_types: The values of Content-Type that have passed, so that they need no :meth:`check_media_type`.
    """

    def __init__(
        self, settings: Settings, allowed_hosts: Collection[str] | None, *, is_local_only: bool = False
    ) -> None:
        self._refuses_foreign_pages = is_local_only and not settings.fallback_is_explicit
        self._allowed_hosts = None if allowed_hosts is None else frozenset(map(str.lower, allowed_hosts))
        self._allowed_origins = None if settings.allowed_origins is None else frozenset(settings.allowed_origins)
        self._media_types = frozenset(map(str.lower, settings.media_types))
        self._max_header_count = settings.max_header_count
        self._max_uncounted = settings.max_header_count + _ENVIRON_BASE
        self._max_url_bytes = settings.max_url_bytes
        # Raw header values that passed. Sets are only added to, so they need no lock.
        self._good_hosts: set[str | None] = set()
        self.good_media_types: set[str | None] = set(settings.media_types)

    def check_head(self, environ: dict[str, Any]) -> None:
        """Check the URL, the number of headers, the Host and the Origin of a request.

        Raises:
            UrlTooLong, TooManyHeaders, BadRequest, Misdirected, Forbidden: See
                :mod:`flaskJSONRPCServer.http.refusals`.
        """
        url_bytes = len(environ.get("PATH_INFO", ""))
        if query := environ.get("QUERY_STRING"):
            url_bytes += len(query)
        if url_bytes > self._max_url_bytes:
            raise UrlTooLong(f"the URL is over max_url_bytes ({self._max_url_bytes} bytes)")
        if query and not query.isascii():
            check_query(query)
        if len(environ) > self._max_uncounted:
            self._check_header_count(environ)
        if environ.get("HTTP_HOST") not in self._good_hosts:
            self._check_host(environ)
        if self._allowed_origins is not None and "HTTP_ORIGIN" in environ:
            self._check_origin(environ, self._allowed_origins)

    def check_media_type(self, environ: dict[str, Any]) -> None:
        """Check the Content-Type of a body.

        Raises:
            UnsupportedMediaType: It is missing, not in ``media_types``, or has a charset other than UTF-8.
        """
        content_type = environ.get("CONTENT_TYPE", "")
        if not content_type:
            raise UnsupportedMediaType("the request has no Content-Type; send application/json")
        media_type, parameters = parse_options_header(content_type)
        if media_type.lower() not in self._media_types:
            raise UnsupportedMediaType(f"Content-Type {content_type!r} is not in media_types; send application/json")
        if parameters.get("charset", "utf-8").lower() not in _UTF8_NAMES:
            raise UnsupportedMediaType(f"Content-Type {content_type!r} is refused: JSON is UTF-8 (RFC 8259)")
        remember(self.good_media_types, content_type)

    def check_get(self, environ: dict[str, Any], *, is_shared: bool) -> None:
        """Check that the page that makes a GET may make it.

        A browser sends a GET without a preflight. It thereby gives every page of the web access to loopback addresses,
        which only this machine can reach. On any address it may add the cookies of its user.

        Args:
            environ: The head of the request.
            is_shared: Whether the method was registered with its own ``fallback``.

        Raises:
            Forbidden: A page of another origin makes the request, and no setting allows it.
        """
        if is_shared or not is_cross_site(environ):
            return
        if self._refuses_foreign_pages:
            raise Forbidden(
                "a page of another origin may not call this method by GET on a loopback address; "
                "pass fallback=True to the server, or register the method with fallback=True"
            )
        if "HTTP_COOKIE" in environ and "HTTP_AUTHORIZATION" not in environ:
            raise Forbidden("another site's page may not call this method with cookies; register it with fallback=True")

    def _check_header_count(self, environ: dict[str, Any]) -> None:
        if sum(key.startswith(("HTTP_", "CONTENT_")) for key in environ) > self._max_header_count:
            raise TooManyHeaders(f"more than max_header_count ({self._max_header_count}) header fields")

    def _check_host(self, environ: dict[str, Any]) -> None:
        host = environ.get("HTTP_HOST")
        if host is None and environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
            raise BadRequest("the request has no Host")
        if host is not None:
            check_host(host)
        if self._allowed_hosts is not None and host_name(host or "") not in self._allowed_hosts:
            raise Misdirected(
                "the request has no Host, and only those of allowed_hosts are answered"
                if host is None
                else f"Host {host!r} is not in allowed_hosts"
            )
        if host is not None:
            remember(self._good_hosts, host)

    def _check_origin(self, environ: dict[str, Any], allowed: frozenset[str]) -> None:
        origin = environ["HTTP_ORIGIN"]
        if origin not in allowed and origin != own_origin(environ):
            raise Forbidden(f"Origin {origin!r} is not in allowed_origins")


def check_query(query: str) -> None:
    """Check a query with raw bytes, which the environ holds as Latin-1 (PEP 3333).

    Raises:
        BadRequest: The bytes are not UTF-8.
    """
    try:
        query.encode("latin-1").decode()
    except UnicodeError as exc:
        raise BadRequest("the query is not UTF-8; percent-encode it") from exc


def remember(good: set[str | None], value: str) -> None:
    if len(good) < _REMEMBERED:
        good.add(value)


def check_host(host: str) -> None:
    """Check that a Host header is a host name or an address, with or without a port.

    Raises:
        BadRequest: It is not.
    """
    if not _HOST.fullmatch(host):
        raise BadRequest(f"Host {host!r} is not one host name")


def host_name(host: str) -> str:
    """Return the host name from a Host header, in lower case, without port, brackets and final dot.

    >>> host_name("[::1]:8080"), host_name("Example.test.:80")
    ('::1', 'example.test')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].removesuffix(".").lower()


def own_origin(environ: dict[str, Any]) -> str:
    """Return the origin of pages that this server serves."""
    return f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"


def is_cross_site(environ: dict[str, Any]) -> bool:
    """Return whether the headers of a browser say that a page of another origin made this request.

    Browsers send Sec-Fetch-Site, older ones Origin or Referer. A request with none of them comes from no browser.
    Another port of the same host is ``same-site`` but another origin: another program serves it.

    Source: W3C Fetch Metadata Request Headers, section 2.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return site not in ("same-origin", "none")
    source = environ.get("HTTP_ORIGIN") or environ.get("HTTP_REFERER")
    if source is None:
        return False
    try:
        authority = urlsplit(source).netloc
    except ValueError:
        return True
    return bool(authority != environ.get("HTTP_HOST", ""))
