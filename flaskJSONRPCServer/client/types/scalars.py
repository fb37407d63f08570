"""Read JSON strings, numbers, booleans and null as the types that a hint names."""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import pathlib
import uuid
from collections.abc import Callable
from typing import Any, Final

__all__ = ["SCALARS", "Mismatch", "Reader", "checked_array", "checked_object", "refuse", "type_name"]

Reader = Callable[[Any], Any]
"""Converts a JSON value, or raises a `Mismatch`."""

_NAMES: Final = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


class Mismatch(Exception):
    """A value does not fit its hint. The readers around it add where it is.

    Attributes:
        path: The keys and indexes that lead to it, the last one first.
        message: The reason.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path: list[str | int] = []


def type_name(value: Any) -> str:
    """Return JSON's name of the type of a value."""
    return _NAMES.get(type(value), "number")


def refuse(value: Any, expected: str) -> Mismatch:
    """Return the exception for a value of another type."""
    return Mismatch(f"expected {expected}, not {type_name(value)}")


def checked_array(value: Any, length: int | None = None) -> list[Any]:
    """Return a value that is an array, of this length if it is given.

    Raises:
        Mismatch: It is none, or has another length.
    """
    if type(value) is not list:
        raise refuse(value, "an array")
    if length is not None and len(value) != length:
        raise Mismatch(f"expected {length} items, not {len(value)}")
    return value


def checked_object(value: Any) -> dict[str, Any]:
    """Return a value that is an object.

    Raises:
        Mismatch: It is none.
    """
    if type(value) is not dict:
        raise refuse(value, "an object")
    return value


def read_any(value: Any) -> Any:
    return value


def read_none(value: Any) -> None:
    if value is not None:
        raise refuse(value, "null")


def read_bool(value: Any) -> bool:
    if type(value) is not bool:
        raise refuse(value, "a boolean")
    return value


def read_int(value: Any) -> int:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():  # JSON does not tell 3.0 from 3
        return int(value)
    raise refuse(value, "an integer") if not isinstance(value, float) else Mismatch(f"expected an integer, not {value}")


def read_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refuse(value, "a number")
    try:
        return float(value)
    except OverflowError as exc:
        raise Mismatch("the number is beyond the range of a float") from exc


def read_str(value: Any) -> str:
    if type(value) is not str:
        raise refuse(value, "a string")
    return value


def read_text_as(convert: Callable[[str], Any], expected: str) -> Reader:
    """Return a reader of strings in some form."""

    def read(value: Any) -> Any:
        text = read_str(value)
        try:
            return convert(text)
        except (ValueError, ArithmeticError) as exc:
            raise Mismatch(f"{text[:80]!r} is not {expected}") from exc

    return read


def read_decimal(value: Any) -> decimal.Decimal:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise refuse(value, "a number or a string")
    number: decimal.Decimal = _decimal_of(str(value))
    return number


def read_timedelta(value: Any) -> datetime.timedelta:
    try:
        return datetime.timedelta(seconds=read_float(value))
    except (OverflowError, ValueError) as exc:
        raise Mismatch(f"{value} seconds are beyond the range of a timedelta") from exc


def iso_text(text: str) -> str:
    """Return ISO 8601 as Python 3.10 reads it, which does not know Z."""
    return f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text


def from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise ValueError(str(exc)) from exc


_decimal_of: Final = read_text_as(decimal.Decimal, "a decimal number")

SCALARS: Final[dict[Any, Reader]] = {
    Any: read_any,
    object: read_any,
    None: read_none,
    type(None): read_none,
    bool: read_bool,
    int: read_int,
    float: read_float,
    str: read_str,
    bytes: read_text_as(from_base64, "base64"),
    bytearray: read_text_as(lambda text: bytearray(from_base64(text)), "base64"),
    datetime.date: read_text_as(datetime.date.fromisoformat, "a date in ISO 8601"),
    datetime.datetime: read_text_as(
        lambda text: datetime.datetime.fromisoformat(iso_text(text)), "a date with a time in ISO 8601"
    ),
    datetime.time: read_text_as(lambda text: datetime.time.fromisoformat(iso_text(text)), "a time in ISO 8601"),
    datetime.timedelta: read_timedelta,
    decimal.Decimal: read_decimal,
    uuid.UUID: read_text_as(uuid.UUID, "a UUID"),
    **{
        path: read_text_as(path, "a path")
        for path in (pathlib.Path, pathlib.PurePath, pathlib.PurePosixPath, pathlib.PureWindowsPath)
    },
}
"""The readers of types that are no containers."""
