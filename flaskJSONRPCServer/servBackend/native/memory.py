"""Counting what connections hold, against a limit for all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client_connection import ClientConnection

__all__ = ["UNCOUNTED_BYTES", "ByteBudget"]

UNCOUNTED_BYTES = 16 * 1024
"""Connections that hold no more than this are not counted, so that most requests and answers never change the sum."""


class ByteBudget:
    """Counts the bytes that the connections of an address hold, by client. The manager's thread alone uses it.

    Args:
        max_bytes: The limit.
        on_room: Called when the limit is no longer exceeded.

    Attributes:
        used_bytes: The bytes in use.
        is_exceeded: Whether they exceed the limit.
    """

    def __init__(self, max_bytes: int, on_room: Callable[[], object] = lambda: None) -> None:
        self._max_bytes = max_bytes
        self._on_room = on_room
        self._holders: dict[str, dict[ClientConnection, int]] = {}
        self._totals: dict[str, int] = {}
        self.used_bytes = 0
        self.is_exceeded = False

    def count(self, connection: ClientConnection, held_bytes: int) -> bool:
        """Count a connection again. Return whether it has grown while the limit is exceeded."""
        client = connection.network
        counted = held_bytes if held_bytes > UNCOUNTED_BYTES else 0
        before = self._holders[client].get(connection, 0) if client in self._holders else 0
        if counted != before:
            self._set(connection, before, counted)
        return counted > before and self.is_exceeded

    def clients(self, first_of_equals: str) -> Iterator[str]:
        """Yield the clients that hold anything, beginning with the one that holds most.

        Args:
            first_of_equals: The client that comes before others which hold as much.
        """

        def rank(client: str) -> tuple[int, bool]:
            return self._totals[client], client == first_of_equals

        if self._totals:
            first = max(self._totals, key=rank)
            yield first  # which nearly always has something to give, and costs less than an order of all
            yield from sorted(self._totals.keys() - {first}, key=rank, reverse=True)

    def connections(self) -> Iterator[ClientConnection]:
        """Yield the connections that are counted, in no order."""
        for holders in self._holders.values():
            yield from holders

    def holders(self, client: str) -> Collection[ClientConnection]:
        """Return the connections of a client that are counted."""
        return self._holders[client]

    def _set(self, connection: ClientConnection, before: int, counted: int) -> None:
        client = connection.network
        holders = self._holders.setdefault(client, {})
        if counted:
            holders[connection] = counted
        else:
            del holders[connection]
        self._totals[client] = self._totals.get(client, 0) + counted - before
        if not holders:
            del self._holders[client], self._totals[client]
        self.used_bytes += counted - before
        was_exceeded, self.is_exceeded = self.is_exceeded, self.used_bytes > self._max_bytes
        if was_exceeded and not self.is_exceeded:
            self._on_room()
