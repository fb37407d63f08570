"""Header fields of requests, checked so that no value can end its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["checked_headers", "checked_value", "is_value", "merged_headers"]

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# These say where a request goes and where it ends: sent twice, they would contradict each other.
_OWN: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of header fields.

    Raises:
        ValueError: A name or a value is not allowed in HTTP, or the client sets the field itself.

    Source: RFC 9110, section 5.
    """
    for name in headers:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a header field")
        if name.lower() in _OWN:
            raise ValueError(f"the client sets the header field {name} itself; leave it out")
    return {name: checked_value(name, value) for name, value in headers.items()}


def checked_value(name: str, value: str) -> str:
    """Return the value of a header field.

    Raises:
        ValueError: It has characters other than those of Latin-1, or control characters.
    """
    if not is_value(value):
        raise ValueError(f"the header field {name} cannot have the value {value!r}")
    return value


def is_value(value: object) -> bool:
    """Return whether a header field can have this value."""
    return isinstance(value, str) and _VALUE.fullmatch(value) is not None


def merged_headers(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Return the header fields of both. Of a name in both, whatever its case, the second one is taken."""
    names = {name.lower() for name in second}
    return {name: value for name, value in first.items() if name.lower() not in names} | {**second}
