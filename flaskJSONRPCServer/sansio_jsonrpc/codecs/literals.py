"""Keep the characters of numbers that a float would round: the id of a response must equal that of its request."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from .guards import JSON_WHITESPACE

__all__ = ["NumberLiteral", "NumberText", "Scan", "exact_number", "read_literals"]

Scan = Callable[[str, int], tuple[Any, int]]


class NumberLiteral(float):
    """A number that a float rounds: the nearest float, with the characters of the number.

    It equals only a number with the same characters, so that two ids with the same float stay distinct.

    Args:
        text: A JSON number.

    Attributes:
        text: The characters of the number.
    """

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> NumberLiteral:
        """Return the float nearest to the number."""
        literal = super().__new__(cls, text)
        literal.text = text
        return literal

    def __reduce__(self) -> tuple[type[NumberLiteral], tuple[str]]:
        return type(self), (self.text,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumberLiteral) and other.text == self.text

    def __ne__(self, other: object) -> bool:  # float defines its own, which Python would use
        return not self == other

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return self.text


class NumberText(str):
    """The characters of a number, as opposed to those of a JSON string."""

    __slots__ = ()


_scan: Final[Scan] = json.JSONDecoder(  # type: ignore[attr-defined]  # the stubs leave scan_once out
    parse_int=NumberText, parse_float=NumberText, parse_constant=NumberText
).scan_once


def read_literals(data: bytes, scan: Scan = _scan) -> Any:
    """Read a text again, with a `NumberText` in place of each number.

    Args:
        data: The text. Its depth has been checked.
        scan: Reads one value.

    Returns:
        Its value; None if it is not JSON: a custom implementation may read other formats.
    """
    try:
        value, _end = scan(data.decode().strip(JSON_WHITESPACE), 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    return value


def exact_number(value: float | Decimal, text: Any) -> float:
    """Return a number without rounding.

    Args:
        value: The number as a codec has read it.
        text: Its characters, a `NumberText`. Other types and the characters of another number are ignored.

    Returns:
        A float if it equals the number, else a `NumberLiteral`.
    """
    if isinstance(text, NumberText) and float(text) == float(value):
        return float_or_literal(str(text))
    return float_or_literal(str(value)) if isinstance(value, Decimal) else value


def float_or_literal(text: str) -> float:
    number = float(text)
    try:
        is_exact = Decimal(text) == Decimal(repr(number))
    except InvalidOperation:  # the exponent exceeds the range of Decimal
        is_exact = False
    # A custom implementation may read an integer as a float, which would be written with a point.
    is_integer = text.removeprefix("-").isdigit()
    return number if is_exact and not is_integer else NumberLiteral(text)
