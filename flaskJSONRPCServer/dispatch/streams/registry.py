"""The open streams of one server: how many there may be, and their end when the server stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from ...http.event_streams import StreamedResponse
from ...http.refusals import ServiceUnavailable
from ...http.request import Environ
from ...runtime.concurrency import make_condition
from ...runtime.log_limits import WarnOnce
from ...runtime.logs import ServerLog
from ...settings import Settings
from .answers import AdmittedResponse
from .heartbeats import Heartbeats
from .one_thread import MORE_THREADS, ONE_THREAD, has_one_thread
from .open_stream import OpenStream

__all__ = ["FOREIGN_STREAMS", "KeptStream", "StreamRegistry"]

FOREIGN_STREAMS = 4
"""The most streams behind another WSGI server, whose number of threads is unknown; guessed."""

# When a client that was refused for want of room may try again, in seconds; guessed.
_RETRY_AFTER_S = 5


class KeptStream(Protocol):
    """A stream as the registry ends it: an :class:`.open_stream.OpenStream`, or one that a page has opened."""

    @property
    def has_run(self) -> bool:
        """Whether the function that has opened it has returned."""

    def finish(self) -> None:
        """Close it after its last part."""

    def break_off(self) -> None:
        """Close it so that the client notices that its answer is incomplete."""


class StreamRegistry:
    """Keeps the open streams of one server.

    Args:
        name: The name of the server.
        settings: Its settings.
        log: Its log.
        kind_of: Returns the kind of the serving program of a request, by its head. Each kind has a limit of its own.

    Attributes:
        limits: The most streams of each kind; for others it is ``max_streams``, or :data:`FOREIGN_STREAMS`. They are
            set before the server serves.
    """

    def __init__(self, name: str, settings: Settings, log: ServerLog, kind_of: Callable[[Environ], str]) -> None:
        self.limits: Mapping[str, int] = {}
        self._settings = settings
        self._log = log
        self._kind_of = kind_of
        self._heartbeats = Heartbeats(f"{name}-heartbeats")
        self._changed = make_condition()
        # And the kind under which each is counted, if it is; guarded by _changed, as all below.
        self._open: dict[KeptStream, str | None] = {}
        self._counts: Counter[str] = Counter()
        self._running: set[KeptStream] = set()  # those whose function runs
        self._is_ending = False
        self._ended_periods = 0
        self._refusals = WarnOnce(log)
        self._without_threads = WarnOnce(log)

    def admit(self, response: StreamedResponse, head: Environ) -> AdmittedResponse:
        """Return the answer with its stream.

        Room is kept for it until it is closed, unless it ends with its function.

        Raises:
            ServiceUnavailable: ``max_streams`` are open, or the serving program has one thread.
        """
        if head["REQUEST_METHOD"] == "HEAD":
            return AdmittedResponse(response, None)
        stream = OpenStream(response, self, self._log)
        if response.ends_with_run:
            with self._changed:
                self._open[stream] = None
        else:
            self.keep(stream, head)
        return AdmittedResponse(response, stream)

    def keep(self, stream: KeptStream, head: Environ) -> None:
        """Keep room for a stream until :meth:`forget`, and close it when the server stops.

        Raises:
            ServiceUnavailable: ``max_streams`` are open, or the serving program has one thread.
        """
        if not self.are_possible(head):
            raise ServiceUnavailable(f"{ONE_THREAD}, which a stream would keep")
        kind = self._kind_of(head)
        with self._changed:
            has_room = self._counts[kind] < self.limit(kind)
            if has_room:
                self._open[stream] = kind
                self._counts[kind] += 1
        if not has_room:
            raise self._refusal(kind)

    def are_possible(self, head: Environ) -> bool:
        """Return whether streams leave a thread for other requests. The first time they do not, log a warning.

        Args:
            head: The head of a request for a stream.
        """
        if not has_one_thread(head):
            return True
        self._without_threads.write(f"a stream is refused: {ONE_THREAD}. {MORE_THREADS}; see docs/serving.md")
        return False

    def count(self) -> int:
        """Return how many streams are open."""
        return len(self._open)

    def limit(self, kind: str) -> int:
        """Return how many streams may be open behind a kind of serving program."""
        if kind in self.limits:
            return self.limits[kind]
        chosen = self._settings.max_streams
        return FOREIGN_STREAMS if chosen is None else chosen

    def begin_period(self) -> None:
        """Let streams stay open from now on."""
        with self._changed:
            self._is_ending = False

    def end_period(self) -> None:
        """Close each stream as soon as its function does not run any more: the server stops or restarts."""
        with self._changed:
            self._is_ending = True
            self._ended_periods += 1
            idle = [stream for stream in self._open if stream.has_run]
        for stream in idle:
            stream.finish()

    def watch_period(self) -> Callable[[], bool]:
        """Return a function that returns whether the server has begun to stop or to restart meanwhile."""
        number = self._ended_periods
        return lambda: self._is_ending or self._ended_periods != number

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

    def note_returned(self, stream: KeptStream) -> None:
        """As :meth:`.open_stream.StreamOwner.note_returned`."""
        with self._changed:
            self._running.discard(stream)
            self._changed.notify_all()
            is_ending = self._is_ending
        if is_ending:
            stream.finish()

    def keep_alive(self, stream: OpenStream) -> None:
        """As :meth:`.open_stream.StreamOwner.keep_alive`."""
        if stream.heartbeat:
            self._heartbeats.add(stream)
            if stream.is_closed:  # closed meanwhile, perhaps before it was added
                self._heartbeats.discard(stream)

    def forget(self, stream: KeptStream) -> None:
        """As :meth:`.open_stream.StreamOwner.forget`."""
        with self._changed:
            kind = self._open.pop(stream, None)
            if kind is not None:
                self._counts[kind] -= 1
        if isinstance(stream, OpenStream):  # a page sends its own
            self._heartbeats.discard(stream)

    def _refusal(self, kind: str) -> ServiceUnavailable:
        what = f"max_streams ({self.limit(kind)}) streams are open already"
        self._refusals.write(f"a stream is refused: {what}. Raise max_streams; see docs/serving.md")
        refusal = ServiceUnavailable(what)
        refusal.retry_after_s = _RETRY_AFTER_S
        return refusal
