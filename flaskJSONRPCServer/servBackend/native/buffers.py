"""The bytes of a request's body as they come, and those of an answer as they go."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import deque
from typing import BinaryIO

__all__ = ["ReceiveBuffer", "SendBuffer"]


class ReceiveBuffer:
    """The body of one request. Beyond a size it moves to a temporary file, which no name leads to.

    Args:
        spool_bytes: The most that is held in memory.
        first: What has come already, no more than ``spool_bytes``.

    Attributes:
        size: How many bytes have come.
    """

    __slots__ = ("_file", "_first", "_rest", "_spool_bytes", "size")

    def __init__(self, spool_bytes: int, first: bytes = b"") -> None:
        self.size = len(first)
        self._spool_bytes = spool_bytes
        self._first = first
        # One buffer, since a client may send two bytes at a time: each pair would be an object of 35 bytes.
        self._rest: bytearray | None = None
        self._file: BinaryIO | None = None

    @property
    def memory_bytes(self) -> int:
        """How many of the bytes are held in memory."""
        return len(self._first) + (len(self._rest) if self._rest else 0)

    def append(self, data: bytes) -> None:
        """Add what has come.

        Raises:
            OSError: The temporary file cannot be written.
        """
        self.size += len(data)
        if self._file is None and self.size <= self._spool_bytes:
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
        """Return a stream from the beginning of the body; the file, where there is one, is the buffer's own."""
        if self._file is None:
            return io.BytesIO(self.read())
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Forget the body; a temporary file ends with that."""
        self._first, self._rest = b"", None
        if self._file is not None:
            with contextlib.suppress(OSError):  # what is still in its buffer found no room, and nobody wants it
                self._file.close()

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the request
            self._file.write(self._first)
            self._file.write(self._rest or b"")
            self._first, self._rest = b"", None
        self._file.write(data)


class SendBuffer:
    """What a socket has not taken yet, in order.

    Attributes:
        size: How many bytes there are.
        sent_bytes: How many have ever been taken out.
    """

    __slots__ = ("_parts", "sent_bytes", "size")

    def __init__(self) -> None:
        self.size = self.sent_bytes = 0
        self._parts: deque[memoryview] = deque()

    def append(self, data: bytes | memoryview) -> None:
        """Add some bytes at the end."""
        if len(data):
            self._parts.append(memoryview(data))
            self.size += len(data)

    def first(self) -> memoryview:
        """Return the bytes to be sent next; only where there are any."""
        return self._parts[0]

    def consume(self, count: int) -> None:
        """Remove bytes of :meth:`first` that have been sent."""
        self.size -= count
        self.sent_bytes += count
        if count == len(self._parts[0]):
            self._parts.popleft()
        else:
            self._parts[0] = self._parts[0][count:]

    def clear(self) -> None:
        """Forget what has not been sent."""
        self._parts.clear()
        self.size = 0
