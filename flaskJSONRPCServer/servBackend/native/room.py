"""Keeping what all connections of an address hold within its limits.

If one client could use up a limit, it would shut out all others. So the client address that holds most makes room for
the others: first by its incomplete bodies, which are refused and may be sent again, then by its unsent answers, which
end truncated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .memory import UNCOUNTED_BYTES, ByteBudget
from .protocol import BODY

if TYPE_CHECKING:
    from .backend import SharedState
    from .client_connection import ClientConnection

__all__ = ["Room"]


class Room:
    """Counts what connections hold in memory, and ends some of them while that exceeds the limit.

    The manager's thread alone uses it.

    Args:
        shared: The state that all connections share.
        drop: Closes a connection.
        update_later: Has a connection updated that has been refused for the sake of another.

    Attributes:
        memory: The bytes of bodies and unsent answers in memory.
    """

    def __init__(
        self,
        shared: SharedState,
        *,
        drop: Callable[[ClientConnection], None],
        update_later: Callable[[ClientConnection], None],
    ) -> None:
        self.memory = ByteBudget(shared.limits.max_buffered_bytes)
        self._shared = shared
        self._drop = drop
        self._update_later = update_later

    def update(self, connection: ClientConnection, now: float) -> None:
        """Count a connection again. If it finds no room, refuse its incomplete body, or end others."""
        if self._count(connection) and not self._make_room(connection, now, is_body=connection.http.phase is BODY):
            self._refuse(connection, now)

    def admit(self, connection: ClientConnection, now: float) -> bool:
        """Count a connection with a complete body. Return whether there is room for it; else the owner refuses it."""
        return not self._count(connection) or self._make_room(connection, now, is_body=True)

    def shed(self, connection: ClientConnection, now: float) -> None:
        """Refuse a complete request that found no room. The connection goes on."""
        self._warn("refused a body of", connection)
        self.release(connection)
        connection.shed(self._shared.memory_refusal, now)
        self.update(connection, now)  # the next body may have begun

    def release(self, connection: ClientConnection) -> None:
        """Uncount a connection."""
        self.memory.count(connection, 0)
        connection.is_counted = False

    def _count(self, connection: ClientConnection) -> bool:
        held_bytes = connection.http.memory_bytes + connection.unsent_bytes
        if held_bytes <= UNCOUNTED_BYTES and not connection.is_counted:
            return False
        connection.is_counted = held_bytes > UNCOUNTED_BYTES
        return self.memory.count(connection, held_bytes)

    def _make_room(self, newcomer: ClientConnection, now: float, *, is_body: bool) -> bool:
        """End connections until the limit is no longer exceeded. Return False if the newcomer is to be refused itself.

        Args:
            newcomer: The connection that has grown.
            now: The time.
            is_body: Whether it has grown by a body, which can be refused.
        """
        while self.memory.is_exceeded:
            other = self._choose(newcomer, is_body=is_body)
            if other is None or (other is newcomer and is_body):
                return not is_body
            if other.http.phase is BODY:
                self._refuse(other, now)
                self._update_later(other)
            else:
                self._warn("cut off an answer to", other)
                self._drop(other)
        return True

    def _choose(self, newcomer: ClientConnection, *, is_body: bool) -> ClientConnection | None:
        for client in self.memory.clients(newcomer.client):
            if is_body and client == newcomer.client:
                return newcomer
            holders = self.memory.holders(client)
            bodies = [other for other in holders if other.http.phase is BODY and other.http.memory_bytes]
            answers = bodies or [other for other in holders if other.unsent_bytes > UNCOUNTED_BYTES]
            if answers:  # the one with the least time left has been the slowest
                return min(answers, key=lambda other: other.http.deadline)
        return newcomer if is_body else None

    def _refuse(self, connection: ClientConnection, now: float) -> None:
        self._warn("refused a body of", connection)
        connection.refuse(self._shared.memory_refusal, now)
        self._count(connection)

    def _warn(self, action: str, connection: ClientConnection) -> None:
        self._shared.write_warning(f"max_buffered_bytes is reached: {action}", connection.client or "a client")
