"""The JSON forms of parameters that JSON has no type for."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from collections.abc import Callable
from typing import Any, Final

from .structs import is_struct, struct_value

__all__ = ["write_value"]


def write_value(value: Any) -> Any:
    """Return a value in the form that our server reads by a type hint: dates in ISO 8601, bytes in base64, and so on.

    Raises:
        TypeError: There is none.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(type(value), "model_dump"):  # a model of pydantic, which the user has then
        # Not in the mode "json", which writes bytes as text: the values in it get the forms below.
        return value.model_dump(by_alias=True)
    if is_struct(type(value)):
        return struct_value(value)
    for classes, write in _FORMS:
        if isinstance(value, classes):
            return write(value)
    raise TypeError(f"{type(value).__name__} has no JSON form; convert it before the call")


def sorted_items(items: Any) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:  # they cannot be compared
        return list(items)


_FORMS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (enum.Enum, lambda value: value.value),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),
    (datetime.timedelta, lambda value: value.total_seconds()),
    ((decimal.Decimal, uuid.UUID, pathlib.PurePath), str),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(value).decode()),
    ((set, frozenset), sorted_items),
)
