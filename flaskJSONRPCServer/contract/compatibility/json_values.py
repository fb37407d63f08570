"""JSON values: their types and their equality, as JSON Schema defines them."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["canonical", "kind_of", "shown"]

_KINDS = (
    (bool, "boolean"),  # before int, which it is a subclass of
    (int, "number"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_MOST_SHOWN = 60


def kind_of(value: Any) -> str:
    """Return the JSON type of a value; an integer is a number."""
    if value is None:
        return "null"
    return next(kind for type_, kind in _KINDS if isinstance(value, type_))


def canonical(value: Any) -> str:
    """Return a text that two values share if JSON Schema considers them equal: 1 and 1.0 are, 1 and true are not.

    Source: JSON Schema draft-07, section 4.2.3.
    """
    return _ENCODER.encode(without_fractions(value))


def without_fractions(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [without_fractions(item) for item in value]
    if isinstance(value, dict):
        return {name: without_fractions(member) for name, member in value.items()}
    return value


def shown(value: Any) -> str:
    """Return a value as JSON for a message, shortened if it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
