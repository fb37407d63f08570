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

    The largest unsent answer does not count towards the limit. It is in memory already, and may exceed the limit alone:
    if it counted, a limit could cut it off though nobody else needs the room, or shut out everybody until it is sent.

    Args:
        max_bytes: The limit.
        on_room: Called when the limit is no longer exceeded.

    Attributes:
        used_bytes: The bytes in use, with the largest answer.
        is_exceeded: Whether they exceed the limit, without the largest answer.
    """

    def __init__(self, max_bytes: int, on_room: Callable[[], object] = lambda: None) -> None:
        self._max_bytes = max_bytes
        self._on_room = on_room
        self._holders: dict[str, dict[ClientConnection, int]] = {}
        self._totals: dict[str, int] = {}
        self._answers: dict[ClientConnection, int] = {}  # how much of what they hold is unsent
        self._largest: ClientConnection | None = None  # whose answer does not count
        self.used_bytes = 0
        self.is_exceeded = False

    def count(self, connection: ClientConnection, held_bytes: int, answer_bytes: int = 0) -> bool:
        """Count a connection again.

        Args:
            connection: The connection.
            held_bytes: What it holds.
            answer_bytes: How much of that is an unsent answer.

        Returns:
            Whether it holds more than before while the limit is exceeded.
        """
        client = connection.network
        counted = held_bytes if held_bytes > UNCOUNTED_BYTES else 0
        before = self._holders[client].get(connection, 0) if client in self._holders else 0
        self._set_answer(connection, min(counted, answer_bytes))
        if counted != before:
            self._set(connection, before, counted)
        self._check(is_more=counted > before)
        return counted > before and self.is_exceeded

    def clients(self, first_of_equals: str) -> Iterator[str]:
        """Yield the clients that hold anything, beginning with the one that holds most, without the largest answer.

        Args:
            first_of_equals: The client that comes before others which hold as much.
        """
        largest = self._largest

        def rank(client: str) -> tuple[int, bool]:
            total = self._totals[client]
            if largest is not None and client == largest.network:
                total -= self._answers[largest]
            return total, client == first_of_equals

        if self._totals:
            first = max(self._totals, key=rank)
            yield first  # which nearly always has something to give, and costs less than an order of all
            yield from sorted(self._totals.keys() - {first}, key=rank, reverse=True)

    def connections(self) -> Iterator[ClientConnection]:
        """Yield the connections that are counted, in no order."""
        for holders in self._holders.values():
            yield from holders

    def answers(self) -> Iterator[ClientConnection]:
        """Yield the counted connections with unsent answers, in no order."""
        yield from self._answers

    def holders(self, client: str) -> Collection[ClientConnection]:
        """Return the connections of a client that are counted."""
        return self._holders[client]

    def _set_answer(self, connection: ClientConnection, answer_bytes: int) -> None:
        if answer_bytes:
            self._answers[connection] = answer_bytes
        elif self._answers.pop(connection, None) is not None and connection is self._largest:
            self._largest = None

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

    def _check(self, *, is_more: bool) -> None:
        """Find out whether the limit is exceeded.

        The largest answer is looked for only when more is held than before, or it has been sent. While it becomes
        smaller, the sum does so too, and the rest stays within the limit.
        """
        was_exceeded, self.is_exceeded = self.is_exceeded, self._counted_bytes() > self._max_bytes
        if self.is_exceeded and (is_more or self._largest is None) and self._answers:
            self._largest = max(self._answers, key=self._answers.__getitem__)
            self.is_exceeded = self._counted_bytes() > self._max_bytes
        if was_exceeded and not self.is_exceeded:
            self._on_room()

    def _counted_bytes(self) -> int:
        return self.used_bytes - (0 if self._largest is None else self._answers[self._largest])
