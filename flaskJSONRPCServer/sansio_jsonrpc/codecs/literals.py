"""Keep the characters of numbers that a float would round: an id must come back the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from .guards import JSON_WHITESPACE

Scan = Callable[[str, int], tuple[Any, int]]


class NumberLiteral(float):
    """A number that a float rounds: the nearest float, with the number's own characters.

    It is equal to a number with the same characters alone, so that two ids with the same float stay two.

    Args:
        text: A JSON number.

    Attributes:
        text: The same.
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

    def __ne__(self, other: object) -> bool:  # float has its own, which Python would use
        return not self == other

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return self.text


class NumberText(str):
    """The characters of a number, which are no JSON string."""

    __slots__ = ()


_scan: Final[Scan] = json.JSONDecoder(  # type: ignore[attr-defined]  # the stubs leave scan_once out
    parse_int=NumberText, parse_float=NumberText, parse_constant=NumberText
).scan_once


def read_literals(data: bytes, scan: Scan = _scan) -> Any:
    """Read a text that has been read before, with a `NumberText` in the place of each number.

    Args:
        data: The text. Its depth has been checked.
        scan: Reads one value.

    Returns:
        Its value; None where it is no JSON: a custom implementation may read other formats.
    """
    try:
        value, _end = scan(data.decode().strip(JSON_WHITESPACE), 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    return value


def exact_number(value: float | Decimal, text: Any) -> float:
    """Return a number without rounding.

    Args:
        value: What a codec made of the number.
        text: The number's characters, a `NumberText`. Anything else, and characters of another number, are ignored.

    Returns:
        A float that holds it, or a `NumberLiteral`.
    """
    if isinstance(text, NumberText) and float(text) == float(value):
        return _float_or_literal(str(text))
    return _float_or_literal(str(value)) if isinstance(value, Decimal) else value


def _float_or_literal(text: str) -> float:
    number = float(text)
    try:
        is_held = Decimal(text) == Decimal(repr(number))
    except InvalidOperation:  # an exponent beyond those of Decimal
        is_held = False
    # A custom implementation may read an integer as a float, which would be written with a point.
    is_integer = text.removeprefix("-").isdigit()
    return number if is_held and not is_integer else NumberLiteral(text)
