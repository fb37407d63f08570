"""Checks of the attributes of parts for a model, and of questions, when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contract.urls import flaw_in_uri
from ..runtime.text import short_repr
from .protocol.revisions import ROLES

__all__ = ["check_attribute", "flaw_in", "refusal_of", "refuse_annotations", "refuse_unless_uri"]


def check_attribute(part: Any, name: str, accepted: type | tuple[type, ...], words: str) -> None:
    """Check the type of an attribute of a part, a whole result or a question. A bool is no int.

    Raises:
        TypeError: It is another; the message has the words for what is accepted.
    """
    value = getattr(part, name)
    if not isinstance(value, accepted) or (accepted is int and isinstance(value, bool)):
        raise TypeError(refusal_of(part, name, f"it takes {words}"))


def refusal_of(part: Any, name: str, reason: str) -> str:
    """Return the message of an error about an attribute."""
    return f"{type(part).__name__}({name}={short_repr(getattr(part, name), 100)}) is refused: {reason}"


def refuse_unless_uri(part: Any) -> None:
    """Check the URI of a part.

    Raises:
        TypeError: It is no string.
        ValueError: It is no URI: it has no scheme, or a character that has to be percent-encoded.
    """
    check_attribute(part, "uri", str, "a string")
    if flaw := flaw_in_uri(part.uri):
        raise ValueError(refusal_of(part, "uri", flaw))


def refuse_annotations(part: Any) -> None:
    """Check the annotations of a part.

    Raises:
        TypeError: They are no dict, or one that the protocol knows has another value.
    """
    annotations = part.annotations
    if annotations is None:
        return
    check_attribute(part, "annotations", Mapping, "a dict, or None")
    if flaw := flaw_in(annotations):
        raise TypeError(refusal_of(part, "annotations", flaw))


def flaw_in(annotations: Mapping[str, Any]) -> str:
    """Return which member of annotations has another type than the protocol says; empty if none has.

    Source: revision 2026-07-28, "Resources", section "Annotations".
    """
    audience, priority = annotations.get("audience", []), annotations.get("priority", 0)
    if not isinstance(audience, (list, tuple)) or any(role not in ROLES for role in audience):
        return "'audience' is a list of 'user' and 'assistant'"
    if isinstance(priority, bool) or not isinstance(priority, (int, float)) or not 0 <= priority <= 1:
        return "'priority' is a number from 0 to 1"
    if not isinstance(annotations.get("lastModified", ""), str):
        return "'lastModified' is a string, a time as in ISO 8601"
    return ""
