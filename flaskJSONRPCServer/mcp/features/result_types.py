"""Check that the result of a tool has the type that its schema says, at the root: clients check it too.

The rest of a result is checked with ``validateResult``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["ResultTypeError", "refuse_other_type", "types_in"]

# The first character of a JSON text; any other begins a number (RFC 8259, section 3).
_KINDS: Final = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}


class ResultTypeError(TypeError):
    """The function of a tool has returned another type than its hint or schema says."""


def types_in(schema: Mapping[str, Any]) -> Sequence[Any] | None:
    """Return the types that a schema allows, as it names them; None if it does not say."""
    named = schema.get("type")
    if isinstance(named, str):
        return (named,)
    return named if isinstance(named, list) else None


def refuse_other_type(allowed: Sequence[Any] | None, value: Any, text: str) -> None:
    """Check the type of a result.

    Args:
        allowed: The types that its schema allows; None if it does not say.
        value: The result.
        text: It as text: a string as it is, anything else as JSON.

    Raises:
        ResultTypeError: The schema says another type.
    """
    if allowed is None:
        return
    kind = "string" if text is value else kind_of(text)
    if kind not in allowed and not (kind == "integer" and "number" in allowed):
        raise ResultTypeError(f"the tool returned a JSON {kind}, and its schema says {' or '.join(map(str, allowed))}")


def kind_of(text: str) -> str:
    """Return the type of a JSON text, as JSON Schema names it."""
    kind = _KINDS.get(text[0])
    if kind is not None:
        return kind
    return "integer" if text.lstrip("-").isdigit() or float(text).is_integer() else "number"
