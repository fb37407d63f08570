"""The header fields in which clients send traces, without what is malformed in them.

The propagators of OpenTelemetry log a warning for each malformed part. So any client could fill the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote_plus, unquote_plus

__all__ = ["WELL_FORMED"]

_BLANKS: Final = " \t"

# W3C Trace Context, section 3.2; the length is guessed, for versions to come.
_MOST_PARENT_CHARS: Final = 256

# W3C Trace Context, sections 3.3.1 and 3.3.2.
_MOST_STATE_CHARS: Final = 8192
_MOST_STATE_MEMBERS: Final = 32
_STATE_MEMBER: Final = re.compile(
    r"([a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
)

# W3C Baggage, section 3.3; the limits are those of OpenTelemetry, in bytes.
_MOST_BAGGAGE_BYTES: Final = 8192
_MOST_MEMBER_BYTES: Final = 4096
_MOST_MEMBERS: Final = 180
_BAGGAGE_KEY: Final = re.compile(r"[!#-'*+.0-9A-Z^-z|~-]+")
_BAGGAGE_VALUE: Final = re.compile(r"[ \t!#-+\--\[\]-~]*")  # with its properties


def well_formed_parent(text: str) -> str | None:
    """Return a ``traceparent`` that is not too long; None for any other."""
    return text if len(text) <= _MOST_PARENT_CHARS else None


def well_formed_state(text: str) -> str | None:
    """Return a ``tracestate``; None if any of it is malformed."""
    if len(text) > _MOST_STATE_CHARS:
        return None
    members = [stripped for member in text.split(",") if (stripped := member.strip(_BLANKS))]
    matches = [_STATE_MEMBER.fullmatch(member) for member in members[: _MOST_STATE_MEMBERS + 1]]
    keys = {match[1] for match in matches if match is not None}
    return ",".join(members) if len(keys) == len(members) <= _MOST_STATE_MEMBERS else None


def well_formed_baggage(text: str) -> str | None:
    """Return the well-formed members of a ``baggage``; None if there are none, or if it is too long."""
    if len(text) > _MOST_BAGGAGE_BYTES:
        return None
    kept: list[str] = []
    free_bytes = _MOST_BAGGAGE_BYTES
    for member in filter(None, map(baggage_member, text.split(","))):
        free_bytes -= len(member) + 1
        if free_bytes < 0 or len(kept) == _MOST_MEMBERS:
            break
        kept.append(member)
    return ",".join(kept) or None


def baggage_member(text: str) -> str | None:
    """Return a member as propagators write it, which may be longer; None if it is malformed or becomes too long."""
    key, mark, value = (part.strip(_BLANKS) for part in text.partition("="))
    if not mark or _BAGGAGE_KEY.fullmatch(key) is None or _BAGGAGE_VALUE.fullmatch(value) is None:
        return None
    key, value = (quote_plus(unquote_plus(part).strip()) for part in (key, value))
    member = f"{key}={value}"
    return member if key and len(member) <= _MOST_MEMBER_BYTES else None


WELL_FORMED: Final[Mapping[str, Callable[[str], str | None]]] = {
    "traceparent": well_formed_parent,
    "tracestate": well_formed_state,
    "baggage": well_formed_baggage,
}
"""The functions that return the well-formed part of a field, by its name."""
