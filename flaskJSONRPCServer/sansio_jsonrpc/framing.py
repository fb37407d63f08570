"""Framings: write messages to a stream of bytes, and split a stream into messages.

A framing is an immutable value that connections may share. The state of one connection is in the reader that it makes.
Readers look at each byte once, and hold at most one incomplete message.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .exceptions import JsonRpcFramingError

__all__ = ["ConcatenatedFraming", "ContentLengthFraming", "FrameReader", "Framing", "NewlineFraming"]

_DEFAULT_LIMIT_BYTES: Final = 5 * 1024 * 1024
_WHITESPACE: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Framing(ABC):
    """The delimiters of messages in a stream.

    Attributes:
        limit_bytes: The longest message to read, in bytes. A longer one breaks the stream before it is held.

    Raises:
        ValueError: The limit is below 1.
    """

    limit_bytes: int = _DEFAULT_LIMIT_BYTES

    def __post_init__(self) -> None:
        if self.limit_bytes < 1:
            raise ValueError(f"limit_bytes={self.limit_bytes!r}; choose 1 or more")

    @abstractmethod
    def frame(self, message: bytes) -> bytes:
        """Add the framing to one message.

        Args:
            message: A message from a peer. b"", the answer to a notification, stays b"".

        Raises:
            ValueError: In this framing the message would read as two.
        """

    @abstractmethod
    def reader(self) -> FrameReader:
        """Return a reader for one connection."""


class FrameReader(ABC):
    """Splits the bytes of one connection into messages."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._partial = bytearray()

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Feed the next bytes.

        Args:
            data: Any slice of the stream; not b"".

        Returns:
            The messages that are complete now.

        Raises:
            JsonRpcFramingError: The stream is broken after the messages returned so far. Discard the reader.
        """

    @abstractmethod
    def finish(self) -> Iterator[bytes]:
        """Feed the end of the stream: see `feed`."""

    def _keep(self, data: bytes) -> None:
        """Add bytes to the incomplete message.

        Raises:
            JsonRpcFramingError: The message is too long.
        """
        self._check_length(len(self._partial) + len(data))
        self._partial += data

    def _take(self) -> bytes:
        message = bytes(self._partial)
        self._partial.clear()
        return message

    def _check_length(self, length: int) -> None:
        if length > self._limit_bytes:
            raise JsonRpcFramingError(f"Parse error: a message of more than {self._limit_bytes} bytes")

    @staticmethod
    def _refuse_end_inside(message: object) -> None:
        if message:
            raise JsonRpcFramingError("Parse error: the stream ends inside a message")


class NewlineFraming(Framing):
    r"""One message per line (NDJSON, JSON Lines).

    A line ends with \n. An \r before it is removed, but counts towards the limit. Blank lines are skipped. The last
    line may lack its end.
    """

    __slots__ = ()

    def frame(self, message: bytes) -> bytes:
        """See `Framing.frame`."""
        if b"\n" in message:
            raise ValueError("a message with a line feed cannot go on one line; write it without indentation")
        return message + b"\n" if message else b""

    def reader(self) -> FrameReader:
        """See `Framing.reader`."""
        return NewlineReader(self.limit_bytes)


class NewlineReader(FrameReader):
    def feed(self, data: bytes) -> Iterator[bytes]:
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._keep(end)
            yield from self.finish()
        self._keep(rest)

    def finish(self) -> Iterator[bytes]:
        line = self._take().strip(_WHITESPACE)
        if line:
            yield line


class ConcatenatedFraming(Framing):
    """Messages one after the other, with nothing or white space between them.

    An array or object ends with its closing bracket. Errors inside it are found by the decoder, and the stream goes on
    after it. Any other text between messages breaks the stream.
    """

    __slots__ = ()

    def frame(self, message: bytes) -> bytes:
        """See `Framing.frame`."""
        return message

    def reader(self) -> FrameReader:
        """See `Framing.reader`."""
        return ConcatenatedReader(self.limit_bytes)


_OPENING: Final = b"[{"
_DEPTH_STEPS: Final = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


class ConcatenatedReader(FrameReader):
    # A backslash without a following byte occurs only at the end of a slice.
    _MARKS: Final = re.compile(rb'[][{}"]|\\.?', re.DOTALL)

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self._depth = 0
        self._in_string = False
        self._ends_in_escape = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        start = 0
        for mark in self._marks(data):
            if self._depth == 0:
                refuse_text(data[start : mark.start()] + mark.group().lstrip(_OPENING))
                start = mark.start()
            self._step(mark.group())
            if self._depth == 0:
                self._keep(data[start : mark.end()])
                start = mark.end()
                yield self._take()
        self._keep_rest(data[start:])

    def finish(self) -> Iterator[bytes]:
        self._refuse_end_inside(self._partial)
        yield from ()

    def _marks(self, data: bytes) -> Iterator[re.Match[bytes]]:
        first = 1 if self._ends_in_escape else 0
        self._ends_in_escape = False
        for mark in self._MARKS.finditer(data, first):
            self._ends_in_escape = mark.group() == b"\\"
            yield mark

    def _step(self, mark: bytes) -> None:
        if mark == b'"':
            self._in_string = not self._in_string
        elif not self._in_string:
            self._depth += _DEPTH_STEPS.get(mark, 0)

    def _keep_rest(self, rest: bytes) -> None:
        if self._depth:
            self._keep(rest)
        else:
            refuse_text(rest)


def refuse_text(text: bytes) -> None:
    if text.strip(_WHITESPACE):
        raise JsonRpcFramingError("Parse error: text between two messages")


class ContentLengthFraming(Framing):
    """A header with the length before each message, as in the Language Server Protocol.

    Content-Length is required once, in bytes, in decimal digits. Other fields, such as Content-Type, are ignored.

    Source: Language Server Protocol 3.17, base protocol.
    """

    __slots__ = ()

    def frame(self, message: bytes) -> bytes:
        """See `Framing.frame`."""
        return b"Content-Length: %d\r\n\r\n%b" % (len(message), message) if message else b""

    def reader(self) -> FrameReader:
        """See `Framing.reader`."""
        return ContentLengthReader(self.limit_bytes)


class ContentLengthReader(FrameReader):
    _HEADER_LIMIT_BYTES: Final = 4096
    _END: Final = b"\r\n\r\n"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        # The number of missing bytes of the message; None inside a header.
        self._missing: int | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        rest = memoryview(data)
        while rest:
            rest = self._feed_header(rest) if self._missing is None else self._feed_body(rest, self._missing)
            if self._missing == 0:
                self._missing = None
                yield self._take()

    def finish(self) -> Iterator[bytes]:
        self._refuse_end_inside(self._partial or self._missing)
        yield from ()

    def _feed_header(self, data: memoryview) -> memoryview:
        """Add bytes to the header, and parse it when it is complete. Return the bytes after it."""
        known = len(self._partial)
        self._partial += data[: self._HEADER_LIMIT_BYTES - known]
        end = self._partial.find(self._END, max(0, known - len(self._END)))
        if end < 0:
            self._refuse_long_header()
            return data[len(data) :]
        self._missing = self._content_length(bytes(self._partial[:end]))
        self._partial.clear()
        return data[end + len(self._END) - known :]

    def _feed_body(self, data: memoryview, missing: int) -> memoryview:
        self._partial += data[:missing]
        self._missing = max(0, missing - len(data))
        return data[missing:]

    def _refuse_long_header(self) -> None:
        if len(self._partial) >= self._HEADER_LIMIT_BYTES:
            raise JsonRpcFramingError(f"Parse error: a header of more than {self._HEADER_LIMIT_BYTES} bytes")

    def _content_length(self, header: bytes) -> int:
        fields = [header_field(line) for line in header.split(b"\r\n")]
        lengths = [value for name, value in fields if name == b"content-length"]
        if len(lengths) != 1 or not lengths[0].isdigit():
            raise JsonRpcFramingError("Parse error: a header needs one Content-Length in decimal digits")
        # The limit of a header keeps this conversion short.
        length = int(lengths[0])
        self._check_length(length)
        return length


_HEADER_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)")


def header_field(line: bytes) -> tuple[bytes, bytes]:
    """Split a field into its name, in lower case, and its value (RFC 9110, section 5)."""
    field = _HEADER_FIELD.fullmatch(line)
    if field is None:
        raise JsonRpcFramingError("Parse error: a header line is not of the form name: value")
    return field[1].lower(), field[2].strip(b" \t")
