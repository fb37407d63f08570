"""Shedding load: keeping what all connections of an address hold within its limits.

If one client could use up a limit, it would shut out all others. So the client address that holds most makes room for
the others: first by its incomplete bodies, which are refused and may be sent again, then by its unsent answers, which
end truncated. Before that, what has been silent for long goes, of any client: it may never be completed.

The largest answer does not count, see :class:`~.memory.ByteBudget`. Of several, an answer that has just begun goes
last: else a client that gets one could never get it while others read theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from ...http.refusals import ServiceUnavailable
from .memory import UNCOUNTED_BYTES, ByteBudget
from .protocol import BODY, HttpConnection

if TYPE_CHECKING:
    from .backend import SharedState
    from .client_connection import ClientConnection

__all__ = ["LoadShedder"]

# After how many seconds without a byte a body gives its room to any other, and an answer too; guessed.
_SILENT_S = 5.0

# How long an answer must have waited for its client to be judged by its speed; guessed.
_JUDGED_AFTER_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """What connections hold of one kind.

    Attributes:
        setting: The name of its limit.
        budget: Its bytes.
        body_bytes: Returns how much of it the bodies of a connection hold.
        has_answers: Whether unsent answers hold it too.
    """

    setting: str
    budget: ByteBudget
    body_bytes: Callable[[HttpConnection], int]
    has_answers: bool

    @property
    def refusal(self) -> ServiceUnavailable:
        """The refusal of a body that finds no room."""
        return ServiceUnavailable(f"the server is busy: {self.setting} is reached")


class LoadShedder:
    """Counts what connections hold in memory and in files, and ends some of them while that exceeds a limit.

    The manager's thread alone uses it.

    Args:
        shared: The state that all connections share.
        drop: Closes a connection.
        update_later: Has a connection updated that has been refused for the sake of another.
        resume: Called when memory is no longer short.

    Attributes:
        memory: The bytes of bodies and unsent answers in memory.
        files: The bytes of bodies in temporary files.
    """

    def __init__(
        self,
        shared: SharedState,
        *,
        drop: Callable[[ClientConnection], None],
        update_later: Callable[[ClientConnection], None],
        resume: Callable[[], None],
    ) -> None:
        self.memory = ByteBudget(shared.limits.max_buffered_bytes, resume)
        self.files = ByteBudget(shared.limits.max_spooled_bytes)
        self._memory = Resource("max_buffered_bytes", self.memory, lambda http: http.memory_bytes, has_answers=True)
        self._files = Resource("max_spooled_bytes", self.files, lambda http: http.spooled_bytes, has_answers=False)
        self._shared = shared
        self._drop = drop
        self._update_later = update_later

    def update(self, connection: ClientConnection, now: float) -> None:
        """Count a connection again. If it finds no room, refuse its incomplete body, or end others."""
        is_body = connection.http.phase is BODY
        for resource in self._count(connection):
            if not self._make_room(resource, connection, now, is_body=is_body):
                self._refuse(resource, connection, now)
                return

    def admit(self, connection: ClientConnection, now: float) -> bool:
        """Count a connection with a complete request. If there is no room for its body, refuse it and go on.

        Returns:
            Whether the request may be answered.
        """
        for resource in self._count(connection):
            if not self._make_room(resource, connection, now, is_body=True):
                self._warn(resource, "refused a body of", connection)
                self.release(connection)
                connection.shed(resource.refusal, now)
                self.update(connection, now)  # the next body may have begun
                return False
        return True

    def release(self, connection: ClientConnection) -> None:
        """Uncount a connection."""
        if connection.is_counted:
            self.memory.count(connection, 0)
            self.files.count(connection, 0)
            connection.is_counted = False

    def _count(self, connection: ClientConnection) -> list[Resource]:
        """Count a connection again. Return the resources of which it has taken more than there is."""
        http = connection.http
        unsent_bytes, spooled_bytes = connection.unsent_bytes, http.spooled_bytes
        memory_bytes = http.memory_bytes + unsent_bytes
        is_counted = memory_bytes > UNCOUNTED_BYTES or spooled_bytes > UNCOUNTED_BYTES
        if not is_counted and not connection.is_counted:
            return []
        connection.is_counted = is_counted
        exceeded = [self._memory] if self.memory.count(connection, memory_bytes, unsent_bytes) else []
        return [*exceeded, self._files] if self.files.count(connection, spooled_bytes) else exceeded

    def _make_room(self, resource: Resource, grown: ClientConnection, now: float, *, is_body: bool) -> bool:
        """End connections until the limit is no longer exceeded. Return False if ``grown`` is to be refused itself.

        Args:
            resource: What there is too little of.
            grown: The connection that holds more than before.
            now: The time.
            is_body: Whether it has grown by a body, which can be refused.
        """
        while resource.budget.is_exceeded:
            other = self._choose(resource, grown, now, is_body=is_body)
            if other is None or (other is grown and is_body):
                return not is_body
            if other.http.phase is BODY:
                self._refuse(resource, other, now)
                self._update_later(other)
            else:
                self._warn(resource, "cut off an answer to", other)
                self._drop(other)
        return True

    def _choose(
        self, resource: Resource, grown: ClientConnection, now: float, *, is_body: bool
    ) -> ClientConnection | None:
        if (silent := silent_holder(resource, now, is_body=is_body)) is not None:
            return silent
        for client in resource.budget.clients(grown.network):
            if is_body and client == grown.network:
                return grown
            found = slowest_holder(resource, client, grown, now)
            if found is not None or client == grown.network:  # those that hold less do not pay for it
                return found
        return None

    def _refuse(self, resource: Resource, connection: ClientConnection, now: float) -> None:
        self._warn(resource, "refused a body of", connection)
        connection.refuse(resource.refusal, now)
        self._count(connection)

    def _warn(self, resource: Resource, action: str, connection: ClientConnection) -> None:
        self._shared.write_warning(f"{resource.setting} is reached: {action}", connection.client or "a client")


def silent_holder(resource: Resource, now: float, *, is_body: bool) -> ClientConnection | None:
    """Return the connection whose body or answer has been silent for longest, if any has been for long.

    Args:
        resource: What there is too little of.
        now: The time.
        is_body: Whether a body wants it. Silent bodies make room for other bodies only.
    """
    bodies = (
        other
        for other in resource.budget.connections()
        if is_body and other.http.phase is BODY and resource.body_bytes(other.http)
    )
    answers = (other for other in resource.budget.answers() if other.unsent_bytes > UNCOUNTED_BYTES)
    return longest_silent(bodies, attrgetter("last_received_at"), now) or longest_silent(
        answers, attrgetter("last_sent_at"), now
    )


def longest_silent(
    connections: Iterable[ClientConnection], last_at: Callable[[HttpConnection], float], now: float
) -> ClientConnection | None:
    silent = (other for other in connections if now - last_at(other.http) >= _SILENT_S)
    return min(silent, key=lambda other: last_at(other.http), default=None)


def slowest_holder(resource: Resource, client: str, grown: ClientConnection, now: float) -> ClientConnection | None:
    """Return the slowest body of a client, or else its slowest answer; None if it has neither."""
    holders = resource.budget.holders(client)
    bodies = [other for other in holders if other.http.phase is BODY and resource.body_bytes(other.http)]
    if bodies:  # the one with the least time left has been the slowest
        return min(bodies, key=lambda other: other.http.deadline)
    answers = [other for other in holders if resource.has_answers and other.unsent_bytes > UNCOUNTED_BYTES]
    return min(answers, key=lambda other: (other is grown, *progress(other.http, now)), default=None)


def progress(http: HttpConnection, now: float) -> tuple[bool, float]:
    """Return the order in which answers go: those that have just begun last, and the slowest of the others first."""
    return http.answer_wait_s(now) < _JUDGED_AFTER_S, http.answer_speed(now)
