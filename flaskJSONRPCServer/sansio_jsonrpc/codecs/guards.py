"""Checks of a JSON text before or beside its decoder. Each takes time in proportion to the text."""

from __future__ import annotations

import codecs
import re
from itertools import accumulate
from math import isfinite
from typing import Any, Final

from ..exceptions import JsonRpcParseError

JSON_WHITESPACE: Final = " \t\n\r"

_UTF16_OR_32_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# As signed bytes: +1 for each opening bracket, -1 for each closing one. Their sums are the depths.
_BRACKET_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS_OR_QUOTES: Final = bytes(byte for byte in range(256) if byte not in b'[{]}"')
_DIGITS_AS_ZEROS: Final = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))

_CHUNK: Final = 256 * 1024
# So many times the innermost brackets are taken away before the depth is counted bracket by bracket. A guess: a batch
# of calls with flat parameters has three levels.
_PEELINGS: Final = 4
_PAIR_LENGTH: Final = len(r"\ud83d\ude00")

_LONE_SURROGATE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def utf8_text(data: bytes) -> str:
    """Decode strict UTF-8.

    Raises:
        JsonRpcParseError: It is something else; the message says what.

    Source: RFC 8259, section 8.1.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise JsonRpcParseError(describe_failure(data, "not UTF-8")) from exc
    return text


def describe_failure(data: bytes, reason: str = "") -> str:
    """The message for a text that could not be read: a wrong encoding is named, whatever the decoder made of it."""
    if data.startswith(codecs.BOM_UTF8):
        reason = "byte order mark"
    elif data.startswith(_UTF16_OR_32_MARKS) or b"\0" in data[:4]:
        reason = "UTF-16 or UTF-32; send UTF-8"
    return f"Parse error: {reason}" if reason else "Parse error"


def exceeds_depth(data: bytes, max_depth: int) -> bool:
    """Whether arrays and objects nest deeper than allowed. Few brackets need no look at where they stand."""
    if len(data) <= _CHUNK:
        return not _is_shallow(data, max_depth) and _depth(data) > max_depth
    return data.count(b"[") + data.count(b"{") > max_depth and _depth(data) > max_depth


def _is_shallow(data: bytes, max_depth: int) -> bool:
    """Whether a text surely nests no deeper than allowed: a third of the time that its depth takes."""
    marks = data.translate(None, _NO_BRACKETS_OR_QUOTES)
    brackets = marks.translate(None, b'"')
    if len(brackets) <= max_depth:
        return True
    # Where the two quotes of each string stand side by side, there is no bracket between them. Backslashes may escape
    # some.
    if b"\\" in data or 2 * marks.count(b'""') < len(marks) - len(brackets):
        return False
    # Each replacement takes one level at most.
    for peeled in range(2, 2 * _PEELINGS + 1, 2):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(brackets) + peeled <= max_depth:
            return True
    return False


def _depth(data: bytes) -> int:
    without_escapes = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    depth = deepest = 0
    is_inside_string = False
    # Chunk by chunk, so that a large text is never a long time at a stretch.
    for start in range(0, len(without_escapes), _CHUNK):
        marks = without_escapes[start : start + _CHUNK].translate(None, _NO_BRACKETS_OR_QUOTES)
        # Two quotes with nothing between them change nothing for what follows: most strings go at once.
        between_quotes = marks.replace(b'""', b"").split(b'"')
        outside_strings = b"".join(between_quotes[is_inside_string::2])
        steps = outside_strings.translate(_BRACKET_STEPS)
        depths = list(accumulate(memoryview(steps).cast("b"), initial=depth))
        depth, deepest = depths[-1], max(deepest, *depths)
        is_inside_string ^= len(between_quotes) % 2 == 0
    return deepest


def has_digit_run(data: bytes, run: bytes) -> bool:
    """Whether as many digits follow each other as `run`, a string of zeros, is long. They may stand in a string."""
    step = len(run) // 3
    # Three of so many digits stand a third of the run apart: a part of the text rules most texts out.
    if step and data[step - 1 :: step].translate(_DIGITS_AS_ZEROS).find(b"000") < 0:
        return False
    return data.translate(_DIGITS_AS_ZEROS).find(run) >= 0


def refuse_lone_surrogates(text: str) -> None:
    r"""Check the \u escapes of a JSON text.

    Raises:
        JsonRpcParseError: Half of a surrogate pair stands alone. Python would make a str that no UTF-8 can carry.

    Source: RFC 8259, section 8.2.
    """
    if "\\ud" not in text and "\\uD" not in text:
        return
    text = text.replace("\\\\", "  ")
    for start in range(0, len(text), _CHUNK):  # as in _depth
        found = _LONE_SURROGATE.search(text, start, start + _CHUNK + _PAIR_LENGTH)
        if found and found.start() < start + _CHUNK:
            raise JsonRpcParseError("Parse error: lone surrogate")


def finite_float(digits: str) -> float:
    """Convert the text of a number.

    Raises:
        JsonRpcParseError: It is beyond the range of a double, such as 1e400.
    """
    value = float(digits)
    return value if isfinite(value) else refuse_constant(digits)


def refuse_constant(_name: str) -> Any:
    """Refuse NaN, Infinity and -Infinity, which JSON does not have."""
    raise JsonRpcParseError("Parse error: a number is not finite")
