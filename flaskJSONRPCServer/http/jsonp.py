"""JSONP: wrap an answer in a script, for pages of other origins that cannot use CORS."""

from __future__ import annotations

import re

from .refusals import BadRequest

__all__ = ["CALLBACK", "DATA", "DEFAULT_FORMAT", "check_callback", "is_output_format", "wrap"]

CALLBACK = "%(callback)s"
DATA = "%(data)s"
DEFAULT_FORMAT = f"{CALLBACK}({DATA});"

_MAX_CALLBACK_LENGTH = 128
_CALLBACK = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*|\[\d{1,9}\])*", re.ASCII)

# Answers start with a comment, so that no callback name can make them look like another file type: Flash files begin
# with CWS, for example. "</" could end a script element that contains the text. U+2028 and U+2029 end a line in scripts
# older than ECMAScript 2019.
_PREFIX = b"/**/"
_ESCAPES = ((b"</", b"<\\/"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))


def check_callback(name: str) -> str:
    """Check a callback name and return it.

    Raises:
        BadRequest: The name is not a JavaScript name (with dots and [digits]) of at most 128 ASCII characters.
    """
    if len(name) > _MAX_CALLBACK_LENGTH or not _CALLBACK.fullmatch(name):
        raise BadRequest("the JSONP callback must be a JavaScript name of at most 128 ASCII characters")
    return name


def is_output_format(text: str) -> bool:
    """Return whether a text has a placeholder for the JSON: ``%(data)s`` or a bare ``%s``."""
    return DATA in text or "%s" in text


def wrap(json: bytes, callback: str, output_format: str) -> bytes:
    """Wrap a JSON text in a script.

    Args:
        json: Valid JSON in UTF-8.
        callback: A name that :func:`check_callback` has accepted.
        output_format: The script, with ``%(callback)s`` for the name and ``%(data)s``, or ``%s``, for the JSON.

    Raises:
        ValueError: The format has no placeholder for the JSON.
    """
    if not is_output_format(output_format):
        raise ValueError(f"JSONP output format {output_format!r} does not say where the JSON goes, {DATA}")
    for dangerous, escaped in _ESCAPES:
        json = json.replace(dangerous, escaped)
    marker = DATA if DATA in output_format else "%s"
    head, _, tail = output_format.replace(CALLBACK, callback).partition(marker)
    return b"".join((_PREFIX, head.encode(), json, tail.encode()))
