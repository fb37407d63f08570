"""The codec of the standard library's json. It is the reference: if another codec is unsure, this one decides."""

from __future__ import annotations

import json.encoder
import sys
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final, TypeAlias

from ..exceptions import JsonRpcLongIntegerError, JsonRpcParseError, JsonRpcSerializationError
from .base import Codec, JsonLimits
from .guards import (
    JSON_WHITESPACE,
    describe_failure,
    exceeds_depth,
    finite_float,
    has_digit_run,
    refuse_constant,
    refuse_lone_surrogates,
    utf8_text,
)

__all__ = ["Default", "LongInteger", "StandardCodec", "refuse_type"]

Default: TypeAlias = Callable[[Any], Any]
"""A hook for types that JSON lacks: takes the value, returns one that JSON has, or raises."""


# C code recurses 10,000 levels in Python 3.13, and as deep as the stack allows since 3.14: some 65,000. A value that
# contains itself would be written as often, with its long texts, until no memory is left.
_RECURSES_DEEPLY: Final = sys.version_info >= (3, 13)


class LongInteger(Enum):
    """The mark in place of an integer of too many digits."""

    MARK = "an integer of too many digits"


def refuse_type(value: Any) -> Any:
    """Raise TypeError for a value that JSON has no type for: the hook if the user passed none."""
    raise TypeError(f"{type(value).__name__} is not a JSON type; pass make_codec a default= that converts it")


class StandardCodec(Codec):
    """JSON by the standard library, in strict form. The encoder and decoder are built once.

    Args:
        default: Converts values of types that JSON lacks.
        limits: The limits on texts.
    """

    def __init__(self, *, default: Default | None, limits: JsonLimits) -> None:
        self.writes_standard_form = True
        self._max_depth = limits.max_depth
        self._max_digits = limits.integer_digits
        self._long_run = b"0" * (self._max_digits + 1)
        self._default = default or refuse_type
        self._iterencode = build_encoder(self._default)
        decoder = json.JSONDecoder(parse_float=finite_float, parse_constant=refuse_constant)
        # scan_once, since decode() would search for white space twice. The stubs leave it out.
        self._scan: Callable[[str, int], tuple[Any, int]] = decoder.scan_once  # type: ignore[attr-defined]

    def loads(self, data: bytes) -> Any:
        """See `Codec.loads`."""
        text = utf8_text(data)
        if "\\u" in text:
            refuse_lone_surrogates(text)
        if len(data) > self._max_depth and exceeds_depth(data, self._max_depth):
            raise JsonRpcParseError(f"Parse error: nested deeper than {self._max_depth}")
        try:
            return self._loads_text(text.strip(JSON_WHITESPACE), data)
        except (ValueError, StopIteration, RecursionError) as exc:
            raise JsonRpcParseError(describe_failure(data)) from exc

    def dumps(self, value: Any) -> bytes:
        """See `Codec.dumps`."""
        try:
            return "".join(self._iterencode(value, 0)).encode()
        except Exception as exc:  # the user's hook may raise anything
            raise JsonRpcSerializationError from exc

    def convert(self, value: Any) -> Any:
        """See `Codec.convert`."""
        return self._default(value)

    def _loads_text(self, text: str, data: bytes) -> Any:
        if len(data) > self._max_digits and has_digit_run(data, self._long_run):
            return self._loads_marked(text)
        value, end = self._scan(text, 0)
        if end != len(text):
            raise ValueError(f"more text after the value, at character {end}")
        return value

    def _loads_marked(self, text: str) -> Any:
        """Read a text that may have integers of too many digits.

        Raises:
            JsonRpcLongIntegerError: It has one. The exception has the value with marks in place of such integers.
        """
        marked = False

        def parse_int(digits: str) -> int | LongInteger:
            nonlocal marked
            if len(digits.lstrip("-")) <= self._max_digits:
                return int(digits)
            marked = True
            return LongInteger.MARK

        tree = json.JSONDecoder(parse_int=parse_int, parse_float=finite_float, parse_constant=refuse_constant).decode(
            text
        )
        if marked:
            raise JsonRpcLongIntegerError(f"Parse error: an integer of more than {self._max_digits} digits", tree)
        return tree


def build_encoder(default: Default) -> Callable[[Any, int], Iterable[str]]:
    """Build the encoder, once for a codec where it may be: JSONEncoder.encode builds one for each value."""
    make_encoder = getattr(json.encoder, "c_make_encoder", None)
    if make_encoder is None:
        encode = json.JSONEncoder(
            ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=default
        ).encode
        return lambda value, _indent_level: [encode(value)]

    def build(markers: dict[int, Any] | None) -> Callable[[Any, int], Iterable[str]]:
        encoder: Callable[[Any, int], Iterable[str]] = make_encoder(
            markers, default, json.encoder.encode_basestring, None, ":", ",", False, False, False
        )
        return encoder

    def encode_with_markers(value: Any, indent_level: int) -> Iterable[str]:
        return build({})(value, indent_level)  # threads may write one value at the same time, and must not share them

    # Without markers, a circular reference still ends in a RecursionError.
    return encode_with_markers if _RECURSES_DEEPLY else build(None)
