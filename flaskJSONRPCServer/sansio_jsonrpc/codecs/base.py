"""What every codec promises, and the limits that it keeps."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final

from .literals import read_literals

_MAX_DEPTH_CEILING: Final = 500


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """What a JSON text may ask of the process that reads it.

    Attributes:
        max_depth: The deepest nesting of arrays and objects that is read, 1 to 500. Beyond, Python's own recursion
            limit would decide, which depends on the caller's stack.
        max_integer_digits: The longest integer that is read, in digits. The time to convert one grows with the square
            of its length. Where `sys.set_int_max_str_digits` allows fewer, that counts.

    Raises:
        ValueError: A limit is out of range.
    """

    max_depth: int = 100
    max_integer_digits: int = 4300

    def __post_init__(self) -> None:
        if not 1 <= self.max_depth <= _MAX_DEPTH_CEILING:
            raise ValueError(f"max_depth={self.max_depth!r}; choose 1 to {_MAX_DEPTH_CEILING}")
        if self.max_integer_digits < 1:
            raise ValueError(f"max_integer_digits={self.max_integer_digits!r}; choose 1 or more")

    @property
    def integer_digits(self) -> int:
        """The digits that can be read: this limit or the interpreter's, the lower."""
        get_interpreters = getattr(sys, "get_int_max_str_digits", int)  # new in 3.10.7; int() is 0, no limit
        return min(self.max_integer_digits, get_interpreters() or self.max_integer_digits)


class Codec(ABC):
    """Turns bytes into Python values and back: strict JSON, always UTF-8. Safe to share between threads.

    Attributes:
        writes_standard_form: Whether an integer is written as its decimal digits, so that there is no need to ask. A
            custom implementation may write another form.
    """

    writes_standard_form: bool = False

    @abstractmethod
    def loads(self, data: bytes) -> Any:
        """Read one JSON text.

        Args:
            data: The whole text.

        Returns:
            dict, list, str, int, float, bool or None.

        Raises:
            JsonRpcParseError: It is not strict JSON in UTF-8, or passes a limit. Nothing else is raised.

        Source: RFC 8259.
        """

    def loads_literals(self, data: bytes) -> Any:
        """Read a text a second time, after `loads`, with a `NumberText` in the place of each number.

        Args:
            data: The whole text.

        Returns:
            Its value; None where it is no JSON: a custom implementation may read other formats.
        """
        return read_literals(data)

    @abstractmethod
    def dumps(self, value: Any) -> bytes:
        """Write one value as JSON.

        Args:
            value: What JSON can say: also tuples, and keys that are int, float, bool or None.

        Returns:
            UTF-8, on one line, without spaces.

        Raises:
            JsonRpcSerializationError: It has no JSON form; `__cause__` is the reason. No other `Exception` is raised.
        """

    def convert(self, value: Any) -> Any:
        """Return the value that the hook gives for one that JSON has no type for; without a hook, the same value.

        Raises:
            Exception: What the hook raises.
        """
        return value
