"""Bodies that a WSGI application returns in parts (PEP 3333)."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR
from ...runtime.text import short_repr
from ..wsgi import close_body

if TYPE_CHECKING:
    from .http_exchange import HttpExchange

# How long an iterable may send nothing to a client that has ended its side, in seconds; guessed.
SILENCE_S = 2.0

_END = object()  # no part: an application may return anything, None too

__all__ = ["IterableBody", "no_body", "part_bytes", "whole_body"]


class IterableBody:
    """Sends the body that a WSGI application returned as an iterable, at the pace of the client.

    It occupies a thread only while the application computes. While the client is slow, the thread is free.

    Args:
        exchange: The request and its answer.
        body: The iterable that the application returned.
        context: The context variables of the application.
    """

    def __init__(self, exchange: HttpExchange, body: Iterable[bytes], context: contextvars.Context) -> None:
        self._exchange = exchange
        self._body = body
        self._parts: Iterator[bytes] | None = None
        self._context = context
        self._frame: Callable[[bytes], bytes] | None = None
        self._silent_since: float | None = None

    @classmethod
    def continuation_of(cls, body: IterableBody) -> IterableBody:
        """Return a new task that sends the rest, since the current one has not ended yet."""
        rest = cls(body._exchange, body._body, body._context)
        rest._parts, rest._frame = body._parts, body._frame
        return rest

    def run(self) -> None:
        """Send parts until the client falls behind, or there are no more."""
        try:
            is_done = self._context.run(self._send_parts)
            if is_done:
                self._close()
                self._exchange.end_body(self._frame or bytes)
        except BaseException as exc:
            self._exchange.fail()
            self._close_quietly()
            if is_interrupt(exc):
                raise
            return
        if not is_done:  # only now: another thread may continue at once, and only one at a time can enter a context
            self._exchange.connection.run_when_drained(IterableBody.continuation_of(self))

    def _send_parts(self) -> bool:
        """Send parts until the client falls behind. Return whether the last one has been sent."""
        if self._parts is None:
            self._parts = iter(self._body)
        while not self._exchange.connection.is_broken:
            part: Any = next(self._parts, _END)
            is_last = part is _END
            data = b"" if is_last else part_bytes(part)
            if self._frame is None:
                data = self._begin(data, is_last=is_last)
            if self._frame is no_body:
                return True
            has_room = self._send_part(data)
            if is_last:
                return True
            if not has_room:
                return False
        return True

    def _begin(self, data: bytes, *, is_last: bool) -> bytes:
        """Send the head with the first bytes, or at the end. Return these, with what was written before them.

        An application may call start_response as late as its first part, and again until the first bytes (PEP 3333).
        """
        data = b"".join([*self._exchange.written, data])
        if data or is_last or self._exchange.has_sent_head:
            self._frame = self._exchange.begin_body()
        return data

    def _send_part(self, data: bytes) -> bool:
        """Send a part; return whether the client has room for more."""
        if data and self._frame is not None:
            self._silent_since = None
            return self._exchange.connection.send(self._frame(data))
        if self._client_is_silent():
            self._exchange.connection.abort()
        return True

    def _client_is_silent(self) -> bool:
        """Return whether the client has ended its side, and nothing has been sent to it for :data:`SILENCE_S`.

        Only a send tells a client that has gone from one that still reads, and an empty part sends nothing.
        """
        if not self._exchange.connection.has_ended:
            return False
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        return now - self._silent_since >= SILENCE_S

    def _close(self) -> None:
        body, self._body = self._body, ()  # closed once, even if that raises (PEP 3333)
        self._context.run(close_body, body)

    def _close_quietly(self) -> None:
        """Close the body after a failure that has been logged."""
        try:
            self._close()
        except Exception:  # noqa: BLE001  code of the user; the thread goes on
            self._exchange.connection.shared.log.write(ERROR, "closing an answer failed", traceback=True)


def whole_body(body: Iterable[Any]) -> bytes:
    """Return a body that the application returned as a list, and close it if it is of a class that wants that.

    Raises:
        TypeError: As :func:`part_bytes`.
    """
    try:
        return b"".join([part if type(part) is bytes else part_bytes(part) for part in body])
    finally:
        close_body(body)


def part_bytes(part: Any) -> bytes:
    """Return a part of a body as bytes, whose length is the number of bytes to send and which nobody can change.

    Raises:
        TypeError: It is no bytes, bytearray or memoryview. An int would be sent as that many NULs.
    """
    if isinstance(part, (bytes, bytearray, memoryview)):
        return bytes(part)
    raise TypeError(f"the application returned {short_repr(part)} as a part of its body; a part is bytes (PEP 3333)")


def no_body(part: bytes) -> bytes:
    """Return no bytes for a part: the answer has no body."""
    return b""
