"""A coroutine on an event loop, as the threads see it that wait for its outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from .waitable import WaitableCall

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

__all__ = ["EventLoopEndedError", "LoopCall", "close_unused"]

CallSoon = Callable[[Callable[[], object]], object]
"""Calls a function in the thread of the loop."""


class EventLoopEndedError(RuntimeError):
    """The event loop has ended before the coroutine has."""


class LoopCall(WaitableCall):
    """A coroutine on an event loop, and its outcome once there is one.

    The coroutine runs in a copy of the context variables of the thread that makes this object. Any thread, and any
    greenlet, may wait for it.

    Args:
        awaitable: The coroutine, or another awaitable.

    Attributes:
        context: The context variables.
    """

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        super().__init__()
        self.context = copy_context()
        self._awaitable: Awaitable[Any] | None = awaitable
        self._call_soon: CallSoon | None = None
        self._task: Task[None] | None = None  # used in the loop's thread only
        self._is_ended_by_loop = False  # used in the loop's thread only

    @classmethod
    def finished(cls, result: Any) -> LoopCall:
        """Return a call that has a result already, and needs no loop."""
        call = cls.__new__(cls)
        WaitableCall.__init__(call)
        call._result, call._call_soon = result, None
        call._done.set()
        return call

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait up to ``timeout_s`` seconds for the end; return whether the coroutine has ended."""
        return self._done.wait(timeout_s)

    def result(self) -> Any:
        """Wait for the end, and return the result. Call this once: the exception is dropped afterwards.

        If the wait is interrupted, as by a signal handler or by the end of the greenlet, the coroutine is cancelled.

        Raises:
            EventLoopEndedError: The loop has ended, and has cancelled the coroutine.
            BaseException: The exception of the coroutine, with its traceback.
        """
        try:
            self._done.wait()
        except BaseException:
            self.cancel()
            raise
        return self._outcome()

    def cancel(self) -> None:
        """Cancel the coroutine, unless it has ended. Returns at once; the coroutine may catch the CancelledError."""
        if self._call_soon is not None and not self._done.is_set():
            self._call_soon(self._cancel)

    # The methods below are for the event loop.

    def accept(self, call_soon: CallSoon) -> None:
        """Take the call for a loop, before it begins there."""
        self._call_soon = call_soon

    def begin(self, loop: AbstractEventLoop, on_end: Callable[[LoopCall], object]) -> None:
        """Begin the coroutine, in the thread of the loop and in :attr:`context`.

        Args:
            loop: The loop.
            on_end: Called with this call when the coroutine has ended.
        """
        self._task = loop.create_task(self._run())
        # A task that is cancelled before its first step runs no line of the coroutine: only a callback notices.
        self._task.add_done_callback(lambda task: self._finish(on_end))

    def end(self) -> None:
        """Cancel the coroutine because the loop ends. Call this in the thread of the loop."""
        self._is_ended_by_loop = True
        self._cancel()

    def fail(self) -> None:
        """Give the coroutine up: its loop has ended without it, or is blocked."""
        self._error = EventLoopEndedError("the event loop has ended without the coroutine")
        self._done.set()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        # It raises nothing: KeyboardInterrupt and SystemExit of a task end the loop, not the task alone.
        awaitable, self._awaitable = self._awaitable, None
        try:
            self._result = await awaitable  # type: ignore[misc]  # it runs once
        except BaseException as exc:  # noqa: BLE001  result() raises it in the caller
            self._error = exc

    def _finish(self, on_end: Callable[[LoopCall], object]) -> None:
        from asyncio import CancelledError

        self._task = None
        if self._awaitable is not None:  # cancelled before its first step
            close_unused(self._awaitable)
            self._awaitable, self._error = None, CancelledError()
        if self._is_ended_by_loop and isinstance(self._error, CancelledError):
            self._error = EventLoopEndedError("the event loop has ended, and has cancelled the coroutine")
        on_end(self)
        self._done.set()


def close_unused(awaitable: Any) -> None:
    """Close a coroutine that will not run: Python would warn that it was never awaited."""
    if hasattr(awaitable, "close"):
        awaitable.close()
