"""Texts of a document as literals and comments, which no text can end.

A document may come from a stranger. Its texts get into a module here and nowhere else.
"""

from __future__ import annotations

import json
import re

__all__ = ["block_comment", "docstring", "is_encodable", "one_line", "python_literal", "script_literal"]

# Characters that cannot be seen, or that act on a terminal or an editor. `str.isprintable` differs between the versions
# of Python, and so would the modules that they generate.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\uffff"
    r"\U000e0000-\U000e0fff]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_LINE_END = re.compile(r"\r\n?|\n")
_DOUBLED_QUOTE = re.compile(r'"(?=")')
_LAST_QUOTE = re.compile(r'"(?="|$)')


def python_literal(text: str) -> str:
    """Return a text as a string literal of Python."""
    escaped = "".join(_SHORT_ESCAPES.get(ch, ch) for ch in text)
    return f'"{_UNSEEN.sub(escape_of, escaped)}"'


def escape_of(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def script_literal(text: str) -> str:
    """Return a text as a string literal of JavaScript, which a page may have in a ``script`` element too."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("</", "<\\/").replace("<!--", "<\\!--")
    return '"' + _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], quoted) + '"'


def docstring(text: str, indent: str) -> str:
    """Return a docstring with its indentation, and a line end.

    All lines but the first are indented, so that no comment for a type checker begins a line.
    """
    *before, last = (line.replace("\\", "\\\\") for line in clean_lines(text))
    lines = [*(_DOUBLED_QUOTE.sub(r'\\"', line) for line in before), _LAST_QUOTE.sub(r'\\"', last)]
    end = '"""' if len(lines) == 1 else f'\n{indent}"""'
    rest = "".join(f"\n{indent or '    '}{line}" if line else "\n" for line in lines[1:])
    return f'{indent}"""{lines[0]}{rest}{end}\n'


def block_comment(text: str, indent: str) -> str:
    """Return a documentation comment of JavaScript with its indentation, and a line end."""
    lines = [line.replace("*/", "*\\/").replace("</", "<\\/") for line in clean_lines(text)]
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    rest = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{rest}{indent} */\n"


def clean_lines(text: str) -> list[str]:
    """Return the lines of a text, in which each character can be seen; one empty line for an empty text."""
    lines = _LINE_END.split(text.strip().expandtabs(4))
    return [_UNSEEN.sub(escape_of, line).rstrip() for line in lines]


def one_line(text: str) -> str:
    """Return a text without line ends."""
    return " ".join(text.split())


def is_encodable(text: str) -> bool:
    """Return whether a text can be written in UTF-8: lone surrogates cannot."""
    return not any("\ud800" <= ch <= "\udfff" for ch in text)
