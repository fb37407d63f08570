"""Answers whose bodies come in parts, from any thread, such as streams of server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .response import Header, Response

__all__ = ["AnswerStream", "StreamedResponse"]


class AnswerStream(Protocol):
    """The open body of an answer. Any thread may use it."""

    @property
    def is_closed(self) -> bool:
        """Whether the client has gone, or the stream has been closed."""

    @property
    def has_room(self) -> bool:
        """Whether the client reads fast enough for parts that are not needed, such as reports of progress."""

    def send(self, data: bytes) -> bool:
        """Send a part, without waiting for the client.

        Returns:
            Whether the part will be sent. False if the stream is closed, or is closed now because its client reads too
            slowly.
        """

    def send_last(self, data: bytes) -> None:
        """Send a last part, for which there is always room, and end the answer."""

    def close(self) -> None:
        """End the answer. Parts that were sent before still reach the client. A second call does nothing."""

    def on_close(self, callback: Callable[[], object]) -> None:
        """Call a function once when the client has gone or the stream has been closed; at once if it has been.

        Any thread may call it, also that of :meth:`send` or :meth:`close`.
        """


class StreamedResponse(Response):
    r"""An answer whose body comes in parts.

    A built-in URL returns it. The answer to a HEAD request is its head alone; ``run`` is not called then.

    Args:
        status: The code and reason, such as ``200 OK``.
        headers: The pairs of name and value, without those that frame the body.
        run: Called once, when the head has been sent, in the context of the request. It may return before the stream is
            closed: the stream stays open until something closes it. If it raises, the exception is logged, and the
            answer breaks off.
        heartbeat: Sent whenever nothing else has been sent for ``heartbeat_s``, such as ``b":\n\n"``; empty for
            nothing.
        heartbeat_s: That time, in seconds.
        last_part: Returns what is sent before the end if the server stops or restarts while the stream is open, and
            its function has returned; None for nothing.
        ends_with_run: Whether ``run`` closes the stream before it returns. Then it needs no more than an answer without
            a stream, and ``max_streams`` does not count it.

    Attributes:
        run, heartbeat, heartbeat_s, last_part, ends_with_run: As given.
    """

    __slots__ = ("ends_with_run", "heartbeat", "heartbeat_s", "last_part", "run")

    def __init__(
        self,
        status: str,
        headers: list[Header],
        run: Callable[[AnswerStream], object],
        *,
        heartbeat: bytes = b"",
        heartbeat_s: float = 15.0,
        last_part: Callable[[], bytes] | None = None,
        ends_with_run: bool = False,
    ) -> None:
        super().__init__(status, headers)
        self.run = run
        self.heartbeat = heartbeat
        self.heartbeat_s = heartbeat_s
        self.last_part = last_part
        self.ends_with_run = ends_with_run
