"""Read the parts of a document that are of the right kind, and follow its references.

A document may be wrong in any place. A part of the wrong kind is taken for a missing one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

__all__ = ["MISSING", "Document", "dicts_in", "text_in"]

MISSING = object()
"""The value of a reference that leads nowhere."""

# A reference may lead to a reference, and so on, perhaps in a circle.
_MOST_STEPS = 20


class Document:
    """An OpenRPC document.

    Args:
        tree: The document as JSON values.
    """

    def __init__(self, tree: Any) -> None:
        self.tree: dict[str, Any] = tree if isinstance(tree, dict) else {}

    def at(self, reference: str, root: Any = MISSING) -> Any:
        """Return the value that a reference leads to, or `MISSING`.

        Args:
            reference: Such as ``#/components/schemas/Item``.
            root: A schema with definitions of its own, which come after those of the document.

        Source: RFC 6901, section 6.
        """
        if not reference.startswith("#"):
            return MISSING
        path = [unquote(part).replace("~1", "/").replace("~0", "~") for part in reference[1:].split("/")[1:]]
        found = value_at(self.tree, path)
        return value_at(root, path) if found is MISSING and root is not MISSING else found

    def followed(self, value: Any) -> dict[str, Any]:
        """Return an object, or the one that it refers to; an empty one in place of anything else."""
        for _ in range(_MOST_STEPS):
            reference = value.get("$ref") if isinstance(value, dict) else None
            if not isinstance(reference, str):
                return value if isinstance(value, dict) else {}
            value = self.at(reference)
        return {}

    def members(self, owner: dict[str, Any], name: str) -> list[dict[str, Any]]:
        """Return the objects in an array, with the references among them followed."""
        return [self.followed(value) for value in dicts_in(owner, name)]


def value_at(value: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part[:9]) < len(value):
            value = value[int(part[:9])]
        else:
            return MISSING
    return value


def text_in(owner: dict[str, Any], name: str) -> str:
    """Return a member that is a string; an empty one for none."""
    value = owner.get(name)
    return value if isinstance(value, str) else ""


def dicts_in(owner: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects in a member that is an array."""
    value = owner.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
