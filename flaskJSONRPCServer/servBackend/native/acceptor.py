"""Accepting connections, up to the limits of the address and of each client."""

from __future__ import annotations

import math
import selectors
import socket
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from ...http.networks import network_of
from ...runtime.forks import release_in_forks
from ...runtime.resources import free_descriptors
from ..sockets import is_unix

__all__ = ["Acceptor", "ConnectionLimits"]

# Linux and macOS buffer no more unsent bytes than this for a connection, so a slow reader costs the kernel little
# memory. The socket accepts more when half of it is free, in steps that are too large to measure how fast a client
# reads: see :mod:`.send_queue`.
_NOT_SENT_LOW_WATER = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_NOT_SENT_BYTES = 128 * 1024

# Descriptors that connections leave free for the files and sockets of dispatchers.
_RESERVED_DESCRIPTORS = 32
_MIN_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits on all connections of one address. Each has the name of its setting.

    Attributes:
        trusted_proxies: Peers that forward the requests of many clients, exempt from ``max_connections_per_client``.
    """

    max_connections: int
    max_connections_per_client: int
    max_buffered_bytes: int
    max_spooled_bytes: int
    trusted_proxies: Container[str]


class Acceptor:
    """Accepts connections while there is room for them. Further ones wait in the kernel's queue, which costs nothing.

    Args:
        listener: The listening socket. The acceptor works on a duplicate.
        limits: How many connections there may be.

    Attributes:
        resumes_at: When a pause ends, by the monotonic clock. Infinity without a pause, or with one of unknown length.
    """

    def __init__(self, listener: socket.socket, limits: ConnectionLimits) -> None:
        self._listener = listener.dup()
        release_in_forks(self._listener)
        self._was_blocking = listener.getblocking()
        self._listener.setblocking(False)
        self._has_addresses = not is_unix(listener)
        self._max_connections = connection_limit(limits.max_connections)
        self._max_per_client = min(limits.max_connections_per_client, max(1, self._max_connections // 2))
        self._trusted_proxies = limits.trusted_proxies
        self._per_client: dict[str, int] = {}  # by network
        self._is_listening = False
        self.resumes_at = math.inf

    def may_accept(self, count: int) -> bool:
        """Return whether another connection may be accepted when there are ``count`` already."""
        return count < self._max_connections

    def may_listen(self, count: int, now: float) -> bool:
        """Return whether to register the listener again."""
        is_over = self.resumes_at == math.inf or now >= self.resumes_at
        return not self._is_listening and is_over and self.may_accept(count)

    def listen(self, selector: selectors.BaseSelector) -> None:
        """Register the listener with a selector."""
        selector.register(self._listener, selectors.EVENT_READ)
        self._is_listening = True
        self.resumes_at = math.inf

    def pause(self, selector: selectors.BaseSelector, until: float = math.inf) -> None:
        """Unregister the listener until a connection has ended, or until a time."""
        if self._is_listening:
            selector.unregister(self._listener)
        self._is_listening = False
        self.resumes_at = until

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection.

        Raises:
            OSError: There is none, or no descriptor for it.
        """
        sock, address = self._listener.accept()
        sock.setblocking(False)
        if self._has_addresses:
            # With Nagle's algorithm, a kept-alive client would wait 40 ms for an answer that takes two segments.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if _NOT_SENT_LOW_WATER is not None:
                sock.setsockopt(socket.IPPROTO_TCP, _NOT_SENT_LOW_WATER, _NOT_SENT_BYTES)
        return sock, address

    def client_host(self, address: Any) -> str:
        """Return the host of a client; empty for the peer of a Unix socket, which has none."""
        return str(address[0]) if self._has_addresses else ""

    def admit(self, client: str) -> bool:
        """Count a new connection of a client. Return False if the client has too many."""
        if not self._is_counted(client):
            return True
        network = network_of(client)
        count = self._per_client.get(network, 0)
        if count >= self._max_per_client:
            return False
        self._per_client[network] = count + 1
        return True

    def release(self, client: str) -> None:
        """Uncount a connection of a client, and end a pause."""
        self.resumes_at = math.inf
        if not self._is_counted(client):
            return
        network = network_of(client)
        count = self._per_client[network] - 1
        if count:
            self._per_client[network] = count
        else:
            del self._per_client[network]

    def _is_counted(self, client: str) -> bool:
        return bool(client) and client not in self._trusted_proxies

    def close(self, selector: selectors.BaseSelector) -> None:
        """Close the listener."""
        self.pause(selector)
        self._listener.setblocking(self._was_blocking)
        self._listener.close()


def connection_limit(max_connections: int) -> int:
    """Return how many connections to accept, bounded by the free descriptors of the process."""
    free = free_descriptors()
    if free is None:
        return max_connections
    return min(max_connections, max(_MIN_CONNECTIONS, free - _RESERVED_DESCRIPTORS))
