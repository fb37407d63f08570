"""Reading a chunked body, strictly (RFC 9112, section 7.1)."""

from __future__ import annotations

import io
import re
from typing import Any

__all__ = ["BadChunk", "ChunkedBody"]

# A chunk's size with what may follow it; nothing that another reader may take for another number.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")

# A trailer is a header field (RFC 9112, section 7.1.2); anything else may be the beginning of another request.
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")

# The longest line of a size or a trailer, and the most trailers; guessed.
_MAX_LINE_BYTES = 4096
_MAX_TRAILERS = 100


# How many chunks a body may have, and one more for so many bytes of it: millions of chunks of a byte each would cost
# seconds. Guessed.
_FREE_CHUNKS = 10_000
_BYTES_OF_FURTHER_CHUNK = 64


class BadChunk(OSError):
    """The chunking is malformed, or the connection ends in the middle of it."""


class ChunkedBody(io.RawIOBase):
    """The bytes of a chunked body.

    Args:
        source: The connection, at the beginning of the body.

    Attributes:
        has_ended: Whether all of it has been read, so that the next request may follow.
    """

    def __init__(self, source: io.BufferedReader[Any]) -> None:
        self._source = source
        self._left = 0  # bytes of the chunk that is being read
        self._chunks_left = float(_FREE_CHUNKS)
        self.has_ended = False

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; 0 at the end.

        Raises:
            BadChunk: The chunking is malformed, or ends early.
        """
        if not self._left and not self._begin_chunk():
            return 0
        read = self._source.readinto1(memoryview(buffer)[: self._left])
        if not read:
            raise BadChunk("the body ends in the middle of a chunk")
        self._left -= read
        if not self._left and self._source.read(2) != b"\r\n":
            raise BadChunk("a chunk is longer than its size says")
        return read

    def _begin_chunk(self) -> bool:
        if self.has_ended:
            return False
        size = _SIZE.fullmatch(self._source.readline(_MAX_LINE_BYTES))
        if size is None:
            raise BadChunk("a chunk has no size, or one that is no number")
        self._left = int(size[1], 16)
        self._chunks_left += self._left / _BYTES_OF_FURTHER_CHUNK - 1
        if self._chunks_left < 0:
            raise BadChunk("the body has too many small chunks")
        if not self._left:
            self._skip_trailers()
        return self._left > 0

    def _skip_trailers(self) -> None:
        for _ in range(_MAX_TRAILERS):
            line = self._source.readline(_MAX_LINE_BYTES)
            if line == b"\r\n":
                self.has_ended = True
                return
            if not _TRAILER.fullmatch(line):
                break
        raise BadChunk("the trailers are malformed, or too many")
