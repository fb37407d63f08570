"""Text: what lies between two marks, digests, and random text that is not taken."""

from __future__ import annotations

import hashlib
import secrets
import sys
import time
from collections.abc import Callable, Container
from typing import Any

__all__ = ["between", "digest", "random_text"]


def between(text: str, prefix: str, suffix: str, start: int, default: Any) -> Any:
    """Return what stands between a prefix and the first suffix behind it.

    Args:
        text: Where to look.
        prefix: What stands before; where it is empty, the part begins at ``start``.
        suffix: What stands behind; where it is empty, the part ends with the text.
        start: From which character on to look.
        default: The answer where either is missing.
    """
    begin = text.find(prefix, start)
    if begin < 0:
        return default
    begin += len(prefix)
    end = text.find(suffix, begin) if suffix else len(text)
    return default if end < 0 else text[begin:end]


def digest(algorithm: str, text: str | bytes, on_error: Any) -> Any:
    """Return the digest of a text, in UTF-8, or of bytes, as lower-case hexadecimal digits.

    Args:
        algorithm: A name that :mod:`hashlib` knows.
        text: What to digest.
        on_error: The answer where it is neither text nor bytes, or text that UTF-8 cannot encode. If it is callable, it
            is called with the exception, and its result is the answer.
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

    The numbers come from the system's source for secrets, so nobody can guess the next one.

    Args:
        largest: The largest number; None for :data:`sys.maxsize`.
        taken: Results that are refused: a list, a set, the keys of a dict, or the parts of a text.
        prefix: What stands before the number.
        suffix: What stands behind it.
        patience_s: For how many seconds to look for a result that is not taken.
        on_impatience: Asked for a new ``largest`` after that time, with the old one; the search then begins anew.

    Returns:
        The text; None if none was found in time, and ``on_impatience`` is missing or returned None.

    Raises:
        ValueError: ``largest`` is negative.
    """
    limit: int | None = sys.maxsize if largest is None else largest
    while limit is not None:
        deadline = time.monotonic() + patience_s
        found = _untaken(limit, taken or (), prefix, suffix, deadline)
        if found is not None:
            return found
        limit = on_impatience(limit) if on_impatience is not None else None
    return None


def _untaken(largest: int, taken: Container[str], prefix: str, suffix: str, deadline: float) -> str | None:
    if largest < 0:
        raise ValueError(f"mult={largest} is refused: it takes a number from 0 up")
    while True:
        text = f"{prefix}{secrets.randbelow(largest + 1)}{suffix}"
        if text not in taken:
            return text
        if time.monotonic() >= deadline:
            return None
