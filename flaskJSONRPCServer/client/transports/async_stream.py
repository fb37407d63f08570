"""An asyncio connection, and the bytes of one answer on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

from ..deadlines import Deadline
from ..errors import AnswerTooLargeError, ConnectionLostError, ProtocolError, RequestTimeoutError
from .answer_fields import body_length, decompressed, is_interim
from .base import ClientResponse
from .http_head import MAX_HEAD_BYTES, MAX_INTERIM, Head, chunk_size, parse_head
from .polling import has_input
from .processes import current_process
from .time_limits import TimeLimit

__all__ = ["AsyncStream", "CountingReader"]

_BLOCK_BYTES: Final = 256 * 1024
# In a shorter time than this, no server closes an idle connection, and it is not worth a system call to look.
BRIEFLY_S: float = 0.001


class CountingReader(asyncio.StreamReader):
    """A reader that knows how many bytes have come: more than an answer has are none of the next one.

    Attributes:
        fed_bytes: The number.
    """

    fed_bytes = 0

    def feed_data(self, data: Any) -> None:
        """Take received bytes."""
        self.fed_bytes += len(data)
        super().feed_data(data)


class AsyncStream:
    """One connection to a server.

    Args:
        reader: Its received bytes.
        writer: Its sent bytes.
        read_timeout_s: The longest silence of the server, in seconds; None for no limit beside the deadline.
        limit_bytes: The largest body of an answer.
    """

    def __init__(
        self, reader: CountingReader, writer: asyncio.StreamWriter, read_timeout_s: float | None, limit_bytes: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._read_timeout_s = read_timeout_s
        self._limit_bytes = limit_bytes
        self._read_bytes = 0
        self._fed_before = 0
        self._idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._process = current_process()

    def begin(self) -> None:
        """Begin a request."""
        self._fed_before = self._reader.fed_bytes

    @property
    def received_bytes(self) -> int:
        """How many bytes of the answer have come."""
        return self._reader.fed_bytes - self._fed_before

    def may_have_input(self) -> bool:
        """Return whether the event loop may have to read something before `is_idle` can tell."""
        if time.monotonic() - self._idle_since < BRIEFLY_S:
            return False
        return has_input(self._writer.get_extra_info("socket"))

    def is_idle(self) -> bool:
        """Return whether the connection is open, and no byte waits that belongs to no request."""
        return (
            not self._writer.is_closing()
            and not self._reader.at_eof()
            and self._reader.fed_bytes == self._read_bytes
            and self._reader.exception() is None
        )

    async def write(self, data: bytes) -> None:
        """Send all bytes.

        Raises:
            ConnectionLostError: The server has closed the connection.
        """
        try:
            self._writer.write(data)
            if self._writer.transport.get_write_buffer_size():
                await self._writer.drain()
        except OSError as exc:
            raise ConnectionLostError(f"the connection ended while the request was sent: {exc}") from exc

    async def read_response(self) -> tuple[ClientResponse, bool]:
        """Read an answer. Return it, and whether the connection stays open.

        Raises:
            TransportError: It did not come, or not whole.
            ProtocolError: It is not HTTP, or too large.
        """
        head = await self._head()
        length = body_length(head.status, head.headers)
        is_persistent = head.is_persistent
        if length is not None:
            self._check_size(length)
            body = await self._exactly(length) if length else b""
        elif "transfer-encoding" in head.headers:
            body = await self._chunks()
        else:
            body, is_persistent = await self._until_end(), False
        self._idle_since = time.monotonic()
        body = decompressed(body, head.headers.get("content-encoding"), limit_bytes=self._limit_bytes)
        return ClientResponse(head.status, head.headers, body), is_persistent

    def close(self) -> None:
        """Close the connection at once: what has not been sent is dropped."""
        self._writer.transport.abort()

    def disown(self) -> None:
        """Let another event loop close its connection, if it still runs; leave that of another process alone."""
        if current_process() is self._process and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.close)

    def _check_size(self, size: int) -> None:
        if size > self._limit_bytes:
            raise AnswerTooLargeError(f"an answer of {size} bytes or more; at most {self._limit_bytes} are read")

    async def _head(self) -> Head:
        for _ in range(MAX_INTERIM):
            head = parse_head(await self._until(b"\r\n\r\n"))
            if not is_interim(head.status):
                return head
        raise ProtocolError(f"more than {MAX_INTERIM} answers before the last one")

    async def _chunks(self) -> bytes:
        body = bytearray()
        while size := chunk_size(await self._until(b"\r\n")):
            self._check_size(len(body) + size)
            chunk = await self._exactly(size + 2)
            if chunk[-2:] != b"\r\n":
                raise ProtocolError("the answer is not HTTP: a chunk is longer than its size")
            body += chunk[:-2]
        trailer_bytes = 0
        while (line := await self._until(b"\r\n")) != b"\r\n":
            trailer_bytes += len(line)
            if trailer_bytes > MAX_HEAD_BYTES:
                raise ProtocolError("the answer has too many fields after its body")
        return bytes(body)

    async def _until_end(self) -> bytes:
        blocks = []
        size = 0
        while block := await self._some():
            blocks.append(block)
            size += len(block)
            self._check_size(size)
        return b"".join(blocks)

    async def _until(self, end: bytes) -> bytes:
        try:
            data = await self._in_time(self._reader.readuntil(end))
        except asyncio.LimitOverrunError as exc:
            raise ProtocolError(f"the answer has a head or a line of more than {MAX_HEAD_BYTES} bytes") from exc
        self._read_bytes += len(data)
        return data

    async def _exactly(self, size: int) -> bytes:
        # In blocks, each of which the server may take its time for.
        if size <= _BLOCK_BYTES:
            data = await self._in_time(self._reader.readexactly(size))
            self._read_bytes += size
            return data
        blocks = [await self._exactly(min(_BLOCK_BYTES, size - start)) for start in range(0, size, _BLOCK_BYTES)]
        return b"".join(blocks)

    async def _some(self) -> bytes:
        return await self._in_time(self._reader.read(_BLOCK_BYTES))

    async def _in_time(self, read: Coroutine[Any, Any, bytes]) -> bytes:
        """Await a read, with the limit of the silence of the server if there is one."""
        try:
            if self._read_timeout_s is None:
                return await read
            with TimeLimit(Deadline(self._read_timeout_s)):
                return await read
        except (asyncio.IncompleteReadError, OSError) as exc:
            if isinstance(exc, RequestTimeoutError):
                raise RequestTimeoutError(f"the server was silent for {self._read_timeout_s} s") from exc
            raise ConnectionLostError("the connection ended before the answer did") from exc
