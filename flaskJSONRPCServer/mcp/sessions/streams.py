"""The streams of one session, each of which a client can resume after its connection has broken.

Each event has an id: the number of its stream, and its number in the stream. Events are kept for a while. A client that
comes back with the id of the last event that it got receives what came after it, of the same stream.

Source: revision 2025-11-25, "Transports", section "Resumability and Redelivery".
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from typing import Final, Protocol

from ...runtime.concurrency import make_lock
from ..protocol.events import event

__all__ = ["RETRY_MS", "EventStream", "KeptBytes", "Outlet", "SessionStreams", "UnknownEventError"]

RETRY_MS: Final = 1000
"""After how many milliseconds a client resumes a stream whose connection has ended; guessed."""

# Guessed.
_MOST_EVENTS: Final = 1000
_MOST_BYTES: Final = 1024 * 1024

_EVENT_ID: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")


class UnknownEventError(ValueError):
    """The id belongs to no event that can be resumed from."""


class Outlet(Protocol):
    """A connection that events are sent on."""

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""

    @property
    def has_room(self) -> bool:
        """Whether the client reads fast enough for parts that are not needed."""

    def send(self, data: bytes) -> bool:
        """Send a part without waiting; return whether it will be sent."""

    def close(self) -> None:
        """End it."""


class KeptBytes:
    """Counts the bytes that all sessions of an endpoint keep for clients that come back.

    Args:
        most: The most bytes.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._changing = make_lock()
        self._count = 0  # guarded by _changing

    def add(self, count: int) -> None:
        """Count bytes that are kept from now on; a negative number for those that no longer are."""
        with self._changing:
            self._count += count

    @property
    def count(self) -> int:
        """The number of bytes."""
        return self._count

    @property
    def are_too_many(self) -> bool:
        """Whether there are more than there may be."""
        return self._count > self.most


class SessionStreams:
    """The streams of one session.

    Args:
        kept_bytes: Counts what is kept.
        primes: Whether a stream begins with an event without data, which has an id to resume from. Clients of older
            revisions fail on such an event.

    Attributes:
        standalone: The stream for what belongs to no request.
    """

    def __init__(self, kept_bytes: KeptBytes, *, primes: bool) -> None:
        self.lock = make_lock()  # outlets send under it, and one that is full then closes: no callback may take it
        self.primes = primes
        self._kept_bytes = kept_bytes
        self._numbers = itertools.count()
        self._streams: dict[int, EventStream] = {}  # guarded by lock, as all below
        self._order: deque[EventStream] = deque()  # the stream of each kept event, the oldest event first
        self._bytes = 0
        self._has_ended = False
        self.standalone = self.open()

    def open(self) -> EventStream:
        """Return a new stream."""
        with self.lock:
            stream = EventStream(next(self._numbers), self)
            self._streams[stream.number] = stream
        return stream

    def find(self, last_event_id: str | None) -> tuple[EventStream, int | None]:
        """Return the stream of an event, and the number of the event in it; without one, the standalone stream.

        Raises:
            UnknownEventError: There is none, or no event of its stream is kept any more.
        """
        if last_event_id is None:
            return self.standalone, None
        parts = _EVENT_ID.fullmatch(last_event_id)
        if parts is None:
            raise UnknownEventError(last_event_id)
        with self.lock:
            stream = self._streams.get(int(parts[1]))
        if stream is None:
            raise UnknownEventError(last_event_id)
        return stream, int(parts[2])

    def end(self) -> None:
        """End all connections, and forget all events."""
        with self.lock:
            self._has_ended = True
            streams = list(self._streams.values())
            while self._order:
                self._drop_oldest()
            self._streams.clear()
        for stream in streams:
            stream.end()

    def keep(self, stream: EventStream, number: int, data: bytes) -> None:
        """Keep an event; drop the oldest ones if there are too many. Called under the lock."""
        if self._has_ended:
            return
        stream.kept.append((number, data))
        self._order.append(stream)
        self._count(len(data))
        while self._has_too_many():
            self._drop_oldest()

    def forget(self, stream: EventStream) -> None:
        """Forget a stream that has ended, and has no event to be resumed from. Called under the lock."""
        self._streams.pop(stream.number, None)

    def _has_too_many(self) -> bool:
        if self._kept_bytes.are_too_many:
            return bool(self._order)
        return len(self._order) > 1 and (self._bytes > _MOST_BYTES or len(self._order) > _MOST_EVENTS)

    def _drop_oldest(self) -> None:
        stream = self._order.popleft()
        _, data = stream.kept.popleft()
        self._count(-len(data))
        if stream.has_ended and not stream.kept:
            self.forget(stream)

    def _count(self, count: int) -> None:
        self._bytes += count
        self._kept_bytes.add(count)


class EventStream:
    """One stream of messages, which outlives its connections.

    Args:
        number: Its number in the session.
        streams: The streams of the session; their lock guards all that changes here.

    Attributes:
        number: As given.
        kept: The kept events, each with its number.
        has_ended: Whether nothing more will be sent.
    """

    def __init__(self, number: int, streams: SessionStreams) -> None:
        self.number = number
        self.kept: deque[tuple[int, bytes]] = deque()
        self.has_ended = False
        self._streams = streams
        self._last = 0  # the number of the last event
        self._sent = 0  # the number of the last one that has gone to a connection
        self._outlet: Outlet | None = None

    @property
    def is_connected(self) -> bool:
        """Whether a connection is open."""
        return self._outlet is not None and not self._outlet.is_closed

    def send(self, message: bytes) -> None:
        """Send a message now, or when the client comes back."""
        with self._streams.lock:
            self._send(message)

    def offer(self, message: bytes) -> None:
        """Send a message, unless the client reads too slowly: a report that is lost costs less than the connection."""
        with self._streams.lock:
            if not self.is_connected or (self._outlet is not None and self._outlet.has_room):
                self._send(message)

    def attach(self, outlet: Outlet, after: int | None = None) -> None:
        """Send all events on a connection, in the place of the one before.

        Args:
            outlet: The connection.
            after: The number of the last event that the client has got; None for the last one that was sent.
        """
        with self._streams.lock:
            before, self._outlet = self._outlet, outlet
            begin = self._sent if after is None else after
            missed = [data for number, data in self.kept if number > begin]
            if outlet.send(b"".join([self._prime(begin), *missed])):
                self._sent = self._last
            is_complete = self.has_ended
        if before is not None:
            before.close()
        if is_complete:
            outlet.close()

    def detach(self) -> None:
        """End the connection, if there is one: another one follows."""
        with self._streams.lock:
            outlet, self._outlet = self._outlet, None
        if outlet is not None:
            outlet.close()

    def end(self) -> None:
        """End the stream. Its events can still be resumed."""
        with self._streams.lock:
            self.has_ended = True
            outlet, self._outlet = self._outlet, None
            if not self.kept:
                self._streams.forget(self)
        if outlet is not None:
            outlet.close()

    def _send(self, message: bytes) -> None:
        """Send a message. Called under the lock."""
        self._last += 1
        data = event(message, self._event_id(self._last))
        self._streams.keep(self, self._last, data)
        if self._outlet is not None and self._outlet.send(data):
            self._sent = self._last

    def _prime(self, number: int) -> bytes:
        retry = b"retry: %d\n" % RETRY_MS
        if not self._streams.primes:
            return b"%b\n" % retry
        return b"id: %b\n%bdata:\n\n" % (self._event_id(number).encode(), retry)

    def _event_id(self, number: int) -> str:
        return f"{self.number}-{number}"
