"""The body of a request under pywsgi, read strictly and with a deadline."""

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
        length: The declared length, in bytes.

    Attributes:
        left: How many bytes are still to be read.
    """

    def __init__(self, source: io.BufferedReader[Any], length: int) -> None:
        self._source = source
        self.left = length

    @property
    def has_ended(self) -> bool:
        """Whether the whole body has been read, so that the next request may follow."""
        return not self.left

    def readable(self) -> bool:
        """Return True: the body can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer. Return how many; 0 at the end.

        Raises:
            ConnectionResetError: The connection ends before the body does.
        """
        if not self.left:
            return 0
        count = self._source.readinto1(memoryview(buffer)[: self.left])
        if not count:
            raise ConnectionResetError("the connection ended in the middle of the body")
        self.left -= count
        return count


class TimedBody(io.RawIOBase):
    """A body with a deadline. At the first read, it sends ``100 Continue`` to a client that waits for that.

    Args:
        raw: The bytes of the body; None if the request has no body.
        timeout_s: How long the body may take from now on, in seconds; None for no limit.
        client: The socket of the client.
        expects_continue: Whether the client waits for ``100 Continue``.
        on_complete: Called once, when the whole body has been read.

    Attributes:
        has_ended: Whether the whole body has been read.
        refused_status: The status of the refusal if the body is malformed or exceeds a limit; else None.
    """

    def __init__(
        self,
        raw: LengthBody | ChunkedBody | None,
        timeout_s: float | None,
        client: Any,
        *,
        expects_continue: bool,
        on_complete: Callable[[], object],
    ) -> None:
        self._raw = raw
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._socket = client
        self._expects_continue = expects_continue
        self._on_complete = on_complete
        self._is_broken = False  # whether the end of the body, and so the next request, can no longer be found
        self.has_ended = raw is None or raw.has_ended
        self.refused_status: str | None = None  # not the refusal itself, whose traceback refers to this object

    @property
    def awaits_continue(self) -> bool:
        """Whether the client still waits for ``100 Continue``, and may never send the body."""
        return self._expects_continue and not self.has_ended

    def readable(self) -> bool:
        """Return True: the body can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer. Return how many; 0 at the end.

        Raises:
            TimeoutError: The bytes do not come in time.
            OSError: The connection ends early.
            Refusal: The chunking is malformed or exceeds a limit. Or the body is complete, and too many requests wait.
        """
        if self.has_ended or self._raw is None:
            return 0
        try:
            self._send_continue()
            count = self._read(self._raw, buffer)
        except OSError:
            self._is_broken = True
            raise
        except Refusal as refusal:
            self._is_broken, self.refused_status = True, refusal.status
            raise
        self._check_end()
        return count

    def discard(self, max_bytes: int, timeout_s: float) -> bool:
        """Drain the rest of the body if it is small and comes soon. Return whether all of it has been read."""
        if (
            self._is_broken
            or self.awaits_continue
            or (isinstance(self._raw, LengthBody) and self._raw.left > max_bytes)
        ):
            return False
        self._on_complete = do_nothing
        self._deadline = time.monotonic() + timeout_s
        try:
            while not self.has_ended and max_bytes > 0:
                max_bytes -= len(self.read(16384))
        except (OSError, Refusal):
            return False
        return self.has_ended

    def _check_end(self) -> None:
        assert self._raw is not None  # noqa: S101  the body is being read
        if self._raw.has_ended:
            self.has_ended = True
            self._on_complete()

    def _send_continue(self) -> None:
        must_send, self._expects_continue = self._expects_continue, False
        if must_send:
            self._socket.sendall(CONTINUE)

    def _read(self, raw: LengthBody | ChunkedBody, buffer: Any) -> int:
        if self._deadline is None:
            return raw.readinto(buffer)
        timeout_s = max(0.001, self._deadline - time.monotonic())
        if isinstance(raw, LengthBody):
            return self._read_once(raw, buffer, timeout_s)
        with gevent.Timeout(timeout_s, TimeoutError):
            return raw.readinto(buffer)

    def _read_once(self, raw: LengthBody, buffer: Any, timeout_s: float) -> int:
        """Read once from the socket, under its own timeout, which starts no timer if bytes have come already."""
        silence_timeout_s = self._socket.gettimeout()
        self._socket.settimeout(timeout_s if silence_timeout_s is None else min(timeout_s, silence_timeout_s))
        try:
            return raw.readinto(buffer)
        finally:
            self._socket.settimeout(silence_timeout_s)


def do_nothing() -> None:
    """Do nothing."""
