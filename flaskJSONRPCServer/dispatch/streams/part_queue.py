"""The parts of a stream, on their way from any thread to the one that sends them."""

from __future__ import annotations

import errno
from collections.abc import Callable

from ...runtime.concurrency import make_condition
from .open_stream import BUFFER_BYTES

__all__ = ["PartQueue"]


class PartQueue:
    """Collects the parts of a stream until they are sent: a :class:`~.open_stream.Channel`.

    Args:
        on_full: Called when a part finds no room.
    """

    def __init__(self, on_full: Callable[[], object]) -> None:
        self._on_full = on_full
        self._changed = make_condition()
        self._parts: list[bytes] = []  # guarded by _changed, as all below
        self._waiting_bytes = 0
        self._has_ended = False
        self._is_broken = False

    @property
    def has_room(self) -> bool:
        """As :attr:`.open_stream.Channel.has_room`."""
        return self._waiting_bytes < BUFFER_BYTES // 2

    def send(self, data: bytes, *, is_last: bool = False) -> bool:
        """Add a part. Return False if the stream has ended, or too many bytes wait already; the last part has room."""
        with self._changed:
            if self._has_ended or self._is_broken:
                return False
            has_room = is_last or self._waiting_bytes <= BUFFER_BYTES
            if has_room:
                self._parts.append(data)
                self._waiting_bytes += len(data)
                self._changed.notify_all()
            else:
                self._parts.clear()  # a client that is so slow would keep the thread that sends them
        if not has_room:
            self._on_full()
        return has_room

    def close(self) -> None:
        """End the stream after the parts that have been added."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Break the stream off."""
        with self._changed:
            self._is_broken = True
            self._changed.notify_all()

    def next_parts(self, timeout_s: float) -> bytes:
        """Wait for parts, and return all of them joined; nothing if there is none in time.

        Raises:
            StopIteration: The stream has ended, and all parts have been returned.
            ConnectionResetError: So has one that broke off: the client must not take its answer for complete.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._parts or self._has_ended or self._is_broken, timeout_s)
            if not self._parts:
                self._check_end()
            joined = b"".join(self._parts)
            self._parts.clear()
            self._waiting_bytes = 0
            return joined

    def _check_end(self) -> None:
        if self._is_broken:  # with a number that serving programs know, and so log no traceback
            raise ConnectionResetError(errno.ECONNRESET, "the stream broke off")
        if self._has_ended:
            raise StopIteration
