"""The body of a request under pywsgi: read strictly, and within a time."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import gevent

from ..http.refusals import Refusal
from .native.messages import CONTINUE
from .pywsgi_reader import ChunkedBody

__all__ = ["LengthBody", "TimedBody"]


class LengthBody(io.RawIOBase):
    """The bytes of a body with a declared length.

    Args:
        source: The connection, at the beginning of the body.
        length: How many bytes it has.
    """

    def __init__(self, source: io.BufferedReader[Any], length: int) -> None:
        self._source = source
        self.left = length

    @property
    def has_ended(self) -> bool:
        """Whether all of it has been read, so that the next request may follow."""
        return not self.left

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; 0 at the end.

        Raises:
            ConnectionResetError: The connection ends before the body does.
        """
        if not self.left:
            return 0
        read = self._source.readinto1(memoryview(buffer)[: self.left])
        if not read:
            raise ConnectionResetError("the connection ended in the middle of the body")
        self.left -= read
        return read


class TimedBody(io.RawIOBase):
    """A body that has to be there within a time. It asks a client that waits for that to send it.

    Args:
        raw: Its bytes; None where the request has no body.
        timeout_s: How long it may take from now on, in seconds; None for no limit.
        client: The socket that they come from.
        waits_for_100: Whether the client waits to be asked for the body.
        on_complete: Called once, when all of it has been read.

    Attributes:
        has_ended: Whether all of it has been read.
        refused_status: The status of the refusal of a body that is malformed or over a limit; else None.
    """

    def __init__(
        self,
        raw: LengthBody | ChunkedBody | None,
        timeout_s: float | None,
        client: Any,
        *,
        waits_for_100: bool,
        on_complete: Callable[[], object],
    ) -> None:
        self._raw = raw
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._socket = client
        self._waits_for_100 = waits_for_100
        self._on_complete = on_complete
        self._is_broken = False  # whether nothing of the rest can be told from the next request any more
        self.has_ended = raw is None or raw.has_ended
        self.refused_status: str | None = None  # not the refusal, whose traceback refers to this object

    @property
    def is_awaited(self) -> bool:
        """Whether the client has been left waiting for 100, and may never send the body."""
        return self._waits_for_100 and not self.has_ended

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; 0 at the end.

        Raises:
            TimeoutError: They do not come in time.
            OSError: The connection ends early.
            Refusal: The chunking is malformed, or over a limit. Or it is complete, and too many requests wait.
        """
        if self.has_ended or self._raw is None:
            return 0
        try:
            self._send_continue()
            read = self._read(self._raw, buffer)
        except OSError:
            self._is_broken = True
            raise
        except Refusal as refusal:
            self._is_broken, self.refused_status = True, refusal.status
            raise
        self._note_end()
        return read

    def discard(self, most_bytes: int, timeout_s: float) -> bool:
        """Read the rest, if it is small and comes soon. Return whether that is done."""
        if self._is_broken or self.is_awaited or (isinstance(self._raw, LengthBody) and self._raw.left > most_bytes):
            return False
        self._on_complete = nothing
        self._deadline = time.monotonic() + timeout_s
        try:
            while not self.has_ended and most_bytes > 0:
                most_bytes -= len(self.read(16384))
        except (OSError, Refusal):
            return False
        return self.has_ended

    def _note_end(self) -> None:
        assert self._raw is not None  # noqa: S101  it is being read
        if self._raw.has_ended:
            self.has_ended = True
            self._on_complete()

    def _send_continue(self) -> None:
        waits, self._waits_for_100 = self._waits_for_100, False
        if waits:
            self._socket.sendall(CONTINUE)

    def _read(self, raw: LengthBody | ChunkedBody, buffer: Any) -> int:
        if self._deadline is None:
            return raw.readinto(buffer)
        left = max(0.001, self._deadline - time.monotonic())
        if isinstance(raw, LengthBody):
            return self._read_once(raw, buffer, left)
        with gevent.Timeout(left, TimeoutError):
            return raw.readinto(buffer)

    def _read_once(self, raw: LengthBody, buffer: Any, left_s: float) -> int:
        """Read by one look at the socket: its own timeout will do, which sets up no clock where the bytes are there."""
        of_silence = self._socket.gettimeout()
        self._socket.settimeout(left_s if of_silence is None else min(left_s, of_silence))
        try:
            return raw.readinto(buffer)
        finally:
            self._socket.settimeout(of_silence)


def nothing() -> None:
    """Do nothing."""
