"""The lines to one client. A thread of their own writes them, so that a client that does not read holds up few others.

Above all it does not hold up the thread that reads: that has to notice the end of the input.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from ...runtime.concurrency import make_condition, start_native_thread
from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR, WARNING, ServerLog

__all__ = ["Output"]

# A message that may wait does so while more bytes than this are unwritten; guessed.
_FULL_BYTES: Final = 1024 * 1024

# The most unwritten bytes of messages that may not wait: a client that leaves more is given up; guessed.
_MOST_POSTED_BYTES: Final = 64 * 1024 * 1024


class Output:
    """Writes messages, in the order in which they were passed.

    Args:
        write: Writes a line; raises BrokenPipeError once nobody can read it. Only the thread of the output calls it.
        log: Gets the failures.
    """

    def __init__(self, write: Callable[[bytes], object], log: ServerLog) -> None:
        self._write = write
        self._log = log
        self._changed = make_condition()
        # Each with whether it was posted; guarded by _changed, as all below.
        self._lines: deque[tuple[bytes, bool]] = deque()
        self._unwritten_bytes = self._posted_bytes = 0
        self._waiting = self._written = 0
        self._is_over = self._is_lost = False

    def start(self) -> None:
        """Start the thread."""
        start_native_thread(self._run, name="mcp-output")

    @property
    def is_lost(self) -> bool:
        """Whether messages have been dropped, since the client does not read, or cannot any more."""
        return self._is_lost

    def send(self, message: bytes) -> None:
        """Write a message. Wait while the client does not read; drop the message once that is given up."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._is_over or self._unwritten_bytes < _FULL_BYTES)
            finally:
                self._waiting -= 1
            self._add(message, is_posted=False)

    def post(self, message: bytes) -> None:
        """Write a message without waiting. The client is given up if it leaves too many of these unread."""
        with self._changed:
            if self._posted_bytes > _MOST_POSTED_BYTES and not self._is_over:
                self._log.write(WARNING, "the client does not read its messages, and gets no more of them")
                self._give_up()
            self._add(message, is_posted=True)

    def finish(self, timeout_s: float) -> bool:
        """Wait until all messages have been written; give up once none has been for some seconds.

        Returns:
            Whether the client has got all messages.
        """
        with self._changed:
            while not self._is_over and (self._unwritten_bytes or self._waiting):
                if not self._progresses(timeout_s):
                    self._give_up()
            self._is_over = True
            self._changed.notify_all()
            return not self._is_lost

    def _progresses(self, timeout_s: float) -> bool:
        written = self._written
        return self._changed.wait_for(lambda: self._is_over or self._written != written, timeout_s)

    def _add(self, message: bytes, *, is_posted: bool) -> None:
        if self._is_over:
            return
        line = message.replace(b"\r", b"").replace(b"\n", b"") + b"\n"
        self._lines.append((line, is_posted))
        self._count(line, 1, is_posted=is_posted)
        self._changed.notify_all()

    def _count(self, line: bytes, sign: int, *, is_posted: bool) -> None:
        self._unwritten_bytes += sign * len(line)
        if is_posted:
            self._posted_bytes += sign * len(line)

    def _give_up(self) -> None:
        self._is_over = self._is_lost = True
        self._lines.clear()
        self._changed.notify_all()

    def _run(self) -> None:
        try:
            while (next_line := self._next()) is not None:
                line, is_posted = next_line
                self._write(line)
                with self._changed:
                    self._written += 1
                    self._count(line, -1, is_posted=is_posted)
                    self._changed.notify_all()
        except BrokenPipeError:  # the input, which the other thread reads, may end later
            self._log.write(WARNING, "the client has closed the standard output, and gets no more messages")
            with self._changed:
                self._give_up()
        except BaseException as exc:
            self._log.write(ERROR, "a message could not be written", traceback=True)
            with self._changed:
                self._give_up()
            if is_interrupt(exc):
                raise

    def _next(self) -> tuple[bytes, bool] | None:
        """Wait for the next line, and return it; None once there are no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._lines)
            return self._lines.popleft() if self._lines else None
