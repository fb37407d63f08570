"""Read a request's body under a size limit."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from .refusals import BadEncoding, BadRequest, BodyTooLarge, LengthRequired, RequestTimeout, UnsupportedMediaType

if TYPE_CHECKING:
    import werkzeug.wrappers

__all__ = ["broken_off", "declared_length", "gunzip", "is_gzip", "read_body", "read_parsed_body", "too_large"]

# wbits 16 + 15: a gzip header and trailer, with the largest window (zlib manual, inflateInit2).
_GZIP_WBITS = 31
_GZIP_MAGIC = b"\x1f\x8b"

# The most input and output of one decompression step; guessed.
_PIECE_BYTES = 64 * 1024

# The setting with the server's limit.
_SETTING = "max_body_bytes"


class StreamConsumedError(RuntimeError):
    """A hook of the Flask application has consumed the body. The message names the alternative."""


def declared_length(environ: dict[str, Any], limit_bytes: int, setting: str = _SETTING) -> int | None:
    """Return the Content-Length; None if the request has none.

    Raises:
        BadRequest: The value is not a plain decimal number, or the request has a Transfer-Encoding too.
        BodyTooLarge: The value is over the limit.

    Source: RFC 9112, section 6.
    """
    text = environ.get("CONTENT_LENGTH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(f"Content-Length {text!r} is not a decimal number")
    if "HTTP_TRANSFER_ENCODING" in environ:
        raise BadRequest("Content-Length and Transfer-Encoding exclude each other")
    # A longer number is over any limit, and int() would be slow.
    if len(text) > 19 or (length := int(text)) > limit_bytes:
        raise too_large(limit_bytes, setting)
    return length


def read_body(environ: dict[str, Any], limit_bytes: int) -> bytes:
    """Read a request's body from ``wsgi.input``, still encoded.

    Raises:
        BodyTooLarge: The body is over the limit. At most one byte past the limit has been read.
        BadRequest: The body is shorter than declared, or its length is not a number.
        LengthRequired: The body is chunked, and the serving program does not mark its end.
        RequestTimeout: The client stopped sending.
    """
    length = declared_length(environ, limit_bytes)
    try:
        if length is not None:
            body: bytes = environ["wsgi.input"].read(length)
            return body if len(body) == length else read_rest(body, environ["wsgi.input"], length)
        return read_to_end(environ["wsgi.input"], limit_bytes) if has_chunked_body(environ) else b""
    except OSError as exc:
        raise broken_off(exc) from exc


def read_parsed_body(parsed: werkzeug.wrappers.Request, environ: dict[str, Any], limit_bytes: int) -> bytes:
    """Read a request's body through Werkzeug's request object, which hooks of the application may read it from too.

    Raises:
        Refusal: See :func:`read_body`.
        StreamConsumedError: A hook has read the stream itself, which can be read only once.
    """
    from werkzeug.exceptions import ClientDisconnected

    limit_bytes, setting = smaller_limit(limit_bytes, parsed.max_content_length)
    is_streamed = "stream" in vars(parsed)
    declared = declared_length(environ, limit_bytes, setting)
    if declared is None and not has_chunked_body(environ):
        return b""
    # Werkzeug truncates a stream at its maximum without an error: one byte more reveals a longer body.
    parsed.max_content_length = limit_bytes + 1
    try:
        body = parsed.get_data()
    except ClientDisconnected as exc:
        cause = exc.__context__
        raise broken_off(cause if isinstance(cause, OSError) else None) from exc
    if len(body) > limit_bytes:
        raise too_large(limit_bytes, setting)
    if is_streamed and not body and declared != 0:
        raise StreamConsumedError(
            "a hook has read request.stream, and nothing is left of the body; let it read request.get_data() instead"
        )
    if declared is not None and len(body) < declared:
        raise broken_off(None)
    return body


def smaller_limit(limit_bytes: int, max_content_length: int | None) -> tuple[int, str]:
    """Return the smaller of the server's limit and Flask's, and the name of its setting."""
    if max_content_length is not None and max_content_length < limit_bytes:
        return max_content_length, "MAX_CONTENT_LENGTH"
    return limit_bytes, _SETTING


def has_chunked_body(environ: dict[str, Any]) -> bool:
    """Return whether a request without a declared length has a body that can be read to its end.

    Raises:
        LengthRequired: The request has a body, but the serving program does not end the stream with it.
    """
    if environ.get("wsgi.input_terminated"):
        return True
    if "HTTP_TRANSFER_ENCODING" in environ:
        raise LengthRequired("a chunked body cannot be read here; send Content-Length")
    return False


def broken_off(exc: OSError | None) -> RequestTimeout | BadRequest:
    """Return the refusal for a body that ended before its declared length or inside a chunk."""
    if isinstance(exc, TimeoutError):
        return RequestTimeout("the client stopped sending in the middle of the body")
    return BadRequest("the body ended before its declared length")


def read_rest(body: bytes, stream: BinaryIO, length: int) -> bytes:
    while len(body) < length:
        more = stream.read(length - len(body))
        if not more:
            raise broken_off(None)
        body += more
    return body


def read_to_end(stream: BinaryIO, limit_bytes: int) -> bytes:
    body = bytearray()
    while chunk := stream.read(min(limit_bytes + 1 - len(body), 65536)):
        body += chunk
        if len(body) > limit_bytes:
            raise too_large(limit_bytes)
    return bytes(body)


def is_gzip(content_encoding: str) -> bool:
    """Return whether a body with this Content-Encoding has to be decompressed.

    Raises:
        UnsupportedMediaType: The coding is neither a single ``gzip`` nor none.
    """
    coding = content_encoding.strip().lower()
    if coding in ("gzip", "x-gzip"):
        return True
    if coding in ("", "identity"):
        return False
    raise UnsupportedMediaType(f"Content-Encoding {content_encoding!r} is not taken; send gzip or none")


def gunzip(body: bytes, *, limit_bytes: int) -> bytes:
    """Decompress one gzip member.

    Args:
        body: The compressed bytes as they came off the wire.
        limit_bytes: The largest result, in bytes. Decompression stops there; nothing larger is ever held.

    Raises:
        BodyTooLarge: The result would pass the limit. Answer 413.
        BadEncoding: The body is truncated, corrupt or gzipped twice, or bytes follow the member. Answer 400.

    Source: RFC 1952, section 2.2.
    """
    decompressor = zlib.decompressobj(_GZIP_WBITS)
    try:
        plain = inflate(decompressor, body, limit_bytes)
    except zlib.error as exc:
        raise BadEncoding("the body is not valid gzip") from exc
    if not decompressor.eof:
        raise BadEncoding("the gzip body is truncated")
    if decompressor.unused_data:
        raise BadEncoding("bytes follow the gzip body")
    if plain.startswith(_GZIP_MAGIC):
        raise BadEncoding("the body is gzipped twice")
    return plain


def inflate(decompressor: zlib._Decompress, body: bytes, limit_bytes: int) -> bytes:
    """Decompress in pieces, holding no more than the limit allows.

    In one step, zlib would hold a bomb twice: in blocks and joined. The input is cut too, since zlib copies the rest of
    it after each piece.
    """
    pieces: list[bytes] = []
    left_bytes = limit_bytes
    for start in range(0, len(body), _PIECE_BYTES):
        data, piece = body[start : start + _PIECE_BYTES], b""
        while data or len(piece) == _PIECE_BYTES:  # a piece of full size may leave more inside zlib
            piece = decompressor.decompress(data, _PIECE_BYTES)
            left_bytes -= len(piece)
            if left_bytes < 0:
                raise too_large(limit_bytes)
            pieces.append(piece)
            data = decompressor.unconsumed_tail
    return b"".join(pieces)


def too_large(limit_bytes: int, setting: str = _SETTING) -> BodyTooLarge:
    """Return the refusal for a body over the limit of a setting."""
    return BodyTooLarge(f"the body is over {setting} ({limit_bytes} bytes)")
