"""The sessions of one endpoint, in one process: bounded in number, in idle time, and in what they keep."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ...http.refusals import ServiceUnavailable
from ...runtime.concurrency import make_lock
from ..protocol.errors import SessionNotFound
from .state import Session
from .streams import KeptBytes, SessionStreams

__all__ = ["IDLE_S", "MOST_BYTES", "MOST_SESSIONS", "HttpSession", "Sessions", "new_session_id"]

MOST_SESSIONS: Final = 1000
"""The most sessions of an endpoint in one process; guessed."""

IDLE_S: Final = 3600.0
"""After how many seconds without a request or an open stream a session ends; guessed."""

MOST_BYTES: Final = 64 * 1024 * 1024
"""The most bytes of events that all sessions of an endpoint keep for clients that come back; guessed."""


def new_session_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_urlsafe(32)


@dataclass(eq=False, slots=True)
class HttpSession:
    """A session whose messages come by HTTP.

    Attributes:
        state: What is the same whichever way messages come.
        streams: Its streams.
        caller: Whom it belongs to, hashed.
        leave: Called when it ends.
        used_at: When it was used last, by the clock of :class:`Sessions`.
    """

    state: Session
    streams: SessionStreams
    caller: bytes
    leave: Callable[[], object] = field(default=lambda: None)
    used_at: float = 0.0

    @property
    def is_in_use(self) -> bool:
        """Whether a request runs, or the client has a stream open."""
        return self.state.has_calls or self.streams.are_connected

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
        self._sessions: dict[str, HttpSession] = {}  # guarded by _changing; the one used last comes last

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: HttpSession) -> None:
        """Add a session. The one that has been idle for longest ends if there are too many.

        Raises:
            ServiceUnavailable: There are too many, and all are in use.
        """
        ended = self._idle()
        with self._changing:
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
            if self._has_expired(session):
                del self._sessions[session_id]
            else:
                session.used_at = self._clock()
                self._sessions[session_id] = self._sessions.pop(session_id)
                return session
        session.end()
        raise SessionNotFound

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

    def _idle(self) -> list[HttpSession]:
        """Remove the sessions that have to end so that there is room for one more, and return them."""
        with self._changing:
            ended = [session for session in self._sessions.values() if self._has_expired(session)]
            left = len(self._sessions) - len(ended)
            if left >= self._most or self.kept_bytes.are_too_many:
                rest = (session for session in self._sessions.values() if session not in ended)
                ended += [session for session in rest if not session.is_in_use][:1]
            for session in ended:
                del self._sessions[session.state.id]
        return ended

    def _has_expired(self, session: HttpSession) -> bool:
        return self._clock() - session.used_at > self._idle_s and not session.is_in_use


def end_each(sessions: list[HttpSession]) -> None:
    for session in sessions:
        session.end()
