"""Text helpers: the part between two markers, text for UTF-8, digests, and unique random text."""

from __future__ import annotations

import hashlib
import secrets
import sys
import time
from collections.abc import Callable, Container
from typing import Any

from .interrupts import is_interrupt

__all__ = ["between", "digest", "encodable", "random_text", "safe_repr", "short_repr"]


def between(text: str, prefix: str, suffix: str, start: int, default: Any) -> Any:
    """Return the text between a prefix and the next suffix.

    Args:
        text: The text to search.
        prefix: The text before the result; if empty, the result begins at ``start``.
        suffix: The text after the result; if empty, the result ends with the text.
        start: The index at which the search begins.
        default: The result if the prefix or the suffix is missing.
    """
    begin = text.find(prefix, start)
    if begin < 0:
        return default
    begin += len(prefix)
    end = text.find(suffix, begin) if suffix else len(text)
    return default if end < 0 else text[begin:end]


def encodable(text: str) -> str:
    """Return a text with the characters escaped that UTF-8 cannot hold: lone surrogates, as in names of files."""
    return text.encode(errors="backslashreplace").decode()


def safe_repr(value: Any) -> str:
    """Return the ``repr()`` of a value; if that raises, a text with the name of its class."""
    try:
        return repr(value)
    except BaseException as exc:
        if is_interrupt(exc):
            raise
        return f"<{type(value).__name__} without a repr()>"


def short_repr(value: Any, most: int = 200) -> str:
    """Return the first characters of :func:`safe_repr`, for the message of an error."""
    return safe_repr(value)[:most]


def digest(algorithm: str, text: str | bytes, on_error: Any) -> Any:
    """Return the digest of bytes, or of a text in UTF-8, as lower-case hexadecimal digits.

    Args:
        algorithm: A name that :mod:`hashlib` knows.
        text: The text or bytes to digest.
        on_error: The result if ``text`` is neither text nor bytes, or cannot be encoded in UTF-8. A callable is called
            with the exception, and its result is returned.
    """
    try:
        data = text.encode() if isinstance(text, str) else text
        return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
    except (TypeError, UnicodeEncodeError) as exc:
        return on_error(exc) if callable(on_error) else on_error


def random_text(
    largest: int | None,
    taken: Container[str] | None,
    prefix: str,
    suffix: str,
    patience_s: float,
    on_impatience: Callable[[int], int | None] | None,
) -> str | None:
    """Return a random number from 0 to ``largest`` as text, between a prefix and a suffix.

    The numbers come from the system's source for secrets, so the next one cannot be guessed.

    Args:
        largest: The largest number; None for :data:`sys.maxsize`.
        taken: Results to exclude: a list, a set, the keys of a dict, or the substrings of a text.
        prefix: The text before the number.
        suffix: The text after the number.
        patience_s: How long to search, in seconds.
        on_impatience: Called with ``largest`` after that time; returns a new ``largest`` for another search, or None.

    Returns:
        The text; None if the search failed, and ``on_impatience`` is missing or returned None.

    Raises:
        ValueError: ``largest`` is negative.
    """
    limit: int | None = sys.maxsize if largest is None else largest
    while limit is not None:
        deadline = time.monotonic() + patience_s
        text = free_text(limit, taken or (), prefix, suffix, deadline)
        if text is not None:
            return text
        limit = on_impatience(limit) if on_impatience is not None else None
    return None


def free_text(largest: int, taken: Container[str], prefix: str, suffix: str, deadline: float) -> str | None:
    if largest < 0:
        raise ValueError(f"mult={largest} is refused: it takes a number from 0 up")
    while True:
        text = f"{prefix}{secrets.randbelow(largest + 1)}{suffix}"
        if text not in taken:
            return text
        if time.monotonic() >= deadline:
            return None
