"""Buffers for the body of a request and for the unsent bytes of an answer."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import deque
from typing import BinaryIO

__all__ = ["ReceiveBuffer", "SendBuffer"]


class ReceiveBuffer:
    """The body of one request. Beyond a size, it moves to a temporary file without a name.

    Args:
        spool_bytes: The largest body that is held in memory.
        first: The bytes that have come already, no more than ``spool_bytes``.

    Attributes:
        size: How many bytes have come.
        memory_bytes: How many bytes are held in memory.
    """

    __slots__ = ("_file", "_first", "_rest", "_spool_bytes", "memory_bytes", "size")

    def __init__(self, spool_bytes: int, first: bytes = b"") -> None:
        self.size = self.memory_bytes = len(first)
        self._spool_bytes = spool_bytes
        self._first = first
        # One buffer, not a list of pieces: a client may send two bytes at a time, and each pair would take 35 bytes.
        self._rest: bytearray | None = None
        self._file: BinaryIO | None = None

    @property
    def spooled_bytes(self) -> int:
        """How many bytes are in the temporary file, or in its own buffer."""
        return 0 if self._file is None or self._file.closed else self.size

    def append(self, data: bytes) -> None:
        """Add received bytes.

        Raises:
            OSError: The temporary file cannot be written.
        """
        self.size += len(data)
        if self._file is None and self.size <= self._spool_bytes:
            self.memory_bytes = self.size
            if self._rest is not None:
                self._rest += data
            elif self._first:
                self._rest = bytearray(data)
            else:
                self._first = data
        else:
            self._write(data)

    def complete(self) -> None:
        """Write out what a temporary file has in its own buffer, while the client can still be told that it failed.

        Raises:
            OSError: It cannot be written.
        """
        if self._file is not None:
            self._file.flush()

    def read(self) -> bytes:
        """Return the whole body.

        Raises:
            OSError: The temporary file cannot be read.
        """
        if self._file is None:
            return self._first + self._rest if self._rest else self._first
        self._file.seek(0)
        return self._file.read()

    def open(self) -> BinaryIO:
        """Return a stream from the beginning of the body. A temporary file stays the buffer's, which closes it."""
        if self._file is None:
            return io.BytesIO(self.read())
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Drop the body, and delete its temporary file."""
        self._first, self._rest, self.memory_bytes = b"", None, 0
        if self._file is not None:
            with contextlib.suppress(OSError):  # what is still in its buffer found no room, and nobody wants it
                self._file.close()

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed with the request
            self._file.write(self._first)
            self._file.write(self._rest or b"")
            self._first, self._rest, self.memory_bytes = b"", None, 0
        self._file.write(data)


class SendBuffer:
    """The bytes that a socket has not accepted yet, in order.

    Attributes:
        size: How many bytes are waiting.
        sent_bytes: How many bytes have been removed since the connection began.
    """

    __slots__ = ("_parts", "sent_bytes", "size")

    def __init__(self) -> None:
        self.size = self.sent_bytes = 0
        self._parts: deque[memoryview] = deque()

    def append(self, data: bytes | memoryview) -> None:
        """Add bytes at the end."""
        if len(data):
            self._parts.append(memoryview(data))
            self.size += len(data)

    def first(self) -> memoryview:
        """Return the bytes to send next. The buffer must not be empty."""
        return self._parts[0]

    def consume(self, count: int) -> None:
        """Remove the leading bytes of :meth:`first`, which have been sent."""
        self.size -= count
        self.sent_bytes += count
        if count == len(self._parts[0]):
            self._parts.popleft()
        else:
            self._parts[0] = self._parts[0][count:]

    def clear(self) -> None:
        """Drop all unsent bytes."""
        self._parts.clear()
        self.size = 0
