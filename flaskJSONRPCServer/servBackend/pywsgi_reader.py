"""Reading exactly one request from a connection of pywsgi, by llhttp.

pywsgi reads a body only when the application asks for it, so the bytes after a request must stay unread.
"""

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


class ChunkedEndFinder:
    """Finds out whether a chunked body ends within some bytes, before :class:`RequestParser` parses them.

    This is a second llhttp, without a callback for the data, so it costs next to nothing.
    """

    def __init__(self) -> None:
        self._is_found = False
        self._parser: Any = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")

    def on_message_complete(self) -> None:
        """Remember the end of the body; llhttp calls this."""
        self._is_found = True

    def ends_within(self, data: bytes) -> bool:
        """Return whether the body ends within the next bytes, or has ended."""
        if self._is_found:
            return True
        # Errors are ignored here: RequestParser refuses them. The bytes after the end may be an upgrade request.
        with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._parser.feed_data(data)
        return self._is_found

    def close(self) -> None:
        """Drop the parser, which refers back to this object."""
        self._parser = None


class RequestReader:
    """Reads one request from a connection by llhttp.

    The bytes after the request must stay unread: they are the next request, or a body that is read without a parser.
    llhttp reports that a head or a body has ended, but httptools does not report where in its input. Both a head and a
    chunked body end with an empty line (RFC 9112, sections 2.1 and 7.1). So this class feeds the parser in pieces: if
    the end may come, a piece stops at the next empty line, and the end of the request is the end of a piece. A body may
    contain many empty lines: :class:`ChunkedEndFinder` says whether one of them can be the end.

    Args:
        source: The connection, at the beginning of the request.
        limits: The limits on the request.
        variables: CGI variables to add to the head.

    Attributes:
        parser: The parser, with the parts of the request that have been read.
    """

    def __init__(self, source: io.BufferedReader[Any], limits: ParserLimits, variables: Head) -> None:
        self.parser = RequestParser(limits, variables)
        self._source = source
        self._last = b""  # the last bytes of the pieces before: an empty line may have begun there
        self._end: ChunkedEndFinder | None = None
        self._has_begun = False

    @property
    def is_complete(self) -> bool:
        """Whether the whole request has been read."""
        messages = self.parser.completed
        return bool(messages) and isinstance(messages[0], ParsedRequest)

    @property
    def has_head(self) -> bool:
        """Whether the whole head has been read."""
        return self.is_complete or self.parser.is_in_body

    def read_head(self) -> None:
        """Read until the end of the head.

        Raises:
            Refusal: The request is refused.
            OSError: The connection is broken.
        """
        while not self.has_head:
            self.read_piece()

    def read_piece(self) -> None:
        """Read a further piece of the head or of a chunked body. Wait if no bytes have come.

        Raises:
            Refusal: The request is or was refused, or the connection ended before the request did.
            OSError: The connection is broken.
        """
        self._raise_refusal()
        if self._has_begun:
            gevent.sleep(0)  # reading buffered bytes does not switch, and would starve other greenlets and the deadline
        self._has_begun = True
        piece = self._next_piece()
        if not piece:
            raise self._eof_error()
        self.parser.feed(piece)
        self._raise_refusal()

    def close(self) -> None:
        """Drop the parsers."""
        self.parser.close()
        if self._end is not None:
            self._end.close()

    def _raise_refusal(self) -> None:
        messages = self.parser.completed
        if messages and isinstance(messages[0], Refusal):
            raise messages[0]

    def _eof_error(self) -> Exception:
        if self.parser.is_in_head or self.parser.is_in_body:
            return BadRequest("the request ended before it was complete")
        return ConnectionResetError("the connection ended after an empty line")

    def _next_piece(self) -> bytes:
        buffered = self._source.peek(1)
        count = self._count_to_empty_line(buffered) if self._may_end_in(buffered) else len(buffered)
        self._last = (self._last + buffered[:count])[1 - len(_EMPTY_LINE) :]
        return self._source.read(count)

    def _may_end_in(self, buffered: bytes) -> bool:
        if not self.parser.is_in_body:
            return True
        if self._end is None:
            self._end = ChunkedEndFinder()
        return self._end.ends_within(buffered)

    def _count_to_empty_line(self, buffered: bytes) -> int:
        position = (self._last + buffered).find(_EMPTY_LINE)
        return len(buffered) if position < 0 else position + len(_EMPTY_LINE) - len(self._last)


class ParsedBytes(ReceiveBuffer):
    """The bytes of a body between the parser and the reader. Bytes that have been read are dropped.

    Attributes:
        size: How many bytes have come, including those that have been read.
        unread: The bytes that have not been read yet.
    """

    __slots__ = ("unread",)

    def __init__(self) -> None:
        super().__init__(0)
        self.unread = bytearray()

    def append(self, data: bytes) -> None:
        """Add parsed bytes."""
        self.size += len(data)
        self.unread += data

    def readinto(self, buffer: memoryview) -> int:
        """Move bytes into a buffer. Return how many."""
        count = min(len(buffer), len(self.unread))
        buffer[:count] = self.unread[:count]
        del self.unread[:count]
        return count


class ChunkedBody(io.RawIOBase):
    """The bytes of a chunked body, under the limits of its parser.

    Args:
        reader: The reader of the request, at the end of its head.
    """

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        self._parsed = reader.parser.body = ParsedBytes()

    @property
    def has_ended(self) -> bool:
        """Whether the whole body has been read, so that the next request may follow."""
        return self._reader.is_complete and not self._parsed.unread

    def readable(self) -> bool:
        """Return True: the body can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer. Return how many; 0 at the end.

        Raises:
            Refusal: The chunking is malformed or exceeds a limit, or the connection ends in the middle of it.
            OSError: The connection is broken.
        """
        while not self._parsed.unread and not self._reader.is_complete:
            self._reader.read_piece()
        return self._parsed.readinto(memoryview(buffer))
