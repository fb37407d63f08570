"""Streams whose head is sent with the first event, so that a call that fails before has a status of its own.

Source: revision 2026-07-28, "Overview", section `_meta`: the status of a missing capability.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from typing import Final

import flask

from ...dispatch.clients import has_left
from ...http.event_streams import AnswerStream
from ...http.request import Environ
from ...http.response import Response
from ...runtime.concurrency import make_condition, start_thread
from ..protocol.events import KEEP_ALIVE, event
from ..service import Reply
from .answers import event_stream, json_answer

__all__ = ["late_stream"]

# How often it is looked whether the client has gone, before the head is sent, in seconds; guessed.
_LOOK_S: Final = 0.5

# How many bytes of events may wait for the head; guessed.
_BUFFER_BYTES: Final = 128 * 1024

Run = Callable[[AnswerStream], Reply]
"""Answers a request: it sends events, and returns the response."""


def late_stream(run: Run, head: Environ, keep_alive_s: float) -> Response:
    """Return the answer to a request, which begins to run at once in a thread of its own.

    It is a stream of events, which ends with the response; or the response alone, if that is an error with another
    status than 200, and comes before any event and any comment that keeps the connection open.

    In the context of a Flask application, the head is sent first: the end of the context would come while the request
    runs, and close what it uses, such as a database session.

    Args:
        run: Answers the request.
        head: The environ of the request, or its head.
        keep_alive_s: After how many seconds of silence a stream sends a comment.
    """
    if flask.has_app_context():
        return event_stream(lambda stream: send_last(stream, run(stream)), keep_alive_s, ends_with_run=True)
    stream = LateStream(run)
    stream.wait_for_head(head, keep_alive_s)
    early = stream.early_reply()
    if early is not None and early.status != "200 OK":
        return json_answer(early)
    return event_stream(Continuation(stream), keep_alive_s, ends_with_run=True)


def send_last(stream: AnswerStream, reply: Reply) -> None:
    stream.send_last(event(reply.text))


class LateStream:
    """The stream of a request that runs before the head is sent. It keeps the events until then.

    Args:
        run: Answers the request.
    """

    def __init__(self, run: Run) -> None:
        self._changed = make_condition()
        self._parts: list[bytes] = []  # guarded by _changed, as all below
        self._callbacks: list[Callable[[], object]] = []
        self._outlet: AnswerStream | None = None  # once all parts that were kept have been sent on it
        self._is_closed = self._has_ended = False
        self._reply: Reply | None = None
        self._failure: BaseException | None = None
        context = contextvars.copy_context()
        start_thread(context.run, (self._run, run), name="mcp-stream")

    # The function that answers the request uses these; see AnswerStream.

    @property
    def is_closed(self) -> bool:
        """Whether the client has gone."""
        return self._is_closed if self._outlet is None else self._outlet.is_closed

    @property
    def has_room(self) -> bool:
        """Whether there is room for parts that are not needed."""
        outlet = self._outlet
        return sum(map(len, self._parts)) < _BUFFER_BYTES if outlet is None else outlet.has_room

    def send(self, data: bytes) -> bool:
        """Send a part, or keep it for the head."""
        with self._changed:
            if self._outlet is None:
                if not self._is_closed:
                    self._parts.append(data)
                    self._changed.notify_all()
                return not self._is_closed
        return self._outlet.send(data)

    def send_last(self, data: bytes) -> None:
        """Send a part. The stream ends with the response, which the function returns."""
        self.send(data)

    def close(self) -> None:
        """Call the callbacks: the client has gone."""
        with self._changed:
            self._is_closed = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_close(self, callback: Callable[[], object]) -> None:
        """Call a function once when the client has gone; at once if it has."""
        with self._changed:
            if not self._is_closed:
                self._callbacks.append(callback)
                return
        callback()

    # The thread of the request uses these.

    def wait_for_head(self, head: Environ, timeout_s: float) -> None:
        """Wait for an event, the response, or the time; and for the response alone once the client has gone."""
        deadline = time.monotonic() + timeout_s
        while not self._has_begun(min(_LOOK_S, max(0.0, deadline - time.monotonic()))):
            if has_left(head):
                self.close()
                self.wait_for_end()
            elif time.monotonic() >= deadline:
                self.send(KEEP_ALIVE)  # by which some serving programs notice that the client has gone

    def early_reply(self) -> Reply | None:
        """Return the response, if no event has come before it.

        Raises:
            BaseException: The function has failed before it could send anything.
        """
        with self._changed:
            if self._parts or not self._has_ended:
                return None
        return self.reply()

    def attach(self, outlet: AnswerStream) -> None:
        """Send the events that were kept, and all further ones, on a stream."""
        outlet.on_close(self.close)
        while True:
            with self._changed:
                parts, self._parts = self._parts, []
                if not parts:
                    self._outlet = outlet
                    return
            for part in parts:  # without the lock: a stream that is full now is closed, and calls close()
                outlet.send(part)

    def wait_for_end(self) -> None:
        """Wait until the function has returned."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended)

    def reply(self) -> Reply:
        """Return the response.

        Raises:
            BaseException: The function has failed.
        """
        if self._reply is None:
            assert self._failure is not None  # noqa: S101  one of both is there at the end
            raise self._failure
        return self._reply

    def _has_begun(self, timeout_s: float) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._parts or self._has_ended, timeout_s))

    def _run(self, run: Run) -> None:
        try:
            self._reply = run(self)
        except BaseException as exc:  # noqa: BLE001  the thread of the request raises it, an interrupt too
            self._failure = exc
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()


class Continuation:
    """The function of a streamed answer that goes on with a request. It cancels the request if it is never called."""

    def __init__(self, stream: LateStream) -> None:
        self._stream = stream

    def __call__(self, outlet: AnswerStream) -> None:
        self._stream.attach(outlet)
        self._stream.wait_for_end()
        send_last(outlet, self._stream.reply())

    def __del__(self) -> None:
        self._stream.close()  # without an effect once the request has ended
