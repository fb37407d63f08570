"""Scripts and style sheets without what only people read: a fifth of their size.

A script must be written as a formatter writes it: statements end with semicolons, and binary operators have spaces
around them. Where a change could alter the meaning, the text stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["condensed_script", "condensed_style"]

_BEHIND_CODE = re.compile(r"(?<=[;,(){}\[\]]) +// [^\"'`\n]*$", re.MULTILINE)  # without quotes, it is in no text
_FULL_LINES = re.compile(r"^[ \t]*(?:(?://|/\*).*\n|\*(?:[ /].*)?\n)?", re.MULTILINE)

# A text over several lines, or a comment behind code that may be within a text.
_UNCLEAR = re.compile(r"^[^`\n]*(?:`[^`\n]*`[^`\n]*)*`[^`\n]*$|\S.* // ", re.MULTILINE)

# The last comma between brackets, and line ends that begin no statement.
_LINE_ENDS = ((re.compile(r",?\n+([)\]}])"), r"\1"), (re.compile(r"([,({\[;}])\n+"), r"\1"))


def template_with(inner: str) -> str:
    """Return the pattern of a template literal, with another pattern for literals in its substitutions."""
    code = r"[^`'\"{}]"
    substitution = rf"\${{(?:{code}|{{{code}*}}|{inner})*}}"
    return rf"`(?:[^`\\$]|\\.|\$(?!{{)|{substitution})*`"


_QUOTED = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_REGULAR_EXPRESSION = r"/(?![*/ ])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/"
_TEMPLATE = template_with(f"{_QUOTED}|{template_with(f'{_QUOTED}|{template_with(_QUOTED)}')}")
_LITERAL = re.compile(f"({_QUOTED}|{_TEMPLATE}|{_REGULAR_EXPRESSION})")

_QUOTE = re.compile("[\"'`]")
_SPACES_IN_SCRIPT = re.compile(r" *([=,:;?&|(){}<>*\[\]!]) *")  # not beside + and -, which could become ++ or --
_SPACES_IN_STYLE = re.compile(r"(\"[^\"]*\"|'[^']*')|;? ?(}) ?| ?([{,]) ?|([:;]) ")


def condensed_script(text: str) -> str:
    """Return a script without its comments, indentation and spaces; unchanged where that is not safe."""
    sent = without_comments(text)
    if sent is None:
        return text
    parts = _LITERAL.split(sent)
    code = parts[::2]
    if any(map(_QUOTE.search, code)):  # a literal that has not been recognized
        return sent
    return "".join(alternated((_SPACES_IN_SCRIPT.sub(r"\1", part) for part in code), parts[1::2]))


def condensed_style(text: str) -> str:
    """Return a style sheet without its comments, indentation and spaces; unchanged where that is not safe."""
    sent = without_comments(text)
    return text if sent is None else _SPACES_IN_STYLE.sub(r"\1\2\3\4", sent)


def without_comments(text: str) -> str | None:
    """Return a text without its comments, indentation and most line ends; None where that is not safe."""
    sent = _BEHIND_CODE.sub("", text)
    if _UNCLEAR.search(_FULL_LINES.sub("", sent)):
        return None
    for pattern, replacement in ((_FULL_LINES, ""), *_LINE_ENDS):
        sent = pattern.sub(replacement, sent)
    return sent


def alternated(code: Iterator[str], literals: list[str]) -> Iterator[str]:
    """Yield code and the literals between, in their order."""
    yield next(code)
    for literal, part in zip(literals, code, strict=True):
        yield literal
        yield part
