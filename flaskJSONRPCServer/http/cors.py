"""Cross-origin resource sharing: allow pages of other origins to read answers.

Source: the Fetch standard, section 3.3 (HTTP's CORS protocol).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import SettingsError, unknown_name
from ..settings import is_origin

__all__ = ["Cors", "is_allowed"]

Headers = list[tuple[str, str]]

_ANY = "*"
_KEYS = ("origin", "methods", "method", "headers", "credentials", "maxAge")
_DEFAULT_METHODS = "GET, OPTIONS, POST"
_DEFAULT_MAX_AGE_S = 600

# Without them, a page of another origin cannot see for how long it has to wait, or where it gets a token.
_EXPOSED = ("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")

# field-name of RFC 9110, section 5.1, in the comma-separated list that a preflight sends.
_HEADER_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: *, *[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")


class Cors:
    """The answers to cross-origin requests, planned once from the ``cors`` option.

    Args:
        option: True for every origin, or a dict with any of ``origin`` (a string or a list), ``methods`` (also
            ``method``; a string or a list), ``headers`` (those that a page may send), ``credentials`` (bool) and
            ``maxAge`` (seconds that a browser may remember a preflight).

    Raises:
        SettingsError: A key is unknown, a value has the wrong type, or credentials are allowed for every origin.
    """

    def __init__(self, option: bool | Mapping[str, Any]) -> None:
        rules = {"origin": _ANY} if isinstance(option, bool) else dict(option)
        if not rules:
            raise SettingsError("cors={} is refused: name an origin, or give True for every origin")
        for key in rules:
            if key not in _KEYS:
                raise SettingsError(unknown_name("cors key", key, _KEYS))
        self._origins = frozenset(map(checked_origin, strings("origin", rules.get("origin", _ANY))))
        self._credentials = bool(rules.get("credentials", False))
        methods = rules.get("methods", rules.get("method"))
        self._methods = None if methods is None else ", ".join(strings("methods", methods))
        self._headers = ", ".join(strings("headers", rules.get("headers", _ANY)))
        self._max_age_s = seconds(rules.get("maxAge", _DEFAULT_MAX_AGE_S))
        if self._credentials and _ANY in self._origins:
            raise SettingsError("cors: browsers refuse credentials with origin '*'; name the origins")

    def headers(self, origin: str | None) -> Headers:
        """Return the CORS headers of an answer to a page of ``origin``; None if the request has no Origin."""
        headers = self._origin_headers(origin)
        return [*headers, _EXPOSED] if is_allowed(headers) else headers

    def _origin_headers(self, origin: str | None) -> Headers:
        if _ANY in self._origins:
            return [("Access-Control-Allow-Origin", _ANY)]
        if origin not in self._origins:
            return [("Vary", "Origin")]
        allowed = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
        return [*allowed, ("Access-Control-Allow-Credentials", "true")] if self._credentials else allowed

    def preflight_headers(self, origin: str | None, requested_headers: str, methods: str = _DEFAULT_METHODS) -> Headers:
        """Return the headers of the answer to a preflight.

        Args:
            origin: The Origin header.
            requested_headers: The value of Access-Control-Request-Headers.
            methods: The methods of the URL, for an option that names none.
        """
        headers = self._origin_headers(origin)
        if not is_allowed(headers):
            return headers
        allowed_methods = methods if self._methods is None else self._methods
        headers += [("Access-Control-Allow-Methods", allowed_methods), ("Access-Control-Max-Age", str(self._max_age_s))]
        allowed = self._allowed_headers(requested_headers)
        return [*headers, ("Access-Control-Allow-Headers", allowed)] if allowed else headers

    def _allowed_headers(self, requested: str) -> str:
        if self._headers != _ANY:
            return self._headers
        # "*" does not cover Authorization, and means nothing with credentials: list the requested headers instead.
        return requested if _HEADER_NAMES.fullmatch(requested) else ""


def is_allowed(headers: Headers) -> bool:
    """Return whether these headers let a page read the answer."""
    return headers[0][0] == "Access-Control-Allow-Origin"


def checked_origin(origin: str) -> str:
    """Return the origin if a browser may send it, or if it is ``*``.

    ``null`` is refused: it is the origin of every sandboxed page, and identifies none of them.

    Raises:
        SettingsError: The value is not an origin.

    Source: RFC 6454, section 6.2.
    """
    if origin != _ANY and not is_origin(origin):
        raise SettingsError(f"cors: origin {origin!r} is refused: it takes '*', or such as 'https://a.test:8443'")
    return origin


def strings(key: str, value: object) -> list[str]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple, set, frozenset)) or not all(isinstance(item, str) for item in values):
        raise SettingsError(f"cors: {key}={value!r} is refused: it takes a string or a list of strings")
    if any(not item.isprintable() or not item.isascii() for item in values):
        raise SettingsError(f"cors: {key}={value!r} is refused: a header holds printable ASCII only")
    return list(values)


def seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SettingsError(f"cors: maxAge={value!r} is refused: it takes a whole number of seconds")
    return value
