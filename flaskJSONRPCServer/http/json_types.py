"""Convert common Python values that JSON has no type for."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

__all__ = ["to_json_type"]


def from_set(value: set[Any] | frozenset[Any]) -> list[Any]:
    # Sorted if the members can be compared, so that equal sets give equal answers.
    try:
        return sorted(value)
    except TypeError:
        return list(value)


def from_dataclass(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def from_bytes(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(value).decode("ascii")


# The first match counts: a datetime is a date, and an Enum may subclass any type.
_FORMS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (Enum, lambda value: value.value),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, lambda value: value.total_seconds()),
    ((Decimal, UUID, PurePath), str),
    ((bytes, bytearray, memoryview), from_bytes),
    ((set, frozenset), from_set),
    (tuple, list),
)


def to_json_type(value: Any) -> Any:
    """Convert a value that JSON has no type for.

    ==============================  ======================================
    value                           its JSON form
    ==============================  ======================================
    Decimal, UUID, path             string, as ``str`` gives it
    datetime, date, time            string, ISO 8601 as ``isoformat`` gives it
    timedelta                       number of seconds
    bytes, bytearray, memoryview    string, base64 (RFC 4648, section 4)
    set, frozenset                  array, sorted if possible
    Enum                            its value
    dataclass                       object of its fields
    ==============================  ======================================

    Raises:
        TypeError: The type has no JSON form; the message names it.
    """
    for types, form in _FORMS:
        if isinstance(value, types):
            return form(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return from_dataclass(value)
    name = type(value).__name__
    article = "an" if name[0] in "AEIOUaeiou" else "a"
    raise TypeError(f"{article} {name} has no JSON form; convert it, or override _fixJSON")
