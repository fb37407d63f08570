"""Telling what kind of thing a value is."""

from __future__ import annotations

import numbers

__all__ = ["is_function", "is_instance", "is_number"]


def is_function(value: object) -> bool:
    """Tell whether a value can be called, and is no class."""
    return callable(value) and not isinstance(value, type)


def is_instance(value: object) -> bool:
    """Tell whether a value is an object of a class that is not built into Python; a class is not."""
    return not isinstance(value, type) and type(value).__module__ != "builtins"


def is_number(value: object) -> bool:
    """Tell whether a value is a number of any type; True and False are not."""
    return isinstance(value, numbers.Number) and not isinstance(value, bool)
