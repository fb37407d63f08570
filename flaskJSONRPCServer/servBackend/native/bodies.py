"""Answers of WSGI applications whose bodies come in parts (PEP 3333)."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR
from ..wsgi import close_body

if TYPE_CHECKING:
    from .exchange import HttpExchange

# How long a stream may send nothing to a client that has ended its side; guessed.
SILENCE_S = 2.0

__all__ = ["DeclaredBody", "IterableBody", "nothing"]


class IterableBody:
    """Sends the body that a WSGI application returned as an iterable: as fast as the client takes it.

    It holds a thread only while the application computes. While the client is slow, the thread is free.

    Args:
        exchange: The request and its answer.
        body: What the application returned.
        context: The context variables that it runs with.
    """

    def __init__(self, exchange: HttpExchange, body: Iterable[bytes], context: contextvars.Context) -> None:
        self._exchange = exchange
        self._body = body
        self._parts: Iterator[bytes] | None = None
        self._context = context
        self._frame: Callable[[bytes], bytes] | None = None
        self._silent_since: float | None = None

    @classmethod
    def continuing(cls, begun: IterableBody) -> IterableBody:
        """Return the rest as a task of its own, since the one that has begun has not ended yet."""
        rest = cls(begun._exchange, begun._body, begun._context)
        rest._parts, rest._frame = begun._parts, begun._frame
        return rest

    def run(self) -> None:
        """Send parts until the client is slower, or there are no more."""
        try:
            is_done = self._context.run(self._send_parts)
            if is_done:
                self._close()
                self._exchange.end_body(self._frame or bytes)
        except BaseException as exc:
            self._exchange.break_off()
            self._close_quietly()
            if is_interrupt(exc):
                raise
            return
        if not is_done:  # only now: another thread may continue at once, and a context is entered by one
            self._exchange.connection.when_drained(IterableBody.continuing(self))

    def _send_parts(self) -> bool:
        """Send parts until the client is slower; return whether there are no more."""
        if self._parts is None:
            self._parts = iter(self._body)
        while not self._exchange.connection.has_broken_off:
            part = next(self._parts, None)
            if self._frame is None:  # an application may call start_response as late as here
                part = self._begin(part)
            if part is None or self._frame is nothing:
                return True
            if not self._send_part(part):
                return False
        return True

    def _begin(self, part: bytes | None) -> bytes | None:
        """Send the head, and return the first part, with what was written before it."""
        self._frame = self._exchange.begin_body()
        written = self._exchange.written
        return b"".join([*written, part or b""]) if written else part

    def _send_part(self, part: bytes) -> bool:
        """Send a part; return whether the client has room for more."""
        if part and self._frame is not None:
            self._silent_since = None
            return self._exchange.connection.send(self._frame(part))
        if self._is_unheard():
            self._exchange.connection.abort()
        return True

    def _is_unheard(self) -> bool:
        """Return whether the client has ended its side and nothing has been sent to it for a while.

        Only what is sent tells a client that is gone from one that reads on, and an empty part sends nothing.
        """
        if not self._exchange.connection.has_ended:
            return False
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        return now - self._silent_since >= SILENCE_S

    def _close(self) -> None:
        body, self._body = self._body, ()  # closed once, even where that raises (PEP 3333)
        self._context.run(close_body, body)

    def _close_quietly(self) -> None:
        """Close after a failure that has been logged."""
        try:
            self._close()
        except Exception:  # noqa: BLE001  the user's own; the thread goes on
            self._exchange.connection.server.log.write(ERROR, "closing an answer failed", traceback=True)


class DeclaredBody:
    """Frames the parts of a body of declared length: as they are.

    Args:
        length: The length.

    Attributes:
        left_bytes: How many bytes are left to be sent.
    """

    def __init__(self, length: int) -> None:
        self.left_bytes = length

    def __call__(self, part: bytes) -> bytes:
        """Frame a part.

        Raises:
            ValueError: It does not fit: the client would take the rest for its next answer.
        """
        self.left_bytes -= len(part)
        if self.left_bytes < 0:
            raise ValueError("the application returned more bytes than its Content-Length")
        return part


def nothing(part: bytes) -> bytes:
    """Frame a part of a body that is not sent."""
    return b""
