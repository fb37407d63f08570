"""URIs of resources, and templates of them.

Source: RFC 3986; RFC 6570, level 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from ...contract.urls import flaw_in_parts
from ...errors import RegistrationError

__all__ = ["UriTemplate", "checked_uri", "is_template"]

_EXPRESSION: Final = re.compile(r"\{([^{}]*)\}")

# RFC 6570 encodes all but letters, digits and -._~ in a value. Clients often do not, so only what ends a segment is
# refused here, and what no URI has.
_VALUE: Final = re.compile(r"(?:[^\x00-\x20\x7f/?#%]|%[0-9A-Fa-f]{2})+")


class UriTemplate:
    """A template such as ``users://{user_id}/photo``.

    A value reaches to the first occurrence of the text that follows it in the template. It is not empty, and has none
    of ``/?#`` unless they are percent-encoded. So a match takes a time proportional to the length of the URI.

    Args:
        text: The template.

    Attributes:
        text: As given.
        names: The names in it, in their order.

    Raises:
        RegistrationError: It is no template, or no URI; the message says why.
    """

    def __init__(self, text: str) -> None:
        pieces = _EXPRESSION.split(text)
        self.text = text
        self.names = tuple(pieces[1::2])
        self._literals = pieces[0::2]
        self._check()

    def _check(self) -> None:
        check_uri(self.text, self._literals)
        for name in self.names:
            if not (name.isidentifier() and name.isascii()):
                raise refusal(
                    self.text, f"{{{name}}} is not the name of a parameter; only names are taken, as in {{id}}"
                )
        if len(set(self.names)) != len(self.names):
            raise refusal(self.text, "a name occurs twice")
        if "" in self._literals[1:-1]:
            raise refusal(self.text, "there is nothing between two names, so nothing shows where a value ends")

    def match(self, uri: str) -> Mapping[str, str] | None:
        """Return the decoded values in a URI by their names; None if it is not one of the template."""
        first, last = self._literals[0], self._literals[-1]
        start, end = len(first), len(uri) - len(last)
        if start >= end or not (uri.startswith(first) and uri.endswith(last)):
            return None
        values: list[str | None] = []
        for literal in self._literals[1:-1]:
            found = uri.find(literal, start, end)
            if found < 0:
                return None
            values.append(decoded(uri[start:found]))
            start = found + len(literal)
        values.append(decoded(uri[start:end]))
        known = [value for value in values if value is not None]
        return dict(zip(self.names, known, strict=True)) if len(known) == len(values) else None


def is_template(uri: Any) -> bool:
    """Return whether a URI has names in braces."""
    return isinstance(uri, str) and ("{" in uri or "}" in uri)


def checked_uri(uri: Any) -> str:
    """Return a URI without names.

    Raises:
        RegistrationError: It is none.
    """
    if not isinstance(uri, str):
        raise refusal(uri, "it takes a string such as 'config://app'")
    check_uri(uri, [uri])
    return uri


def check_uri(uri: str, literals: list[str]) -> None:
    """Check the texts of a URI between its names.

    Raises:
        RegistrationError: There is no scheme, or a character that no URI has.
    """
    if flaw := flaw_in_parts(literals):
        raise refusal(uri, flaw)


def decoded(value: str) -> str | None:
    """Return the text that a value in a URI is the percent-encoded UTF-8 of; None if it is none."""
    if _VALUE.fullmatch(value) is None:
        return None
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return None


def refusal(uri: Any, why: str) -> RegistrationError:
    return RegistrationError(f"uri={uri!r} is refused: {why}")
