"""One asyncio event loop for a server, in a native thread of its own.

The first call starts the thread. All coroutines of a server share the loop, so a client pool that one call opens serves
the next ones too. The threads and greenlets that answer requests wait for the coroutines.

:mod:`asyncio` is imported when the loop starts: importing it takes longer than importing this package.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from .abandoning_pool import AbandoningPool
from .concurrency import make_lock, native
from .logs import ERROR, WARNING, ServerLog
from .loop_call import EventLoopEndedError, LoopCall, close_unused
from .running_loop import RunningLoop
from .stats import Stats

__all__ = ["EventLoopEndedError", "EventLoopThread", "LoopCall"]

# As many as in the default executor of asyncio.
_MAX_THREADS = min(32, (os.cpu_count() or 1) + 4)


class EventLoopThread:
    """The event loop of one server. A call starts it, also after a stop.

    Args:
        name: The name of the thread.
        log: The log for exceptions that no call raises to its caller.
        stats: Counts the functions in threads that go on after the deadlines of their calls.
        max_abandoned: Returns the most of these functions whose places others take.
    """

    def __init__(
        self, name: str, log: ServerLog, stats: Stats, max_abandoned: Callable[[], int] = lambda: sys.maxsize
    ) -> None:
        self._name = name
        self._log = log
        self._stats = stats
        self._max_abandoned = max_abandoned
        self._changing = make_lock()
        self._running: RunningLoop | None = None  # guarded by _changing
        self._finalizer: Any = None  # guarded by _changing
        self._stops_at_exit = False  # guarded by _changing
        _all.add(self)

    @property
    def is_running(self) -> bool:
        """Whether there is a loop."""
        return self._running is not None

    @property
    def is_current_thread(self) -> bool:
        """Whether the calling thread is the one of the loop."""
        running = self._running
        return running is not None and running.ident == native("_thread", "get_ident")()

    def submit(self, awaitable: Awaitable[Any]) -> LoopCall:
        """Begin a coroutine on the loop, with the context variables of the calling thread.

        Raises:
            RuntimeError: The calling thread is the loop's, or the loop cannot start.
        """
        try:
            if self.is_current_thread:
                raise RuntimeError("a coroutine is waited for in the thread of its own event loop; await it instead")
            call = LoopCall(awaitable)
            while not self._started().accept(call):
                pass  # it ends: the next one takes the call
            return call
        except BaseException:
            close_unused(awaitable)
            raise

    @property
    def may_abandon(self) -> bool:
        """Whether the threads of the loop could leave another function behind, and others take its place."""
        running = self._running
        return running is None or running.may_abandon

    def cancel_calls(self) -> None:
        """Cancel the coroutines of all calls, which then fail with EventLoopEndedError. The loop goes on."""
        running = self._running
        if running is not None:
            running.call_soon(running.end_calls)

    def fail_calls(self) -> None:
        """Fail all calls with EventLoopEndedError, whether or not their coroutines end. The loop goes on."""
        running = self._running
        if running is not None:
            running.fail_calls()

    def stop(self, timeout_s: float) -> None:
        """End the loop and its thread: wait for its calls, then cancel all tasks that are left.

        If a coroutine blocks the thread, the thread is left behind, and its calls fail. Functions in threads that last
        longer are left behind too. Nothing waits for the calls whose deadlines have passed.

        Args:
            timeout_s: How long to wait for the calls, in seconds.
        """
        running = self._take()
        if running is not None and not running.end(timeout_s):
            running.fail_calls()
            what = "something blocks the end of the event loop, whose thread is left behind:"
            self._log.write(WARNING, what, self._name)

    def retire(self) -> None:
        """End the loop after its calls, without waiting for them. A later call starts another loop."""
        running = self._take()
        if running is not None:
            running.request_end(None)

    def abandon(self) -> None:
        """Drop the loop in a forked process, which does not have its thread."""
        self._changing = make_lock()
        self._running = None
        if self._finalizer is not None:
            self._finalizer.detach()

    def _started(self) -> RunningLoop:
        running = self._running
        if running is None or running.has_failed:
            with self._changing:
                running = self._running
                if running is None or running.has_failed:
                    running = self._start()
        return running

    def _start(self) -> RunningLoop:
        # The thread must keep neither this object nor the server alive: both end with their last reference.
        report = weakref.WeakMethod(self._report)
        pool = AbandoningPool(
            _MAX_THREADS, 0, f"{self._name}-threads", stats=self._stats, max_abandoned=self._max_abandoned()
        )
        running = RunningLoop(self._name, lambda *args: (write := report()) and write(*args), pool)
        if self._finalizer is not None:
            self._finalizer.detach()
        self._finalizer = weakref.finalize(self, running.request_end, 0.0)
        self._finalizer.atexit = False
        if not self._stops_at_exit:
            self._stops_at_exit = True
            atexit.register(stop_at_exit, weakref.ref(self))
        self._running = running
        return running

    def _take(self) -> RunningLoop | None:
        with self._changing:
            running, self._running = self._running, None
        if running is not None:
            running.refuse_calls()
        return running

    def _report(self, text: str, exc: BaseException | None) -> None:
        if exc is None:
            self._log.write(WARNING, text)
            return
        try:
            raise exc
        except BaseException:  # noqa: BLE001  raised here, so that it is logged with its traceback
            self._log.write(ERROR, text, traceback=True)
        finally:
            del exc  # its traceback holds this frame


def stop_at_exit(reference: weakref.ref[EventLoopThread]) -> None:
    """Stop the loop of a server that still exists: the exit handler must not keep it alive."""
    if (event_loop := reference()) is not None:
        event_loop.stop(0)


_all: weakref.WeakSet[EventLoopThread] = weakref.WeakSet()


def abandon_all() -> None:
    """Drop all loops in a forked process."""
    for event_loop in list(_all):
        event_loop.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=abandon_all)
