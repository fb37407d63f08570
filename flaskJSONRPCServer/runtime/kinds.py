"""Predicates on the kind of a value."""

from __future__ import annotations

import numbers

__all__ = ["is_function", "is_instance", "is_number"]


def is_function(value: object) -> bool:
    """Return whether a value is callable and not a class."""
    return callable(value) and not isinstance(value, type)


def is_instance(value: object) -> bool:
    """Return whether a value is an instance of a class that is not built into Python. Classes themselves are not."""
    return not isinstance(value, type) and type(value).__module__ != "builtins"


def is_number(value: object) -> bool:
    """Return whether a value is a number of any type other than bool."""
    return isinstance(value, numbers.Number) and not isinstance(value, bool)
