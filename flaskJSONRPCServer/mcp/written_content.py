"""Recognises parts for a model among values that hints have written as JSON.

A hint such as ``dict | Image`` writes an image and a dict of the user as dicts, perhaps in another process. Their
members tell them apart: those of a part are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..contract.json_objects import WrittenAsJson
from .content_checks import flaw_in

__all__ = ["content_in", "is_written_part", "is_written_result", "without_nulls"]

# The required members of each type of part with their types, then the optional ones.
_PARTS: Final[Mapping[str, tuple[Mapping[str, type], Mapping[str, type]]]] = {
    "text": ({"text": str}, {}),
    "image": ({"data": str, "mimeType": str}, {}),
    "audio": ({"data": str, "mimeType": str}, {}),
    "resource": ({"resource": dict}, {}),
    "resource_link": (
        {"uri": str, "name": str},
        {"title": str, "description": str, "mimeType": str, "size": int, "icons": list},
    ),
}
_COMMON: Final = {"type": str, "annotations": dict, "_meta": dict}
_RESULT: Final = {"content": list, "structuredContent": object, "isError": bool, "_meta": dict}


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
    is_result = isinstance(value, dict) and has_members(value, {"content": list}, _RESULT)
    return is_result and all(map(is_written_part, value["content"]))


def without_nulls(part: Any) -> Any:
    """Return a part without the members that are None, but those of its ``_meta``; any other value as it is."""
    if not isinstance(part, dict):
        return part
    inner = ("annotations", "resource")
    return {name: without_nulls(value) if name in inner else value for name, value in part.items() if value is not None}


def is_written_part(value: Any) -> bool:
    """Return whether a value has the members of a part, and no others. Optional ones may be None, as models dump."""
    value = without_nulls(value)
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _PARTS:
        return False
    required, optional = _PARTS[kind]
    if not has_members(value, required, {**_COMMON, **optional}) or flaw_in(value.get("annotations", {})):
        return False
    return kind != "resource" or is_written_resource(value["resource"])


def is_written_resource(value: Mapping[str, Any]) -> bool:
    contents = "text" if "text" in value else "blob"
    return has_members(value, {"uri": str, contents: str}, {"mimeType": str, "_meta": dict})


def has_members(value: Mapping[str, Any], required: Mapping[str, type], optional: Mapping[str, type]) -> bool:
    """Return whether an object has these members, each with its type, and no others."""
    known = {**optional, **required}
    return set(required) <= set(value) <= set(known) and all(
        isinstance(member, known[name]) for name, member in value.items()
    )


def is_part(value: Any) -> bool:
    return isinstance(value, WrittenAsJson) or is_written_part(value)


def block_of(part: Any, text_of: Callable[[Any], str]) -> dict[str, Any]:
    if isinstance(part, WrittenAsJson):
        return part.members()
    if is_part(part):
        written: dict[str, Any] = without_nulls(part)
        return written
    return {"type": "text", "text": text_of(part)}
