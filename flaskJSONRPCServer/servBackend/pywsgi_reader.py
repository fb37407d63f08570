"""From a connection of pywsgi to llhttp: one request, and nothing of what follows it."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import gevent
import httptools

from ..http.refusals import BadRequest, Refusal
from .native.buffers import ReceiveBuffer
from .native.limits import Head, ParserLimits
from .native.parser import ParsedRequest, RequestParser

__all__ = ["ChunkedBody", "ParsedBytes", "RequestReader"]

_EMPTY_LINE = b"\r\n\r\n"


class ChunkedEnd:
    """Tells whether a chunked body ends in some bytes, before they are parsed for good.

    It is llhttp again, without a callback for what is in the body, so it costs next to nothing.
    """

    def __init__(self) -> None:
        self._has_come = False
        self._parser: Any = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")

    def on_message_complete(self) -> None:
        """Take the end of the body, as llhttp tells it."""
        self._has_come = True

    def is_in(self, data: bytes) -> bool:
        """Return whether the end is in what comes next, or has come."""
        if self._has_come:
            return True
        # The one that parses them for good refuses what is wrong. What follows the end may ask for another protocol.
        with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._parser.feed_data(data)
        return self._has_come

    def close(self) -> None:
        """Let go of the parser, which refers back to this object."""
        self._parser = None


class RequestReader:
    """Reads one request from a connection by llhttp.

    What follows the request must stay unread: it is the next one, or a body that is read as it is. llhttp tells that a
    head or a body has ended, but httptools does not tell where in the bytes that it was given. Both a head and a
    chunked body end with an empty line (RFC 9112, sections 2.1 and 7.1), so where one ends, no piece goes beyond the
    next empty line, and the end of the request is the end of a piece. In a body there may be many empty lines:
    :class:`ChunkedEnd` tells whether one of them can be the end.

    Args:
        source: The connection, at the beginning of the request.
        limits: What a request may be.
        variables: What the head of each request of this connection has too.

    Attributes:
        parser: What has been made of the request so far.
    """

    def __init__(self, source: io.BufferedReader[Any], limits: ParserLimits, variables: Head) -> None:
        self.parser = RequestParser(limits, variables)
        self._source = source
        self._last = b""  # the last bytes of the pieces before: an empty line may have begun there
        self._end: ChunkedEnd | None = None
        self._has_begun = False

    @property
    def is_complete(self) -> bool:
        """Whether all of the request has been read."""
        messages = self.parser.messages
        return bool(messages) and isinstance(messages[0], ParsedRequest)

    @property
    def has_head(self) -> bool:
        """Whether all of the head has been read."""
        return self.is_complete or self.parser.is_in_body

    def read_head(self) -> None:
        """Read until the end of the head.

        Raises:
            Refusal: The request is refused.
            OSError: The connection has broken.
        """
        while not self.has_head:
            self.read_piece()

    def read_piece(self) -> None:
        """Read some more of the head or of a chunked body; wait where nothing has come.

        Raises:
            Refusal: The request is refused, now or before, or the connection ended before the request did.
            OSError: The connection has broken.
        """
        self._check()
        if self._has_begun:
            gevent.sleep(0)  # bytes that are there already would let nobody else have a turn, nor a deadline
        self._has_begun = True
        piece = self._next_piece()
        if not piece:
            raise self._broken_off()
        self.parser.feed(piece)
        self._check()

    def close(self) -> None:
        """Let go of the parsers."""
        self.parser.close()
        if self._end is not None:
            self._end.close()

    def _check(self) -> None:
        messages = self.parser.messages
        if messages and isinstance(messages[0], Refusal):
            raise messages[0]

    def _broken_off(self) -> Exception:
        if self.parser.is_in_head or self.parser.is_in_body:
            return BadRequest("the request ended before it was complete")
        return ConnectionResetError("the connection ended after an empty line")

    def _next_piece(self) -> bytes:
        arrived = self._source.peek(1)
        count = self._count_to_empty_line(arrived) if self._may_end_in(arrived) else len(arrived)
        self._last = (self._last + arrived[:count])[1 - len(_EMPTY_LINE) :]
        return self._source.read(count)

    def _may_end_in(self, arrived: bytes) -> bool:
        if not self.parser.is_in_body:
            return True
        if self._end is None:
            self._end = ChunkedEnd()
        return self._end.is_in(arrived)

    def _count_to_empty_line(self, arrived: bytes) -> int:
        found = (self._last + arrived).find(_EMPTY_LINE)
        return len(arrived) if found < 0 else found + len(_EMPTY_LINE) - len(self._last)


class ParsedBytes(ReceiveBuffer):
    """The bytes of a body between its parser and its reader: those that have been read are forgotten.

    Attributes:
        size: How many bytes have come, those included that have been read.
    """

    __slots__ = ("unread",)

    def __init__(self) -> None:
        super().__init__(0)
        self.unread = bytearray()

    def append(self, data: bytes) -> None:
        """Add what has been parsed."""
        self.size += len(data)
        self.unread += data

    def readinto(self, buffer: memoryview) -> int:
        """Move bytes into a buffer; return how many."""
        count = min(len(buffer), len(self.unread))
        buffer[:count] = self.unread[:count]
        del self.unread[:count]
        return count


class ChunkedBody(io.RawIOBase):
    """The bytes of a chunked body, under the limits that its parser has.

    Args:
        reader: The reader of the request, at the end of its head.
    """

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        self._parsed = reader.parser.body = ParsedBytes()

    @property
    def has_ended(self) -> bool:
        """Whether all of it has been read, so that the next request may follow."""
        return self._reader.is_complete and not self._parsed.unread

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; 0 at the end.

        Raises:
            Refusal: The chunking is malformed, or over a limit, or the connection ends in the middle of it.
            OSError: The connection has broken.
        """
        while not self._parsed.unread and not self._reader.is_complete:
            self._reader.read_piece()
        return self._parsed.readinto(memoryview(buffer))
