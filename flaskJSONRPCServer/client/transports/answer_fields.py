"""Checks of answers that both HTTP transports make, and the decompression of bodies."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from ..errors import AnswerTooLargeError, ProtocolError

__all__ = ["body_length", "decompressed", "is_interim", "joined_fields"]

_BODILESS: Final = (204, 304)
_GZIP: Final = {"gzip", "x-gzip"}


def joined_fields(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return header fields by their names in lower case; the values of a repeated one are joined by commas."""
    joined: dict[str, str] = {}
    for name, value in fields:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def is_interim(status: int) -> bool:
    """Return whether another answer follows the one with this status (RFC 9110, section 15.2).

    Raises:
        ProtocolError: The server goes over to another protocol, which was not asked for.
    """
    if status == 101:
        raise ProtocolError("HTTP status 101: the server speaks another protocol from here on")
    return status < 200


def body_length(status: int, headers: dict[str, str]) -> int | None:
    """Return the length of a body that its head says; None if its end is marked otherwise.

    Raises:
        ProtocolError: The length is ambiguous. To guess it would take the rest of one answer for the next.

    Source: RFC 9112, section 6.3.
    """
    if status in _BODILESS:
        return 0
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None and (length is not None or coding.lower() != "chunked"):
        raise ProtocolError(f"an answer with Transfer-Encoding {coding!r} and Content-Length {length!r}")
    if length is None:
        return None
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise ProtocolError(f"an answer with the Content-Length {length[:100]!r}")
    return int(length)


def decompressed(body: bytes, coding: str | None, *, limit_bytes: int) -> bytes:
    """Return a body without its Content-Encoding. An empty one has none, whatever the header says.

    Raises:
        AnswerTooLargeError: It has more bytes than the limit. No more are decompressed.
        ProtocolError: It is not gzip, is not complete, or has another coding.
    """
    if not body or coding is None or coding.lower() == "identity":
        return body
    if coding.lower() not in _GZIP:
        raise ProtocolError(f"an answer with the Content-Encoding {coding!r}, which was not asked for")
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(body, limit_bytes + 1)
    except zlib.error as exc:
        raise ProtocolError(f"an answer that is not gzip: {exc}") from exc
    if len(text) > limit_bytes:
        raise AnswerTooLargeError(f"an answer of more than {limit_bytes} bytes after decompression")
    if not stream.eof or stream.unused_data:
        raise ProtocolError("an answer whose gzip is cut off, or followed by other bytes")
    return text
