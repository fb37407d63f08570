"""Recognises parts for a model among values that hints have written as JSON.

A hint such as ``dict | Image`` writes an image and a dict of the user as dicts, perhaps in another process. Their
members tell them apart: those of a part are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..contract.json_objects import WrittenAsJson

__all__ = ["content_in", "is_written_result"]

# The required members of each type of part with their types, then the optional ones.
_PARTS: Final[Mapping[str, tuple[Mapping[str, type], frozenset[str]]]] = {
    "text": ({"text": str}, frozenset()),
    "image": ({"data": str, "mimeType": str}, frozenset()),
    "audio": ({"data": str, "mimeType": str}, frozenset()),
    "resource": ({"resource": dict}, frozenset()),
    "resource_link": ({"uri": str, "name": str}, frozenset({"title", "description", "mimeType"})),
}
_RESULT: Final = frozenset({"content", "structuredContent", "isError", "_meta"})


def content_in(value: Any, text_of: Callable[[Any], str]) -> list[dict[str, Any]] | None:
    """Return the parts that a value consists of; None if it is a plain value.

    Args:
        value: The value: a part, or a list with at least one part, or with strings only.
        text_of: Writes another value in a list as text.
    """
    if value is None:
        return []
    if is_part(value):
        return [block_of(value, text_of)]
    if isinstance(value, (list, tuple)) and (any(map(is_part, value)) or all(isinstance(one, str) for one in value)):
        return [block_of(part, text_of) for part in value]
    return None


def is_written_result(value: Any) -> bool:
    """Return whether a value has the members of a :class:`~.content.ToolResult`."""
    if not isinstance(value, dict) or not set(value) <= _RESULT or not isinstance(value.get("content"), list):
        return False
    return all(isinstance(part, dict) and part.get("type") in _PARTS for part in value["content"])


def is_part(value: Any) -> bool:
    if isinstance(value, WrittenAsJson):
        return True
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _PARTS:
        return False
    required, optional = _PARTS[kind]
    has_required = all(isinstance(value.get(name), one) for name, one in required.items())
    return has_required and set(value) <= {"type", "annotations", *required, *optional}


def block_of(part: Any, text_of: Callable[[Any], str]) -> dict[str, Any]:
    if isinstance(part, WrittenAsJson):
        return part.members()
    if is_part(part):
        written: dict[str, Any] = part
        return written
    return {"type": "text", "text": text_of(part)}
