"""One open stream, independent of the serving program."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ...http.event_streams import StreamedResponse
from ...http.response import Header
from ...runtime.concurrency import make_lock
from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR, ServerLog

__all__ = ["BUFFER_BYTES", "Channel", "OpenStream", "StreamOpener", "StreamOwner"]

BUFFER_BYTES = 256 * 1024
"""How many unsent bytes may wait for a client. A part that comes when more are waiting closes the stream."""


class Channel(Protocol):
    """The transport of the parts of one stream to its client."""

    @property
    def has_room(self) -> bool:
        """Whether less than half of what may wait for the client waits."""

    def send(self, data: bytes, *, is_last: bool = False) -> bool:
        """Send a part without waiting. Return whether it will be sent. There is always room for the last one."""

    def close(self) -> None:
        """End the answer after the parts that have been sent."""

    def abort(self) -> None:
        """End the answer so that the client notices that it is incomplete."""


class StreamOpener(Protocol):
    """A request whose answer may be a stream that occupies no thread; see the serving backend ``native``."""

    def open_channel(
        self,
        status: str,
        headers: list[Header],
        *,
        buffer_bytes: int,
        takes_large_parts: bool,
        on_close: Callable[[], object] | None,
    ) -> Channel:
        """Send the head, and return what sends the parts."""

    @property
    def stream(self) -> Any:
        """The result of :meth:`open_channel`; None before that."""


class StreamOwner(Protocol):
    """The owner of the open streams of one server."""

    def note_running(self, stream: OpenStream) -> None:
        """Note that the function of a stream runs."""

    def note_returned(self, stream: OpenStream) -> None:
        """Note that it has returned. The stream is closed if the server is stopping."""

    def keep_alive(self, stream: OpenStream) -> None:
        """Send the heartbeats of a stream."""

    def forget(self, stream: OpenStream) -> None:
        """Forget a stream that has been closed."""


class OpenStream:
    """The :class:`~flaskJSONRPCServer.http.event_streams.AnswerStream` of one request.

    Args:
        response: The answer.
        owner: What keeps the open streams of the server.
        log: The log of the server.

    Attributes:
        heartbeat, heartbeat_s: Those of the answer.
        sent_at: When something was sent last, by the monotonic clock.
        has_run: Whether the function of the answer has returned.
    """

    def __init__(self, response: StreamedResponse, owner: StreamOwner, log: ServerLog) -> None:
        self.heartbeat, self.heartbeat_s = response.heartbeat, response.heartbeat_s
        self.sent_at = time.monotonic()
        self.has_run = False
        self._run: Callable[[OpenStream], object] = response.run
        self._last_part = response.last_part
        self._owner = owner
        self._log = log
        self._lock = make_lock()
        self._callbacks: list[Callable[[], object]] | None = []  # None when the stream is closed; guarded by _lock
        self._channel: Channel | None = None  # guarded by _lock

    def surround(self, surrounding: Callable[[ServerLog], AbstractContextManager[object]]) -> None:
        """Run the function of the answer, which has not begun, in a context manager that is made for the log then."""
        run, log = self._run, self._log

        def run_within(stream: OpenStream) -> None:
            with surrounding(log):
                run(stream)

        self._run = run_within

    @property
    def is_closed(self) -> bool:
        """Whether the client has gone, or the stream has been closed."""
        return self._callbacks is None

    @property
    def has_room(self) -> bool:
        """As :attr:`~flaskJSONRPCServer.http.event_streams.AnswerStream.has_room`."""
        channel = self._channel
        return channel is not None and channel.has_room

    def send(self, data: bytes) -> bool:
        """As :meth:`~flaskJSONRPCServer.http.event_streams.AnswerStream.send`."""
        channel = self._channel
        if channel is None or self.is_closed or not channel.send(data):
            return False
        self.sent_at = time.monotonic()
        return True

    def send_last(self, data: bytes) -> None:
        """As :meth:`~flaskJSONRPCServer.http.event_streams.AnswerStream.send_last`."""
        channel = self._channel
        if channel is not None and not self.is_closed:
            channel.send(data, is_last=True)
        self.close()

    def close(self) -> None:
        """As :meth:`~flaskJSONRPCServer.http.event_streams.AnswerStream.close`."""
        self._end(lambda channel: channel.close())

    def finish(self) -> None:
        """Close the stream after its last part: the server stops or restarts."""
        if self._last_part is None or self.is_closed:
            self.close()
        else:
            self.send_last(self._last_part())

    def break_off(self) -> None:
        """Close the stream so that the client notices that its answer is incomplete."""
        self._end(lambda channel: channel.abort())

    def client_gone(self) -> None:
        """Close the stream, since the channel has ended."""
        self._end(lambda channel: None)

    def on_close(self, callback: Callable[[], object]) -> None:
        """As :meth:`~flaskJSONRPCServer.http.event_streams.AnswerStream.on_close`."""
        with self._lock:
            if self._callbacks is not None:
                self._callbacks.append(callback)
                return
        self._call([callback])

    def attach(self, channel: Channel) -> None:
        """Send all parts by a channel. It is closed at once if the stream has been closed already."""
        with self._lock:
            if self._callbacks is not None:
                self._channel = channel
                return
        channel.close()

    def serve(self, opener: StreamOpener, status: str, headers: list[Header]) -> None:
        """Send the head by a serving backend that has streams, and run the function of the answer in this thread.

        Raises:
            ValueError: The status or a header cannot be sent. The stream is closed.
        """
        try:
            channel = opener.open_channel(
                status, headers, buffer_bytes=BUFFER_BYTES, takes_large_parts=True, on_close=self.client_gone
            )
        except BaseException:
            self.client_gone()
            raise
        self.attach(channel)
        self._owner.keep_alive(self)
        self.run()

    def run(self) -> None:
        """Run the function of the answer. The stream stays open until something closes it, unless that raises."""
        self._owner.note_running(self)
        try:
            if not self.is_closed:
                self._run(self)
        except BaseException as exc:
            self._log.write(ERROR, "a stream broke off", traceback=True)
            self.break_off()
            if is_interrupt(exc):
                raise
        finally:
            del self._run  # it may refer to the stream
            self.has_run = True
            self._owner.note_returned(self)

    def _end(self, end_channel: Callable[[Channel], Any]) -> None:
        """Close the stream, unless it is closed."""
        with self._lock:
            callbacks, self._callbacks = self._callbacks, None
            channel, self._channel = self._channel, None
        if callbacks is None:
            return
        self._owner.forget(self)
        if channel is not None:
            end_channel(channel)
        self._call(callbacks)

    def _call(self, callbacks: list[Callable[[], object]]) -> None:
        for callback in callbacks:
            self._call_one(callback)

    def _call_one(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except BaseException as exc:  # the others have to know too
            self._log.write(ERROR, "on_close of a stream raised", traceback=True)
            if is_interrupt(exc):
                raise
