"""Check the type of a JSON value by its first character, which needs no validator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .tool_schemas import types_in

__all__ = ["RootTypes"]

# The first character of a JSON text; any other begins a number (RFC 8259, section 3).
_KINDS: Final = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}


class RootTypes:
    """The types that a schema allows at its root.

    Args:
        schema: A JSON Schema.
    """

    __slots__ = ("_types",)

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._types = types_in(schema)

    def allows(self, kind: str) -> bool:
        """Return whether the schema allows a type, as JSON Schema names it."""
        types = self._types
        return types is None or kind in types or (kind == "integer" and "number" in types)

    def other_type(self, value: Any, text: str) -> tuple[str, str] | None:
        """Return the type of a value and those that the schema says; None if it is one of them.

        Args:
            value: The value.
            text: Its JSON; anything if it is a string.
        """
        if self._types is None:
            return None
        kind = "string" if isinstance(value, str) else kind_of(text)
        return None if self.allows(kind) else (kind, " or ".join(map(str, self._types)))


def kind_of(text: str) -> str:
    """Return the type of a JSON text, as JSON Schema names it."""
    if text.isdigit():
        return "integer"
    kind = _KINDS.get(text[0])
    if kind is not None:
        return kind
    return "integer" if text.lstrip("-").isdigit() or float(text).is_integer() else "number"
