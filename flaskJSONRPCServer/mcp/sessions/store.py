"""The sessions of one endpoint, in one process: bounded in number, in idle time, and in what they keep."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from ...http.refusals import ServiceUnavailable
from ...runtime.concurrency import make_lock
from ..protocol.errors import SessionNotFound
from .state import Session
from .streams import KeptBytes, SessionStreams

__all__ = ["IDLE_S", "LEFT_S", "MOST_BYTES", "MOST_SESSIONS", "HttpSession", "Sessions", "new_session_id"]

MOST_SESSIONS: Final = 1000
"""The most sessions of an endpoint in one process; guessed."""

IDLE_S: Final = 3600.0
"""After how many seconds without a request or an open stream a session ends; guessed."""

LEFT_S: Final = 60.0
"""After how many seconds without a request or an open stream a client has gone, and its calls wait no more; guessed."""

MOST_BYTES: Final = 64 * 1024 * 1024
"""The most bytes of events that all sessions of an endpoint keep for clients that come back; guessed."""


def new_session_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_urlsafe(32)


class Connection(Protocol):
    """A connection of a client, on which it gets events."""

    def on_close(self, callback: Callable[[], object]) -> None:
        """Call a function once when the connection has been closed; at once if it has been."""


@dataclass(eq=False, slots=True)
class HttpSession:
    """A session whose messages come by HTTP.

    Attributes:
        state: What is the same whichever way messages come.
        streams: Its streams.
        caller: Whom it belongs to, hashed.
        leave: Called when it ends.
        connections: The open connections of its client. Any thread changes them, in one step.
        used_at: When it was used last, by the clock of :class:`Sessions`. Any thread sets it, in one step.
    """

    state: Session
    streams: SessionStreams
    caller: bytes
    leave: Callable[[], object] = field(default=lambda: None)
    connections: set[Connection] = field(default_factory=set)
    used_at: float = 0.0

    @property
    def is_in_use(self) -> bool:
        """Whether a request runs, or the client has a connection open."""
        return self.state.has_calls or bool(self.connections)

    def end(self) -> None:
        """End it."""
        self.leave()
        self.state.end()
        self.streams.end()


class Sessions:
    """All sessions of an endpoint.

    Args:
        most: The most sessions.
        idle_s: After how many seconds without use one ends.
        most_bytes: The most bytes that they keep.
        clock: Returns the time in seconds.

    Attributes:
        kept_bytes: Counts what they keep.
    """

    def __init__(
        self,
        most: int = MOST_SESSIONS,
        idle_s: float = IDLE_S,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kept_bytes = KeptBytes(most_bytes)
        self._most = most
        self._idle_s = idle_s
        self._clock = clock
        self._changing = make_lock()
        self._sessions: dict[str, HttpSession] = {}  # guarded by _changing

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: HttpSession) -> None:
        """Add a session. The one that has been idle for longest ends if there are too many.

        Raises:
            ServiceUnavailable: There are too many, and all are in use.
        """
        with self._changing:
            ended = self._take_expired()
            ended += self._take_idle()
            has_room = len(self._sessions) < self._most
            if has_room:
                session.used_at = self._clock()
                self._sessions[session.state.id] = session
        end_each(ended)
        if not has_room:
            raise ServiceUnavailable(f"{self._most} sessions are in use already")

    def find(self, session_id: str, caller: bytes) -> HttpSession:
        """Return a session that is being used.

        Raises:
            SessionNotFound: There is none with this id, or it belongs to another caller.
        """
        with self._changing:
            session = self._sessions.get(session_id)
            if session is None or session.caller != caller:
                raise SessionNotFound
            has_expired = self._has_expired(session)
            if has_expired:
                del self._sessions[session_id]
            else:
                self.touch(session)
        if has_expired:
            session.end()
            raise SessionNotFound
        return session

    def touch(self, session: HttpSession) -> None:
        """Note that a session is used, or has been until now. Takes no lock."""
        session.used_at = self._clock()

    def has_left(self, session: HttpSession) -> bool:
        """Return whether the client of a session has neither a connection open nor made a request for a while."""
        return not session.connections and self._clock() - session.used_at > LEFT_S

    def connect(self, session: HttpSession, connection: Connection) -> None:
        """Note that the client of a session has a connection open, until it is closed. Takes no lock."""

        def end() -> None:
            self.touch(session)  # first, as the client has not left yet
            session.connections.discard(connection)

        session.connections.add(connection)
        connection.on_close(end)

    @contextmanager
    def using(self, session: HttpSession) -> Iterator[None]:
        """Note that a session is used until the end of the block."""
        try:
            yield
        finally:
            self.touch(session)

    def purge(self) -> None:
        """End the sessions that have been idle for their time."""
        with self._changing:
            ended = self._take_expired()
        end_each(ended)

    def end(self, session: HttpSession) -> None:
        """End a session."""
        with self._changing:
            self._sessions.pop(session.state.id, None)
        session.end()

    def end_all(self) -> None:
        """End all sessions: the server has stopped."""
        with self._changing:
            ended = list(self._sessions.values())
            self._sessions.clear()
        end_each(ended)

    def _take_expired(self) -> list[HttpSession]:
        """Remove the sessions whose time is over, and return them. Called under the lock."""
        return self._removed([session for session in self._sessions.values() if self._has_expired(session)])

    def _take_idle(self) -> list[HttpSession]:
        """Remove the session that has been idle for longest if there is no room for one more. Called under the lock."""
        if len(self._sessions) < self._most and not self.kept_bytes.are_too_many:
            return []
        by_use = sorted(self._sessions.values(), key=lambda session: session.used_at)
        idle = (session for session in by_use if not session.is_in_use)
        return self._removed(list(itertools.islice(idle, 1)))

    def _removed(self, sessions: list[HttpSession]) -> list[HttpSession]:
        for session in sessions:
            del self._sessions[session.state.id]
        return sessions

    def _has_expired(self, session: HttpSession) -> bool:
        if self._clock() - session.used_at <= self._idle_s:
            return False
        if session.is_in_use:
            self.touch(session)
            return False
        return True


def end_each(sessions: Iterable[HttpSession]) -> None:
    for session in sessions:
        session.end()
