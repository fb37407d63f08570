"""The interface of all codecs, and the limits that they enforce."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final

from .literals import read_literals

__all__ = ["Codec", "JsonLimits"]

_MAX_DEPTH_CEILING: Final = 500


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Limits on the JSON texts that are read.

    Attributes:
        max_depth: The deepest nesting of arrays and objects, 1 to 500. Beyond that, Python's recursion limit would
            decide, which depends on the stack of the caller.
        max_integer_digits: The longest integer, in digits. The time to convert one grows with the square of its length.
            A lower limit of `sys.set_int_max_str_digits` takes precedence.

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
        """The most digits that can be read: the lower of this limit and the interpreter's."""
        get_interpreters = getattr(sys, "get_int_max_str_digits", int)  # new in 3.10.7; int() returns 0, no limit
        return min(self.max_integer_digits, get_interpreters() or self.max_integer_digits)


class Codec(ABC):
    """Converts between strict JSON in UTF-8 and Python values. Threads may share a codec.

    Attributes:
        writes_standard_form: Whether integers are written as their decimal digits, so that a caller may write them
            without the codec. A custom implementation may write another form.
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
            JsonRpcParseError: The text is not strict JSON in UTF-8, or exceeds a limit. Nothing else is raised.

        Source: RFC 8259.
        """

    def loads_literals(self, data: bytes) -> Any:
        """Read a text again after `loads`, with a `NumberText` in place of each number.

        Args:
            data: The whole text.

        Returns:
            Its value; None if it is not JSON: a custom implementation may read other formats.
        """
        return read_literals(data)

    @abstractmethod
    def dumps(self, value: Any) -> bytes:
        """Write one value as JSON.

        Args:
            value: A value with a JSON form. Tuples are allowed, and so are keys that are int, float, bool or None.

        Returns:
            UTF-8, on one line, without spaces.

        Raises:
            JsonRpcSerializationError: The value has no JSON form; `__cause__` is the reason. No other `Exception` is
                raised.
        """

    def convert(self, value: Any) -> Any:
        """Convert a value that JSON has no type for by the hook; without a hook, return it unchanged.

        Raises:
            Exception: Any exception of the hook.
        """
        return value
