"""The open streams of one server: how many there may be, and their end when the server stops."""

from __future__ import annotations

from collections.abc import Callable

from ...http.event_streams import StreamedResponse
from ...http.refusals import ServiceUnavailable
from ...http.request import Environ
from ...runtime.concurrency import make_condition
from ...runtime.logs import ServerLog
from ...settings import Settings
from .answers import AdmittedResponse
from .heartbeats import Heartbeats
from .open_stream import OpenStream

__all__ = ["FOREIGN_STREAMS", "StreamRegistry"]

FOREIGN_STREAMS = 4
"""The most streams behind another WSGI server, whose number of threads is unknown; guessed."""

# When a client that was refused for want of room may try again, in seconds; guessed.
_RETRY_AFTER_S = 5


class StreamRegistry:
    """Keeps the open streams of one server.

    Streams behind a serving backend of this package and those behind another WSGI server are counted apart.

    Args:
        settings: The settings of the server.
        log: Its log.
        is_own: Returns whether a request has come by a serving backend of this package, by its head.

    Attributes:
        served_limit: The most streams behind such a serving backend; it is set before the server serves.
    """

    def __init__(self, settings: Settings, log: ServerLog, is_own: Callable[[Environ], bool]) -> None:
        self.served_limit = FOREIGN_STREAMS
        self._settings = settings
        self._log = log
        self._is_own = is_own
        self._heartbeats = Heartbeats(f"{settings.name or 'server'}-heartbeats")
        self._changed = make_condition()
        self._open: dict[OpenStream, bool] = {}  # whether each is an own one; guarded by _changed, as all below
        self._counts = {True: 0, False: 0}  # of own ones and of others
        self._running: set[OpenStream] = set()  # those whose function runs
        self._is_ending = False

    def limit(self, head: Environ) -> int:
        """Return how many streams may be open behind the serving program of a request."""
        return self._limit(is_own=self._is_own(head))

    def check_room(self, head: Environ) -> None:
        """Check that one more stream may be opened. Another request may take the room before this one does.

        Raises:
            ServiceUnavailable: ``max_streams`` are open.
        """
        is_own = self._is_own(head)
        with self._changed:
            has_room = self._has_room(is_own=is_own)
        if not has_room:
            raise self._refusal(is_own=is_own)

    def admit(self, response: StreamedResponse, head: Environ) -> AdmittedResponse:
        """Return the answer with its stream, for which room is kept until it is closed.

        Raises:
            ServiceUnavailable: ``max_streams`` are open.
        """
        if head["REQUEST_METHOD"] == "HEAD":
            return AdmittedResponse(response, None)
        is_own, stream = self._is_own(head), OpenStream(response, self, self._log)
        with self._changed:
            has_room = self._has_room(is_own=is_own)
            if has_room:
                self._open[stream] = is_own
                self._counts[is_own] += 1
        if not has_room:
            raise self._refusal(is_own=is_own)
        return AdmittedResponse(response, stream)

    def count(self) -> int:
        """Return how many streams are open."""
        return len(self._open)

    def begin_period(self) -> None:
        """Let streams stay open from now on."""
        with self._changed:
            self._is_ending = False

    def end_period(self) -> None:
        """Close each stream as soon as its function does not run any more: the server stops or restarts."""
        with self._changed:
            self._is_ending = True
            idle = [stream for stream in self._open if stream.has_run]
        for stream in idle:
            stream.close()

    def drain(self, timeout_s: float, allowed: int = 0) -> int:
        """Wait until the functions of no more than ``allowed`` streams run. Return how many run then."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._running) <= allowed, timeout_s)
            return len(self._running)

    def close_all(self) -> None:
        """Close all streams now."""
        with self._changed:
            streams = list(self._open)
        for stream in streams:
            stream.break_off()

    # The streams call these.

    def note_running(self, stream: OpenStream) -> None:
        """As :meth:`.open_stream.StreamOwner.note_running`."""
        with self._changed:
            self._running.add(stream)

    def note_returned(self, stream: OpenStream) -> None:
        """As :meth:`.open_stream.StreamOwner.note_returned`."""
        with self._changed:
            self._running.discard(stream)
            self._changed.notify_all()
            is_ending = self._is_ending
        if is_ending:
            stream.close()

    def keep_alive(self, stream: OpenStream) -> None:
        """As :meth:`.open_stream.StreamOwner.keep_alive`."""
        if stream.heartbeat:
            self._heartbeats.add(stream)
            if stream.is_closed:  # closed meanwhile, perhaps before it was added
                self._heartbeats.discard(stream)

    def forget(self, stream: OpenStream) -> None:
        """As :meth:`.open_stream.StreamOwner.forget`."""
        with self._changed:
            if stream in self._open:
                self._counts[self._open.pop(stream)] -= 1
        self._heartbeats.discard(stream)

    def _limit(self, *, is_own: bool) -> int:
        if is_own:
            return self.served_limit
        chosen = self._settings.max_streams
        return FOREIGN_STREAMS if chosen is None else chosen

    def _has_room(self, *, is_own: bool) -> bool:
        """Return whether one more stream may be opened. Called under the lock."""
        return self._counts[is_own] < self._limit(is_own=is_own)

    def _refusal(self, *, is_own: bool) -> ServiceUnavailable:
        refusal = ServiceUnavailable(f"max_streams ({self._limit(is_own=is_own)}) streams are open already")
        refusal.retry_after_s = _RETRY_AFTER_S
        return refusal
