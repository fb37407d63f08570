"""A TCP proxy on the loopback address that simulates network faults: it delays, drips, half-closes and cuts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Cut", "Delay", "Drip", "Fault", "FaultProxy", "HalfClose", "Pass"]

# The value of SO_LINGER that closes with a reset, and drops unsent bytes.
_RESET = struct.pack("ii", 1, 0)


class EndOfStreamError(Exception):
    """A fault has ended its direction."""


class BrokenConnectionError(Exception):
    """A fault has ended the connection."""


class Fault(Protocol):
    """A fault in one direction."""

    async def forward(self, data: bytes, passed: int, target: asyncio.StreamWriter) -> None:
        """Pass bytes on.

        Args:
            data: The bytes.
            passed: How many bytes have been passed on before.
            target: The connection to pass them to.

        Raises:
            EndOfStreamError: Nothing more is passed on in this direction.
            BrokenConnectionError: The connection ends, in both directions.
        """


async def send(data: bytes, target: asyncio.StreamWriter) -> None:
    target.write(data)
    await target.drain()


@dataclass(frozen=True, slots=True)
class Pass:
    """Pass on all bytes as they come."""

    async def forward(self, data: bytes, passed: int, target: asyncio.StreamWriter) -> None:
        await send(data, target)


@dataclass(frozen=True, slots=True)
class Delay:
    """Hold each piece back for a while, in seconds."""

    by_s: float

    async def forward(self, data: bytes, passed: int, target: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.by_s)
        await send(data, target)


@dataclass(frozen=True, slots=True)
class Drip:
    """Pass on one byte at a time, ``every_s`` seconds apart."""

    every_s: float

    async def forward(self, data: bytes, passed: int, target: asyncio.StreamWriter) -> None:
        for position in range(len(data)):
            await send(data[position : position + 1], target)
            await asyncio.sleep(self.every_s)


@dataclass(frozen=True, slots=True)
class Cut:
    """Reset both connections after ``after_bytes``."""

    after_bytes: int

    async def forward(self, data: bytes, passed: int, target: asyncio.StreamWriter) -> None:
        await send(data[: self.after_bytes - passed], target)
        if passed + len(data) >= self.after_bytes:
            raise BrokenConnectionError


@dataclass(frozen=True, slots=True)
class HalfClose:
    """End this direction after ``after_bytes``; the other one goes on."""

    after_bytes: int

    async def forward(self, data: bytes, passed: int, target: asyncio.StreamWriter) -> None:
        await send(data[: self.after_bytes - passed], target)
        if passed + len(data) >= self.after_bytes:
            raise EndOfStreamError


class FaultProxy:
    """A proxy in front of one server, for the time of a ``with`` block.

    An event loop in its own thread forwards all bytes: with a thread for each direction, one could not reset a
    connection on which the other one waits.

    Args:
        server: The address of the server, ``(ip, port)``.
        upward: The fault in the direction from clients to the server.
        downward: The fault in the other direction.

    Attributes:
        address: The address that clients connect to.
    """

    def __init__(self, server: Any, *, upward: Fault | None = None, downward: Fault | None = None) -> None:
        self._server = server
        self._upward = upward or Pass()
        self._downward = downward or Pass()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener))
        self._loop.run_forever()
        serving.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server: asyncio.StreamWriter | None = None
        try:
            from_server, to_server = await asyncio.open_connection(*self._server)
            await asyncio.gather(
                pump(reader, to_server, self._upward),
                pump(from_server, writer, self._downward),
            )
        except (OSError, BrokenConnectionError, asyncio.CancelledError):
            for connection in filter(None, (writer, to_server)):
                abort(connection)
        finally:
            for connection in filter(None, (writer, to_server)):
                connection.close()


def abort(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a reset."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, fault: Fault) -> None:
    """Pass on bytes until EOF, or until the fault ends the direction."""
    passed = 0
    with contextlib.suppress(EndOfStreamError):
        while data := await source.read(65536):
            await fault.forward(data, passed, target)
            passed += len(data)
    target.write_eof()
