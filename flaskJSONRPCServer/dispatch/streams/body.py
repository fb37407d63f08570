"""A stream as the iterable that a WSGI application returns (PEP 3333), for serving programs without streams."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from typing import Any

from ...http.request import SEND_HEAD, Environ, client_of
from ...http.response import Header
from ...runtime.concurrency import start_thread
from ..clients import is_closed
from .open_stream import OpenStream, StreamOpener
from .part_queue import PartQueue

__all__ = ["StreamedBody"]

# How often an iterable that has nothing to send looks whether its client has gone, in seconds; guessed.
_LOOK_S = 0.5


class StreamedBody:
    """Yields the parts of a stream as they are sent.

    The function of the answer runs in a thread or greenlet of its own. The iterable occupies the thread of the serving
    program, which sends each part before it asks for the next one. It yields an empty part first, with which most
    programs send the head; others provide ``SEND_HEAD`` for that.

    Args:
        stream: The stream.
        environ: The environ of the request. If it has the socket of the client, the end of the client is noticed.

    """

    def __init__(self, stream: OpenStream, environ: Environ) -> None:
        self._stream = stream
        self._context = contextvars.copy_context()
        self._environ = environ
        self._queue = PartQueue(stream.break_off)
        self._has_begun = self._runs = self._is_served = False
        self._when_served: Callable[[Any], object] = lambda _: None

    def __iter__(self) -> StreamedBody:
        return self

    def __next__(self) -> bytes:
        """Wait for parts, and return them.

        Raises:
            ConnectionResetError: The answer has broken off.
        """
        if not self._has_begun:
            self._has_begun = True
            self._stream.attach(self._queue)
            self._environ.get(SEND_HEAD, bytes)()
            return b""
        if not self._runs:
            self._runs = True
            start_thread(self._context.run, (self._stream.run,), name="stream")
        while not (part := self._queue.next_parts(self._wait_s()) or self._due_heartbeat()):
            if is_gone(self._environ):
                raise StopIteration  # nobody misses the end of the answer
        return part

    def when_served(self, callback: Callable[[Any], object]) -> None:
        """Call a function with what :meth:`serve` has opened, or with None if that has failed."""
        self._when_served = callback

    def serve(self, opener: StreamOpener, status: str, headers: list[Header]) -> Any:
        """Send the answer by a serving backend that has streams, instead of yielding it.

        Args:
            opener: The request.
            status: The status that the application started its response with.
            headers: The headers.

        Returns:
            What the opener has opened.

        Raises:
            ValueError: As :meth:`.open_stream.OpenStream.serve`.
        """
        self._is_served = True
        try:
            self._context.run(self._stream.serve, opener, status, headers)
        finally:
            self._when_served(opener.stream)
        return opener.stream

    def close(self) -> None:
        """Close the stream: the serving program has sent everything, or cannot send any more (PEP 3333)."""
        if not self._is_served:
            self._stream.client_gone()

    def __del__(self) -> None:
        self.close()  # for one that is never sent, such as after a hook of Flask has answered something else

    def _wait_s(self) -> float:
        stream = self._stream
        if not stream.heartbeat:
            return _LOOK_S
        return max(0.0, min(_LOOK_S, stream.sent_at + stream.heartbeat_s - time.monotonic()))

    def _due_heartbeat(self) -> bytes:
        """Return the heartbeat if nothing has been sent for its time; else nothing."""
        stream, now = self._stream, time.monotonic()
        if not stream.heartbeat or stream.is_closed or now < stream.sent_at + stream.heartbeat_s:
            return b""
        stream.sent_at = now
        return stream.heartbeat


def is_gone(environ: Environ) -> bool:
    """Return whether the client has closed its connection; False if the environ does not have that."""
    descriptor = client_of(environ)
    return descriptor is not None and is_closed(descriptor)
