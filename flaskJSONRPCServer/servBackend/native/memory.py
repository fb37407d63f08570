"""The bound on what all connections hold in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client_connection import ClientConnection

__all__ = ["FREE_BYTES", "MemoryBudget"]

FREE_BYTES = 16 * 1024
"""What a connection holds below this is not counted: most requests and answers never change the sum."""


class MemoryBudget:
    """Counts the bodies and the unsent answers of all connections to an address.

    Args:
        most_bytes: How much they may be.

    Attributes:
        used_bytes: How much they are.
        is_exceeded: Whether that is too much.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.used_bytes = 0
        self.is_exceeded = False

    def count(self, connection: ClientConnection) -> bool:
        """Count what a connection holds; returns whether it holds more than before, and all hold too much."""
        held = connection.http.memory_bytes + connection.unsent_bytes
        counted = held if held > FREE_BYTES else 0
        is_more = counted > connection.counted_bytes
        if counted != connection.counted_bytes:
            self._set(connection, counted)
        return is_more and self.is_exceeded

    def has_room(self, connection: ClientConnection) -> bool:
        """Return whether a body that has come at once may stay in memory; others were counted as they came."""
        further_bytes = connection.http.memory_bytes - connection.counted_bytes
        return further_bytes <= 0 or self.used_bytes + further_bytes <= self._most_bytes

    def release(self, connection: ClientConnection) -> None:
        """Count a connection no more."""
        self._set(connection, 0)

    def _set(self, connection: ClientConnection, counted: int) -> None:
        self.used_bytes += counted - connection.counted_bytes
        connection.counted_bytes = counted
        self.is_exceeded = self.used_bytes > self._most_bytes
