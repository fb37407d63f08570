"""Integers in the place of floats without a fraction: JSON does not tell ``1`` and ``1.0`` apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["with_all_integers", "with_integer_at"]


def with_integer_at(value: Any, path: Sequence[str | int]) -> Any:
    """Return a JSON value with an integer in the place of the float at a path.

    Args:
        value: The value, which is not changed.
        path: The keys and indexes that lead to the float.

    Returns:
        The value itself if there is something else than a float without a fraction.
    """
    if not path:
        return int(value) if type(value) is float and value.is_integer() else value
    old = value[path[0]]
    new = with_integer_at(old, path[1:])
    if new is old:
        return value
    changed = value.copy()
    changed[path[0]] = new
    return changed


def with_all_integers(value: Any) -> Any:
    """Return a JSON value with integers in the place of all floats without a fraction."""
    if type(value) is float:
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: with_all_integers(item) for key, item in value.items()}
    return [with_all_integers(item) for item in value] if isinstance(value, list) else value
