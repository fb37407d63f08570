"""Checks of a JSON text that decoders may lack. The time of each grows linearly with the text."""

from __future__ import annotations

import codecs
import re
from itertools import accumulate
from math import isfinite
from typing import Any, Final

from ..exceptions import JsonRpcParseError

__all__ = [
    "DIGITS_AS_ZEROS",
    "JSON_WHITESPACE",
    "describe_failure",
    "exceeds_depth",
    "finite_float",
    "has_digit_run",
    "refuse_constant",
    "refuse_lone_surrogates",
    "utf8_text",
]

JSON_WHITESPACE: Final = " \t\n\r"

_UTF16_OR_32_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# As signed bytes: +1 for each opening bracket, -1 for each closing one. Their sums are the depths.
_BRACKET_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS_OR_QUOTES: Final = bytes(byte for byte in range(256) if byte not in b'[{]}"')
DIGITS_AS_ZEROS: Final = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))

# The longest text whose brackets are counted first, in a third of the time of translating it. Longer ones, such as
# batches, often have too many.
_SHORT: Final = 1024
_OPENS_ARRAY: Final = ord("[")
_CHUNK: Final = 256 * 1024
# How often to remove the innermost brackets before counting the depth bracket by bracket. A guess: a batch of calls
# with flat parameters has three levels.
_PEELINGS: Final = 4
_PAIR_LENGTH: Final = len(r"\ud83d\ude00")

_LONE_SURROGATE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def utf8_text(data: bytes) -> str:
    """Decode strict UTF-8.

    Raises:
        JsonRpcParseError: The bytes are not UTF-8; the message says what they are.

    Source: RFC 8259, section 8.1.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise JsonRpcParseError(describe_failure(data, "not UTF-8")) from exc
    return text


def describe_failure(data: bytes, reason: str = "") -> str:
    """Return the message for a text that could not be read. It names a wrong encoding first."""
    if data.startswith(codecs.BOM_UTF8):
        reason = "byte order mark"
    elif data.startswith(_UTF16_OR_32_MARKS) or b"\0" in data[:4]:
        reason = "UTF-16 or UTF-32; send UTF-8"
    return f"Parse error: {reason}" if reason else "Parse error"


def exceeds_depth(data: bytes, max_depth: int) -> bool:
    """Return whether arrays and objects nest deeper than allowed. A text with few brackets needs no exact count."""
    if len(data) <= _SHORT and count_openings(data) <= max_depth:
        return False
    if len(data) <= _CHUNK:
        return not is_shallow(data, max_depth) and nesting_depth(data) > max_depth
    return data.count(b"[") + data.count(b"{") > max_depth and nesting_depth(data) > max_depth


def count_openings(data: bytes) -> int:
    """Return the number of opening brackets, also of those in strings."""
    objects = data.count(b"{")
    # Looking for a single byte takes a tenth of the time of counting it, and many texts have no array.
    return objects + data.count(b"[") if _OPENS_ARRAY in data else objects


def is_shallow(data: bytes, max_depth: int) -> bool:
    """Return whether a text surely nests no deeper than allowed, in a third of the time of counting its depth."""
    marks = data.translate(None, _NO_BRACKETS_OR_QUOTES)
    quotes = marks.count(b'"')
    if len(marks) - quotes <= max_depth:
        return True
    # If the two quotes of each string are adjacent, no string contains a bracket. Backslashes may escape quotes.
    if b"\\" in data or 2 * marks.count(b'""') < quotes:
        return False
    brackets = marks.translate(None, b'"')
    # Each replacement removes at most one level.
    for peeled in range(2, 2 * _PEELINGS + 1, 2):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(brackets) + peeled <= max_depth:
            return True
    return False


def nesting_depth(data: bytes) -> int:
    """Return the deepest nesting of arrays and objects."""
    without_escapes = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    depth = deepest = 0
    is_inside_string = False
    # Chunk by chunk, so that other threads can run during a large text.
    for start in range(0, len(without_escapes), _CHUNK):
        marks = without_escapes[start : start + _CHUNK].translate(None, _NO_BRACKETS_OR_QUOTES)
        # Remove adjacent quotes first: they do not affect the rest, and most strings end up as such a pair.
        between_quotes = marks.replace(b'""', b"").split(b'"')
        outside_strings = b"".join(between_quotes[is_inside_string::2])
        steps = outside_strings.translate(_BRACKET_STEPS)
        depths = list(accumulate(memoryview(steps).cast("b"), initial=depth))
        depth, deepest = depths[-1], max(deepest, *depths)
        is_inside_string ^= len(between_quotes) % 2 == 0
    return deepest


def has_digit_run(data: bytes, run: bytes) -> bool:
    """Return whether a text has as many consecutive digits as `run`, a string of zeros, is long.

    Digits inside strings count too.
    """
    step = len(run) // 3
    # Such a run has three digits at a distance of a third of its length: a sample rules most texts out.
    if step and data[step - 1 :: step].translate(DIGITS_AS_ZEROS).find(b"000") < 0:
        return False
    return data.translate(DIGITS_AS_ZEROS).find(run) >= 0


def refuse_lone_surrogates(text: str) -> None:
    r"""Check the \u escapes of a JSON text.

    Raises:
        JsonRpcParseError: A surrogate has no partner. Python would make a str that UTF-8 cannot encode.

    Source: RFC 8259, section 8.2.
    """
    if "\\ud" not in text and "\\uD" not in text:
        return
    text = text.replace("\\\\", "  ")
    for start in range(0, len(text), _CHUNK):  # as in nesting_depth
        match = _LONE_SURROGATE.search(text, start, start + _CHUNK + _PAIR_LENGTH)
        if match and match.start() < start + _CHUNK:
            raise JsonRpcParseError("Parse error: lone surrogate")


def finite_float(digits: str) -> float:
    """Convert the text of a number to a float.

    Raises:
        JsonRpcParseError: The number exceeds the range of a double, such as 1e400.
    """
    value = float(digits)
    return value if isfinite(value) else refuse_constant(digits)


def refuse_constant(_name: str) -> Any:
    """Refuse NaN, Infinity and -Infinity, which JSON does not have."""
    raise JsonRpcParseError("Parse error: a number is not finite")
