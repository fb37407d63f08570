"""Which connections are accepted, and when."""

from __future__ import annotations

import math
import selectors
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ...runtime.resources import free_descriptors
from ..sockets import is_unix

__all__ = ["Acceptor", "ConnectionLimits"]

# Linux and macOS hold no more than this of what the client has not asked for yet. So they keep little memory for a
# client that reads slowly, and take more in small steps: a slow reader is told from one that reads nothing.
_NOT_SENT_LOW_WATER = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_NOT_SENT_BYTES = 128 * 1024

# Of the descriptors that are free at the start, those that connections leave for the files and sockets of dispatchers.
_RESERVED_DESCRIPTORS = 32
_LEAST_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What all connections of an address may take together. Each has the name of its setting.

    Attributes:
        trusted_proxies: Peers that bring the requests of many clients: ``max_connections_per_client`` is not for them.
    """

    max_connections: int
    max_connections_per_client: int
    max_buffered_bytes: int
    trusted_proxies: Collection[str]


class Acceptor:
    """Accepts connections while there is room for them. Those beyond wait in the kernel's queue, which costs nothing.

    Args:
        listener: The listening socket; it works on a duplicate.
        limits: How many connections there may be.

    Attributes:
        resumes_at: When a pause ends, by the monotonic clock; infinity where there is none, or none with a known end.
    """

    def __init__(self, listener: socket.socket, limits: ConnectionLimits) -> None:
        self._listener = listener.dup()
        self._was_blocking = listener.getblocking()
        self._listener.setblocking(False)
        self._has_addresses = not is_unix(listener)
        self._most = most_connections(limits.max_connections)
        self._most_per_client = min(limits.max_connections_per_client, max(1, self._most // 2))
        self._trusted_proxies = limits.trusted_proxies
        self._per_client: dict[str, int] = {}
        self._is_listening = False
        self.resumes_at = math.inf

    def may_accept(self, count: int) -> bool:
        """Return whether there is room for another connection, with so many."""
        return count < self._most

    def may_listen(self, count: int, now: float) -> bool:
        """Return whether the listener should be waited for again."""
        is_over = self.resumes_at == math.inf or now >= self.resumes_at
        return not self._is_listening and is_over and self.may_accept(count)

    def listen(self, selector: selectors.BaseSelector) -> None:
        """Have the listener waited for."""
        selector.register(self._listener, selectors.EVENT_READ)
        self._is_listening = True
        self.resumes_at = math.inf

    def pause(self, selector: selectors.BaseSelector, until: float = math.inf) -> None:
        """Have it waited for no more, until a connection has ended, or until a time."""
        if self._is_listening:
            selector.unregister(self._listener)
        self._is_listening = False
        self.resumes_at = until

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection.

        Raises:
            OSError: There is none, or no descriptor for it.
        """
        opened, address = self._listener.accept()
        opened.setblocking(False)
        if self._has_addresses:
            # Else a client that is kept alive waits 40 ms for an answer in two segments.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if _NOT_SENT_LOW_WATER is not None:
                opened.setsockopt(socket.IPPROTO_TCP, _NOT_SENT_LOW_WATER, _NOT_SENT_BYTES)
        return opened, address

    def client_of(self, address: Any) -> str:
        """Return whose connection it is; empty where that is not known."""
        return str(address[0]) if self._has_addresses else ""

    def admit(self, client: str) -> bool:
        """Count a connection of a client; False where it has too many."""
        count = self._per_client.get(client, 0)
        if count >= self._most_per_client and client and client not in self._trusted_proxies:
            return False
        self._per_client[client] = count + 1
        return True

    def leave(self, client: str) -> None:
        """Count a connection of a client no more."""
        self.resumes_at = math.inf
        count = self._per_client[client] - 1
        if count:
            self._per_client[client] = count
        else:
            del self._per_client[client]

    def close(self, selector: selectors.BaseSelector) -> None:
        """Listen no more."""
        self.pause(selector)
        self._listener.setblocking(self._was_blocking)
        self._listener.close()


def most_connections(wanted: int) -> int:
    """Return how many connections there may be, since the process may have no more descriptors."""
    free = free_descriptors()
    return wanted if free is None else min(wanted, max(_LEAST_CONNECTIONS, free - _RESERVED_DESCRIPTORS))
