"""The bound on what all connections hold in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client_connection import ClientConnection

__all__ = ["UNCOUNTED_BYTES", "MemoryBudget"]

UNCOUNTED_BYTES = 16 * 1024
"""Connections that hold no more than this are not counted, so that most requests and answers never change the sum."""


class MemoryBudget:
    """Counts the bytes of bodies and unsent answers over all connections of an address.

    Args:
        max_bytes: The limit.

    Attributes:
        used_bytes: The bytes in use.
        is_exceeded: Whether they exceed the limit.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.used_bytes = 0
        self.is_exceeded = False

    def update(self, connection: ClientConnection) -> bool:
        """Count a connection again. Return whether it has grown while the limit is exceeded."""
        held = connection.http.memory_bytes + connection.unsent_bytes
        counted = held if held > UNCOUNTED_BYTES else 0
        is_more = counted > connection.counted_bytes
        if counted != connection.counted_bytes:
            self._set(connection, counted)
        return is_more and self.is_exceeded

    def has_room(self, connection: ClientConnection) -> bool:
        """Return whether a body that came in one read may stay in memory. Other bodies were counted as they came."""
        added_bytes = connection.http.memory_bytes - connection.counted_bytes
        return added_bytes <= 0 or self.used_bytes + added_bytes <= self._max_bytes

    def release(self, connection: ClientConnection) -> None:
        """Uncount a connection."""
        self._set(connection, 0)

    def _set(self, connection: ClientConnection, counted: int) -> None:
        self.used_bytes += counted - connection.counted_bytes
        connection.counted_bytes = counted
        self.is_exceeded = self.used_bytes > self._max_bytes
