"""Find the regular expressions that mean the same in JavaScript, Python and Rust.

JSON Schema names those of JavaScript, its validators have those of their languages, and the engine of pydantic is
written in Rust. An expression may have another meaning in another language, and be no error there. Of these, only ``$``
is taken: in Python alone, it is before a line break at the end, too.

Source: ECMA-262, section 22.2; JSON Schema 2020-12, section 6.4 of the core.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_portable"]

# Each alternative begins with other characters, so that an expression is read in linear time.
_ESCAPE: Final = r"\\[\^$\\.*+?()\[\]{}|/]"
# `-` has a meaning between two characters, and pairs of the last three have one in Rust or are reserved in Python.
_MEMBER: Final = rf"(?:[A-Za-z0-9 !\"#$%'()*+,./:;<=>?@_`{{}}]|{_ESCAPE}|\\-|&(?!&)|~(?!~)|\|(?!\|))"
# Not negated: in JavaScript without `u`, a character beyond U+FFFF is two. That excludes `.`, too.
_CLASS: Final = rf"\[-?(?:{_MEMBER}(?:-{_MEMBER})?)+-?\]"
# Rust and Python take more digits for `\d` than JavaScript, and differ by more than that about all other letters.
_ATOM: Final = rf"(?:[A-Za-z0-9 !\"#%&',/:;<=>@_`~-]|{_ESCAPE}|\\d|{_CLASS}|\))"
_QUANTIFIER: Final = r"(?:(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??)?"
_PORTABLE: Final = re.compile(rf"(?:[\^$|]|\((?:\?:)?|{_ATOM}{_QUANTIFIER})*")


def is_portable(pattern: str) -> bool:
    r"""Return whether a regular expression means the same in JavaScript, Python and Rust, or is none in one of them.

    It has characters of ASCII, classes of them that are not negated, ``\d``, groups without names, alternatives, the
    anchors ``^`` and ``$``, and one quantifier at most for each part.
    """
    return _PORTABLE.fullmatch(pattern) is not None
