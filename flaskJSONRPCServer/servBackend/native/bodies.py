"""Answers of WSGI applications whose bodies come in parts (PEP 3333)."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR
from ..wsgi import close_body

if TYPE_CHECKING:
    from .exchange import HttpExchange

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
        """Send parts; returns whether it was the last one."""
        exchange = self._exchange
        if self._parts is None:
            self._parts = iter(self._body)
        while True:
            if exchange.connection.has_broken_off:
                return True
            part = next(self._parts, None)
            if self._frame is None:  # an application may call start_response as late as here
                self._frame = exchange.begin_body()
                part = b"".join([*exchange.written, part or b""]) if exchange.written else part
                if part is None:
                    return True
            elif part is None:
                return True
            if part and not exchange.connection.send(self._frame(part)):
                return False

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
