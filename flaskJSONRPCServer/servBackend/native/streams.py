"""Answers that any thread sends part by part, and that occupy no thread in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR, ServerLog
from .messages import LAST_CHUNK, chunk

if TYPE_CHECKING:
    from .http_exchange import HttpExchange

__all__ = ["Stream", "StreamKeeper"]

_POLICIES = ("close", "drop")


class StreamKeeper(Protocol):
    """The part of a server that keeps the streams of its pages: its ``dispatch.streams.StreamRegistry``."""

    def keep(self, stream: Stream, head: dict[str, Any]) -> None:
        """Keep room for a stream, and close it when the server stops.

        Raises:
            ServiceUnavailable: There is no room.
        """

    def note_returned(self, stream: Stream) -> None:
        """Note that the page has returned. The stream is closed if the server is stopping."""

    def forget(self, stream: Stream) -> None:
        """Forget a stream that has ended."""


class Stream:
    """An open answer, as :meth:`~.http_exchange.HttpExchange.open_stream` returns it.

    Args:
        exchange: The request and its answer.
        is_chunked: Whether parts are framed as chunks.
        buffer_bytes: How many unsent bytes may wait for the client.
        when_full: ``"close"`` or ``"drop"``.
        on_close: Called once, when the stream has ended.
        status: The status of the answer.
        takes_large_parts: Whether a part may exceed the room in the buffer, as long as the parts before it do not.

    Attributes:
        status: As given.
        body_bytes: The size of the parts that have been sent, without their framing.
        keeper: What ends the stream when the server stops; None if the caller of ``open_channel`` does.

    Raises:
        ValueError: ``when_full`` is neither of the two.
    """

    def __init__(
        self,
        exchange: HttpExchange,
        *,
        is_chunked: bool,
        buffer_bytes: int,
        when_full: str,
        on_close: Callable[[], object] | None,
        status: str = "",
        takes_large_parts: bool = False,
    ) -> None:
        if when_full not in _POLICIES:
            raise ValueError(f"when_full={when_full!r} is refused: it takes 'close' or 'drop'")
        self._exchange: HttpExchange | None = exchange
        self._connection = exchange.connection
        self._is_chunked = is_chunked
        self._buffer_bytes = buffer_bytes
        self._when_full = when_full
        self._takes_large_parts = takes_large_parts
        self.status = status
        self.body_bytes = 0  # guarded by _lock
        self.keeper: StreamKeeper | None = None
        self._callbacks = [] if on_close is None else [on_close]  # guarded by _lock
        self._lock = threading.Lock()
        self._is_closed = False  # guarded by _lock
        self._has_returned = False  # guarded by _lock
        self._has_ended = False  # guarded by _lock

    @property
    def is_closed(self) -> bool:
        """Whether the stream accepts no more parts: the client has gone, or :meth:`close` was called."""
        return self._is_closed

    @property
    def has_run(self) -> bool:
        """Whether the application has returned from the call that opened the stream."""
        return self._has_returned

    @property
    def has_room(self) -> bool:
        """Whether less than half of the buffer is in use."""
        return self._connection.unsent_bytes < self._buffer_bytes // 2

    def send(self, data: bytes, *, is_last: bool = False) -> bool:
        """Send a part, without waiting for the client.

        Args:
            data: The part.
            is_last: Whether nothing follows, so that it needs no room: a whole answer would need none either.

        Returns:
            Whether the part will be sent. False if the stream is closed, or the buffer has no room for it: see
            :attr:`is_closed`.

        Raises:
            TypeError: The part is no bytes, bytearray or memoryview.
        """
        if type(data) is not bytes:
            data = copied(data)
        if not data:
            return not self._is_closed
        message = chunk(data) if self._is_chunked else data
        with self._lock:
            if self._is_closed:
                return False
            if is_last or self._has_room(len(message)):
                self.body_bytes += len(data)
                self._connection.send(message)
                return True
        if self._when_full == "close":
            self.abort()
        return False

    def abort(self) -> None:
        """End the connection, so that the client notices that the answer is incomplete.

        A closed stream stays as it is: its connection may be answering another request by now.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._connection.abort()
        self._end(keeps_alive=False)

    def add_close_callback(self, callback: Callable[[], object]) -> None:
        """Call a function in a thread of the pool once the stream has ended, or now if it has ended already."""
        with self._lock:
            if not self._has_ended:
                self._callbacks.append(callback)
                return
        self._submit(callback)

    def close(self) -> None:
        """End the answer. Parts that were sent before still reach the client."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            if self._is_chunked:
                self._connection.send(LAST_CHUNK)
        self._connection.lift_request_timeout()  # its view may go on working
        self._end(keeps_alive=True)

    def end_without_body(self) -> None:
        """Close the stream of an answer without a body, such as one to HEAD."""
        with self._lock:
            self._is_closed = True
        self._end(keeps_alive=True)

    def client_gone(self) -> None:
        """Close the stream because its client has gone. The connection calls this."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._end(keeps_alive=False)

    def application_returned(self) -> None:
        """Mark the return of the application from the call that opened the stream.

        From here on no work is under way, so ``request_timeout_s`` does not apply, and a stop closes the stream.
        """
        self._connection.lift_request_timeout()
        self._connection.drop_request_body()
        with self._lock:
            self._has_returned = True
            is_over = self._is_closed
        if is_over:
            self._release(keeps_alive=True)
        elif self.keeper is not None:
            self.keeper.note_returned(self)

    def finish(self) -> None:
        """Close the stream, since the server stops or restarts."""
        self.close()

    def break_off(self) -> None:
        """End the connection, since the server has stopped."""
        self.abort()

    def _has_room(self, part_bytes: int) -> bool:
        left_bytes = self._buffer_bytes - self._connection.unsent_bytes
        return left_bytes >= (0 if self._takes_large_parts else part_bytes)

    def _end(self, *, keeps_alive: bool) -> None:
        # Until the application has returned, its thread uses the request: application_returned() then releases it.
        with self._lock:
            has_returned, self._has_ended = self._has_returned, True
            callbacks, self._callbacks = self._callbacks, []
        if self.keeper is not None:
            self.keeper.forget(self)
        if has_returned:
            self._release(keeps_alive=keeps_alive)
        for callback in callbacks:
            self._submit(callback)

    def _submit(self, callback: Callable[[], object]) -> None:
        shared = self._connection.shared
        shared.callback_pool.submit(CallbackTask(callback, shared.log, shared.answering), is_bounded=False)

    def _release(self, *, keeps_alive: bool) -> None:
        with self._lock:
            exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._connection.stream = None
            exchange.finish(keeps_alive=keeps_alive and exchange.keeps_alive)


def copied(part: object) -> bytes:
    """Return a part that is not bytes as bytes, which the caller cannot change while they wait.

    Raises:
        TypeError: It is no bytearray or memoryview.
    """
    if isinstance(part, str):
        raise TypeError(f"send({part[:40]!r}) is refused: a part is bytes; send(text.encode()) sends text")
    if not isinstance(part, (bytes, bytearray, memoryview)):
        raise TypeError(f"send() takes bytes, and not {type(part).__name__!r}")
    return bytes(part)


class CallbackTask:
    """A callback of the user as a task of the thread pool, so that it cannot block the manager's thread."""

    def __init__(
        self, callback: Callable[[], object], log: ServerLog, answering: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._callback = callback
        self._log = log
        self._answering = answering

    def run(self) -> None:
        """Call the callback, and log its failure."""
        try:
            with self._answering():
                self._callback()
        except BaseException as exc:
            self._log.write(ERROR, "on_close of a stream raised", traceback=True)
            if is_interrupt(exc):
                raise
