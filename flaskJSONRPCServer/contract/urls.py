"""Checks of URLs that clients open, and of URIs that they pass on.

Source: RFC 3986; RFC 9110, section 4.2.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["flaw_in_parts", "flaw_in_uri", "is_web_url"]

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CHARACTERS: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")

# urlsplit() drops these, and so would take a URL that has some.
_NO_URL_HAS: Final = re.compile(r"[\s\x00-\x1f\x7f]")


def is_web_url(value: Any) -> bool:
    """Return whether a value is an absolute URL of http or https. Letters beyond ASCII are taken, as browsers do."""
    if not isinstance(value, str) or _NO_URL_HAS.search(value):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port  # which raises if it is none
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def flaw_in_uri(uri: str) -> str:
    """Return why a text is no URI; empty if it is one."""
    return flaw_in_parts([uri])


def flaw_in_parts(literals: list[str]) -> str:
    """Return why texts are not those of a URI between the names of a template; empty if they are."""
    if _SCHEME.match(literals[0]) is None:
        return "it begins with no scheme, such as 'config:'"
    if not all(_CHARACTERS.fullmatch(literal) for literal in literals):
        return "it has a character that no URI has; percent-encode it"
    return ""
