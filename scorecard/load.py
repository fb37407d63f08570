"""Load generators: valid calls one after another, and crowds of clients in one thread."""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import wire
from .subject import Subject

__all__ = ["Client", "Crowd", "p99", "reset", "valid_calls"]

# The measurement ends after this many calls in a row without an answer.
_GIVE_UP = 3

# How many bytes a client of a crowd sends at once.
_PIECE_BYTES = 256 * 1024


def valid_calls(subject: Subject, count: int, timeout_s: float = 3) -> list[float]:
    """Make valid calls one after another, each over a new connection.

    Returns:
        How long each call took, in seconds; infinity if it was not answered in time. A few of these end the series.
    """
    durations: list[float] = []
    for _ in range(count):
        answer = subject.call("echo", "a", timeout_s=timeout_s)
        durations.append(answer.seconds if answer.result == "a" else float("inf"))
        if durations[-_GIVE_UP:] == [float("inf")] * _GIVE_UP:
            break
    return durations


def p99(durations: list[float]) -> float:
    """Return the duration that one call in a hundred exceeds.

    >>> p99([2.0] * 2 + [1.0] * 98)
    2.0
    >>> p99([2.0] + [1.0] * 99)
    1.0
    """
    return sorted(durations)[math.ceil(len(durations) * 0.99) - 1]


def reset(client: socket.socket) -> None:
    """Close a connection with a reset."""
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@dataclass(slots=True)
class Client:
    """One client of a crowd.

    Attributes:
        to_send: The bytes that it still has to send.
        drip: The bytes that it sends after that, one by one.
        drip_every_s: The time between two of them.
        follow_up: The bytes that it sends at once, a while after ``to_send``.
        follow_up_after_s: The time before that.
        reads: Whether it reads the answer.
        begins_at: When it begins to send, by ``time.monotonic()``.
        sent_at: When it had sent ``to_send``.
        answered_at: When the first byte of the answer came.
        ended_at: When the server ended the connection; None while it is open.
        received: The last 64 KiB of the answer.
    """

    to_send: bytes | memoryview
    drip: bytes = b""
    drip_every_s: float = 2.0
    follow_up: bytes = b""
    follow_up_after_s: float = 0.0
    reads: bool = True
    begins_at: float = 0.0
    sent_at: float = 0.0
    answered_at: float | None = None
    ended_at: float | None = None
    received: bytearray = field(default_factory=bytearray)
    sent_bytes: int = 0
    next_drip_at: float = 0.0
    sock: Any = None

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    @property
    def statuses(self) -> list[int]:
        return wire.Received(bytes(self.received), not self.is_open, 0).statuses


class Crowd:
    """Many clients at once, in one thread, each with its own connection.

    Args:
        address: The address of the server.
        clients: The clients.
        receive_buffer: The size of their receive buffers, in bytes; None for the default of the system.
        source: The address that they connect from.
    """

    def __init__(
        self, address: Any, clients: list[Client], *, receive_buffer: int | None = None, source: str | None = None
    ) -> None:
        for client in clients:
            client.to_send = memoryview(client.to_send)  # so that removing sent bytes copies nothing
        self.clients = clients
        self._address = address
        self._receive_buffer = receive_buffer
        self._source = source
        self._selector = selectors.DefaultSelector()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[Crowd]:
        """Connect all clients, and let them send and read until the end of the block."""
        for client in self.clients:
            self._connect(client)
        self._thread.start()
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        """Close every connection."""
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()
        for client in self.clients:
            if client.sock is not None:
                client.sock.close()

    @property
    def open_count(self) -> int:
        return sum(client.is_open for client in self.clients)

    def _connect(self, client: Client) -> None:
        client.sock = socket.socket(socket.AF_INET)
        client.sock.settimeout(5)
        try:
            if self._source is not None:
                client.sock.bind((self._source, 0))
            if self._receive_buffer is not None:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            client.sock.connect(self._address)
        except OSError:
            client.ended_at = time.monotonic()
            return
        client.sock.setblocking(False)
        self._register(client)

    def _register(self, client: Client) -> None:
        """Register the events that the client waits for now."""
        wants_to_send = bool(client.to_send) and client.begins_at <= time.monotonic()
        events = (selectors.EVENT_READ if client.reads else 0) | (selectors.EVENT_WRITE if wants_to_send else 0)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.sock)
        if events and client.is_open:
            self._selector.register(client.sock, events, client)

    def _run(self) -> None:
        while not self._done.is_set():
            for key, events in self._selector.select(0.02):
                self._serve(key.data, events)
            self._begin_and_drip()

    def _serve(self, client: Client, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE and client.to_send:
                self._send(client)
            if events & selectors.EVENT_READ:
                self._read(client)
        except BlockingIOError:
            pass
        except OSError:
            self._end(client)

    def _send(self, client: Client) -> None:
        count = client.sock.send(client.to_send[:_PIECE_BYTES])
        client.sent_bytes += count
        client.to_send = client.to_send[count:]
        if not client.to_send:
            client.sent_at = time.monotonic()
            client.next_drip_at = client.sent_at + client.drip_every_s
            self._register(client)

    def _read(self, client: Client) -> None:
        data = client.sock.recv(65536)
        now = time.monotonic()
        client.answered_at = client.answered_at or now
        client.received += data
        del client.received[:-65536]
        if not data:
            self._end(client)

    def _end(self, client: Client) -> None:
        client.ended_at = time.monotonic()
        self._register(client)

    def _begin_and_drip(self) -> None:
        now = time.monotonic()
        for client in self.clients:
            if not client.is_open:
                continue
            if client.to_send and 0 < client.begins_at <= now:
                client.begins_at = 0.0
                self._register(client)
            elif client.drip and not client.to_send and now >= client.next_drip_at:
                self._drip(client, now)
            elif client.follow_up and not client.to_send and now >= client.sent_at + client.follow_up_after_s:
                client.to_send, client.follow_up = memoryview(client.follow_up), b""
                self._register(client)

    def _drip(self, client: Client, now: float) -> None:
        client.next_drip_at = now + client.drip_every_s
        try:
            client.sock.send(client.drip[:1])
            client.drip = client.drip[1:]
        except BlockingIOError:
            pass
        except OSError:
            self._end(client)
