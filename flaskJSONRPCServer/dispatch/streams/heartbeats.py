"""The heartbeats of the streams that occupy no thread: one thread sends all of them."""

from __future__ import annotations

import heapq
import itertools
import time
from typing import Any

from ...runtime.concurrency import make_condition, start_native_thread
from .open_stream import OpenStream

__all__ = ["Heartbeats"]


class Heartbeats:
    """Sends the heartbeats of streams. Its thread runs while there is a stream that has any.

    Args:
        name: The name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = make_condition()
        self._streams: set[OpenStream] = set()  # guarded by _changed, as all below
        self._due: list[tuple[float, int, OpenStream]] = []  # a heap
        self._numbers = itertools.count()  # of equal times, the first stream comes first
        self._thread: Any = None

    def add(self, stream: OpenStream) -> None:
        """Send the heartbeats of a stream from now on."""
        with self._changed:
            self._streams.add(stream)
            self._push(stream)
            if self._thread is None:
                self._thread = start_native_thread(self._beat, name=self._name)
            self._changed.notify_all()

    def discard(self, stream: OpenStream) -> None:
        """Send no more heartbeats of a stream."""
        with self._changed:
            if stream in self._streams:
                self._streams.discard(stream)
                self._changed.notify_all()

    def _push(self, stream: OpenStream) -> None:
        heapq.heappush(self._due, (stream.sent_at + stream.heartbeat_s, next(self._numbers), stream))

    def _beat(self) -> None:
        while (stream := self._next()) is not None:
            if stream.send(stream.heartbeat):  # otherwise it is closed, or about to be
                with self._changed:
                    if stream in self._streams:
                        self._push(stream)

    def _next(self) -> OpenStream | None:
        """Wait for the next stream that has been silent for its time and return it; None if there are no streams."""
        with self._changed:
            while self._streams:
                stream = self._take_due()
                if stream is not None:
                    return stream
                self._changed.wait(max(0.0, self._due[0][0] - time.monotonic()) if self._due else None)
            self._due.clear()
            self._thread = None
            return None

    def _take_due(self) -> OpenStream | None:
        """Return a stream that has been silent for its time; None if there is none yet."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, stream = heapq.heappop(self._due)
            if stream not in self._streams:
                continue
            if stream.sent_at + stream.heartbeat_s <= now:
                return stream
            self._push(stream)
        return None
