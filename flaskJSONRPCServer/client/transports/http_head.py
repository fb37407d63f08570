"""Parse the head of an HTTP/1.1 answer, and the lines between its chunks: the rules of both HTTP transports.

`http.client` reads from blocking files only, and guesses where an answer breaks the rules; its headers are those of
e-mail, whose parser takes as long as the rest of a call. So this module has the minimum that RFC 9112 requires of a
client, and refuses everything else: folded lines, lines that end in a bare LF, white space before a colon, chunk sizes
with signs. A client that guesses may take the end of one answer for the next.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ..errors import ProtocolError
from .answer_fields import joined_fields

__all__ = ["MAX_HEAD_BYTES", "MAX_INTERIM", "Head", "chunk_size", "parse_head"]

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_INTERIM: Final = 100
"""The most answers with a status from 100 to 199 before the last one. A server may send some for a long call."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n\0]*)?")
_FIELD_NAME: Final = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELDS: Final = re.compile(f"(?:{_FIELD_NAME}:[^\r\n\0]*\r\n)*")
_FIELD: Final = re.compile(f"({_FIELD_NAME}):[ \t]*([^\r\n\0]*?)[ \t]*\r\n")
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n\0]*)?\r\n")


class Head(NamedTuple):
    """The head of an answer.

    Attributes:
        status: The status code.
        headers: The header fields, with names in lower case.
        is_persistent: Whether the server keeps the connection open.
    """

    status: int
    headers: dict[str, str]
    is_persistent: bool


def parse_head(data: bytes) -> Head:
    r"""Parse a head.

    Args:
        data: The head with the empty line at its end.

    Raises:
        ProtocolError: It is not one of HTTP/1.0 or HTTP/1.1.

    Source: RFC 9112, sections 4, 5 and 9.3.
    """
    first, _, fields = data[:-2].partition(b"\r\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise ProtocolError(f"the answer is not HTTP: it begins with {first[:80]!r}")
    headers = parse_fields(fields.decode("latin-1"))
    is_persistent = keeps_open(headers.get("connection", ""), status_line[1])
    return Head(int(status_line[2]), headers, is_persistent)


def keeps_open(connection: str, minor_version: bytes) -> bool:
    if not connection:
        return minor_version == b"1"
    options = {option.strip().lower() for option in connection.split(",")}
    return "close" not in options and (minor_version == b"1" or "keep-alive" in options)


def parse_fields(lines: str) -> dict[str, str]:
    if not _FIELDS.fullmatch(lines):
        raise ProtocolError(f"the answer is not HTTP: a line of its head is no field; it begins with {lines[:80]!r}")
    return joined_fields(_FIELD.findall(lines))


def chunk_size(line: bytes) -> int:
    r"""Return the size in the first line of a chunk; 0 of the last one.

    Args:
        line: The line with its \r\n.

    Raises:
        ProtocolError: It is not a hexadecimal number, with or without extensions after it.

    Source: RFC 9112, section 7.1.
    """
    chunk = _CHUNK.fullmatch(line)
    if chunk is None:
        raise ProtocolError(f"the answer is not HTTP: a chunk begins with {line[:80]!r}")
    return int(chunk[1], 16)
