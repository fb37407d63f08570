"""A coroutine on an event loop, as the threads see it that wait for its outcome."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Protocol

from .waitable import WaitableCall

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

__all__ = ["EventLoopEndedError", "LoopCall", "close_unused", "current_call"]

CallSoon = Callable[[Callable[[], object]], object]
"""Calls a function in the thread of the loop."""


# The call whose coroutine runs in this context. A weak reference: the call itself has the context.
_current: ContextVar[weakref.ref[LoopCall] | None] = ContextVar("loop_call", default=None)


class Abandonable(Protocol):
    """A function of a coroutine that runs in a thread."""

    def abandon(self) -> None:
        """Leave it behind there."""


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
        is_late: Whether its deadline has passed: the end of the loop does not wait for the coroutine.
        task: Its task, while it has one; used in the loop's thread only.
    """

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        super().__init__()
        self.context = copy_context()
        self.context.run(_current.set, weakref.ref(self))
        self.is_late = False
        self.task: Task[None] | None = None
        self._unbegun = [awaitable]  # emptied in one step by the thread that begins or drops it
        self._in_threads: set[Abandonable] = set()  # its functions that run in threads; each change is one step
        self._call_soon: CallSoon | None = None
        self._on_left: Callable[[], object]  # set with _call_soon
        self._is_ended_by_loop = False  # used in the loop's thread only

    @classmethod
    def finished(cls, result: Any) -> LoopCall:
        """Return a call that has a result already, and needs no loop."""
        call = cls.__new__(cls)
        WaitableCall.__init__(call)
        call._result, call._call_soon = result, None
        call._done.set()
        return call

    @property
    def is_awaited(self) -> bool:
        """Whether a client waits for the outcome."""
        return not (self.is_late or self._done.is_set())

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

    def leave(self) -> bool:
        """Leave the coroutine behind at its deadline: cancel it, or drop it if it has not begun.

        Its functions that run in threads are abandoned.

        Returns:
            Whether it has begun.
        """
        self.is_late = True
        if self._drop():
            return False
        for function in list(self._in_threads):
            function.abandon()
        self.cancel()
        if self._call_soon is not None:
            self._call_soon(self._on_left)
        return True

    @contextmanager
    def running_in_thread(self, function: Abandonable) -> Iterator[None]:
        """Note that a function of the coroutine runs in a thread during the block, and abandon it at the deadline."""
        self._in_threads.add(function)
        try:
            if self.is_late:
                function.abandon()
            yield
        finally:
            self._in_threads.discard(function)

    # The methods below are for the event loop.

    def accept(self, call_soon: CallSoon, on_left: Callable[[], object]) -> None:
        """Take the call for a loop, before it begins there.

        Args:
            call_soon: Calls a function in the thread of the loop.
            on_left: Called there when the coroutine has been left behind.
        """
        self._call_soon = call_soon
        self._on_left = on_left

    def begin(self, loop: AbstractEventLoop, on_end: Callable[[LoopCall], object]) -> None:
        """Begin the coroutine, in the thread of the loop and in :attr:`context`.

        Args:
            loop: The loop.
            on_end: Called with this call when the coroutine has ended.
        """
        running = self._run()
        try:
            self.task = loop.create_task(running)
            # A task that is cancelled before its first step runs no line of the coroutine: only a callback notices.
            self.task.add_done_callback(lambda task: self._finish(on_end))
        except BaseException as exc:  # noqa: BLE001  a task factory of the user's has failed
            running.close()
            self._error = exc
            self._finish(on_end)

    def end(self) -> None:
        """Cancel the coroutine because the loop ends, unless it was cancelled. Call this in the thread of the loop."""
        if not (self.is_late or self._is_ended_by_loop):
            self._is_ended_by_loop = True
            self._cancel()

    def fail(self) -> None:
        """Give the coroutine up: its loop has ended without it, or is blocked."""
        self._error = EventLoopEndedError("the event loop has ended without the coroutine")
        self._done.set()

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def _drop(self) -> bool:
        """Drop the coroutine if it has not begun; return whether it has not."""
        awaitable = self._take()
        if awaitable is not None:
            close_unused(awaitable)
        return awaitable is not None

    def _take(self) -> Awaitable[Any] | None:
        """Return the awaitable, to the first that asks: the loop begins it, and its caller drops it at the deadline."""
        try:
            return self._unbegun.pop()
        except IndexError:
            return None

    async def _run(self) -> None:
        # It raises nothing: KeyboardInterrupt and SystemExit of a task end the loop, not the task alone.
        try:
            if (awaitable := self._take()) is not None:
                self._result = await awaitable
        except BaseException as exc:  # noqa: BLE001  result() raises it in the caller
            self._error = exc

    def _finish(self, on_end: Callable[[LoopCall], object]) -> None:
        from asyncio import CancelledError

        self.task = None
        if self._drop() and self._error is None:  # cancelled before its first step
            self._error = CancelledError()
        if self._is_ended_by_loop and isinstance(self._error, CancelledError):
            self._error = EventLoopEndedError("the event loop has ended, and has cancelled the coroutine")
        on_end(self)
        self._done.set()


def current_call() -> LoopCall | None:
    """Return the call whose coroutine, or one of its tasks, runs in this context; None outside of calls."""
    reference = _current.get()
    return None if reference is None else reference()


def close_unused(awaitable: Any) -> None:
    """Close a coroutine that will not run: Python would warn that it was never awaited."""
    if hasattr(awaitable, "close"):
        awaitable.close()
