"""Identifiers for the names of a document, which may be any text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

__all__ = ["Names", "class_name", "identifier"]

# An old version, which each version of Python and JavaScript contains.
_UNICODE = unicodedata.ucd_3_2_0

_WORD = re.compile(r"[^\W_]+")


def identifier(text: str, fallback: str, reserved: Collection[str] = ()) -> str:
    """Return an identifier for a name; it is one in Python and in JavaScript, apart from their keywords.

    It has no underscore at its beginning, which would make it private.

    Args:
        text: The name.
        fallback: The identifier of a name without letters, and the beginning of one that begins with a digit.
        reserved: Words that get an underscore at their end.
    """
    kept = "".join(ch if is_usable(ch) else "_" for ch in _UNICODE.normalize("NFKC", text)).lstrip("_")
    if not kept.isidentifier():
        kept = f"{fallback}_{kept}" if kept.strip("_") else fallback
    return f"{kept}_" if kept in reserved else kept


def is_usable(ch: str) -> bool:
    """Return whether a character may be in an identifier."""
    return f"a{ch}".isidentifier() and (ch.isascii() or _UNICODE.category(ch)[0] in "LMN")


def class_name(text: str, fallback: str) -> str:
    """Return a name in the style of classes: that of ``out of stock`` is ``OutOfStock``."""
    words = _WORD.findall(identifier(text, fallback))
    return "".join(word[0].upper() + word[1:] for word in words) or fallback


class Names:
    """The identifiers of one scope, which are all different.

    Args:
        reserved: The identifiers that are taken already.
    """

    def __init__(self, reserved: Collection[str] = ()) -> None:
        self._taken = set(reserved)
        self._numbers: dict[str, int] = {}

    def add(self, wanted: str, *variants: str) -> str:
        """Return an identifier that is not taken: the wanted one, or that with a number.

        Args:
            wanted: The identifier.
            variants: Formats, such as ``Async{}``, of identifiers that have to be free too.
        """
        chosen, number = wanted, self._numbers.get(wanted, 1)
        while not self._taken.isdisjoint(every := {chosen, *(variant.format(chosen) for variant in variants)}):
            number += 1
            chosen = f"{wanted}{number}" if wanted[0].isupper() else f"{wanted}_{number}"
        self._taken |= every
        self._numbers[wanted] = number
        return chosen
