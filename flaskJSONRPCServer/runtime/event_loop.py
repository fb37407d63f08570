"""One asyncio event loop for a server, in a native thread of its own.

The first call starts the thread. All coroutines of a server share the loop, so a client pool that one call opens serves
the next ones too. The threads and greenlets that answer requests wait for the coroutines.

:mod:`asyncio` is imported when the loop starts: importing it takes longer than importing this package.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .concurrency import is_patched, make_event, make_lock, native, start_native_thread
from .logs import ERROR, WARNING, ServerLog
from .loop_call import EventLoopEndedError, LoopCall, close_unused

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event

__all__ = ["EventLoopEndedError", "EventLoopThread", "LoopCall"]

# How long cancelled tasks may take to clean up, in seconds; guessed.
_CLEANUP_S = 2.0

# How much longer the thread of the loop may take to end, in seconds; guessed.
_JOIN_S = 1.0

Report = Callable[[str, "BaseException | None"], None]
"""Logs a text, as an error if there is an exception."""


class EventLoopThread:
    """The event loop of one server. A call starts it, also after a stop.

    Args:
        name: The name of the thread.
        log: The log for exceptions that no call raises to its caller.
    """

    def __init__(self, name: str, log: ServerLog) -> None:
        self._name = name
        self._log = log
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

    def cancel_calls(self) -> None:
        """Cancel the coroutines of all calls, which then fail with EventLoopEndedError. The loop goes on."""
        running = self._running
        if running is not None:
            running.call_soon(running.end_calls)

    def stop(self, timeout_s: float) -> None:
        """End the loop and its thread: wait for its calls, then cancel all tasks that are left.

        If a coroutine blocks the thread, or a function in a thread of the loop's executor lasts longer, the thread is
        left behind, and its calls fail.

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
        running = RunningLoop(self._name, lambda *args: (write := report()) and write(*args))
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


class RunningLoop:
    """One event loop and its thread, from its start to its end.

    Args:
        name: The name of the thread.
        report: Logs exceptions that no call raises to its caller.

    Attributes:
        has_failed: Whether the loop could not be made.
        ident: The native ident of the thread; None until it runs.
    """

    def __init__(self, name: str, report: Report) -> None:
        self.has_failed = False
        self.ident: int | None = None
        self._name = name
        self._report = report
        self._lock = make_lock()
        self._calls: set[LoopCall] = set()  # accepted and not ended; guarded by _lock
        self._is_refusing = False  # guarded by _lock
        self._is_ending = False
        self._drain_s: float | None = 0.0
        self._loop: AbstractEventLoop  # set before _is_ready, as is _failure
        self._failure: BaseException | None = None
        self._drained: Event | None = None  # used in the loop's thread only
        self._is_ready = make_event()
        self._thread = start_native_thread(self._serve, name=name)

    def accept(self, call: LoopCall) -> bool:
        """Begin a call; return False if the loop ends.

        Raises:
            RuntimeError: The loop could not be made.
        """
        self._is_ready.wait()
        if self._failure is not None:
            raise RuntimeError("the event loop cannot start") from self._failure
        with self._lock:
            if self._is_refusing:
                return False
            self._calls.add(call)
        call.accept(self.call_soon)
        self.call_soon(lambda: call.begin(self._loop, self._forget), call.context)
        return True

    def call_soon(self, function: Callable[[], object], context: Any = None) -> None:
        """Call a function in the thread of the loop, unless the loop has ended."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(function, context=context)

    def refuse_calls(self) -> None:
        """Accept no more calls."""
        with self._lock:
            self._is_refusing = True

    def request_end(self, drain_s: float | None) -> None:
        """Ask the loop to end. A finalizer calls this, so it takes no lock.

        Args:
            drain_s: How long to wait for the calls, in seconds; None for as long as they last.
        """
        self._drain_s = drain_s
        self._is_ending = True
        if self._is_ready.is_set() and self._failure is None:
            self.call_soon(self._loop.stop)

    def end(self, drain_s: float) -> bool:
        """Ask the loop to end, and wait for its thread; return whether it has ended."""
        self.request_end(drain_s)
        self._thread.join(min(drain_s + _CLEANUP_S + _JOIN_S, threading.TIMEOUT_MAX))
        return not self._thread.is_alive()

    def end_calls(self) -> None:
        """Cancel all calls. Call this in the thread of the loop."""
        for call in self._unfinished():
            call.end()

    def fail_calls(self) -> None:
        """Give up all calls: their coroutines will not end."""
        for call in self._unfinished():
            call.fail()

    def _unfinished(self) -> list[LoopCall]:
        with self._lock:
            return list(self._calls)

    def _forget(self, call: LoopCall) -> None:
        with self._lock:
            self._calls.discard(call)
            is_drained = not self._calls
        if is_drained and self._drained is not None:
            self._drained.set()

    def _serve(self) -> None:
        self.ident = native("_thread", "get_ident")()
        try:
            self._loop = make_loop(self._name)
        except BaseException as exc:  # noqa: BLE001  such as no descriptor being left; accept() raises it
            self._failure, self.has_failed = exc, True
            return
        finally:
            self._is_ready.set()
        self._loop.set_exception_handler(self._handle_exception)
        try:
            while not self._is_ending:
                self._run_loop()
            self._complete(self._finish())
        finally:
            self._loop.close()
            self.fail_calls()

    def _run_loop(self) -> None:
        try:
            self._loop.run_forever()
        except BaseException as exc:  # noqa: BLE001  KeyboardInterrupt and SystemExit, which asyncio raises here
            with contextlib.suppress(Exception):  # of a _logger of the user's
                self._report(f"the event loop goes on after {type(exc).__name__} in a task or a callback", None)

    def _complete(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end, as ``run_until_complete``, whatever other tasks raise."""
        task = self._loop.create_task(coroutine)
        task.add_done_callback(lambda _: self._loop.stop())
        while not task.done():
            self._run_loop()

    async def _finish(self) -> None:
        await self._drain()
        self.end_calls()
        await self._cancel_tasks()
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()

    async def _drain(self) -> None:
        import asyncio

        self._drained = asyncio.Event()
        if self._unfinished():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._drained.wait(), self._drain_s)

    async def _cancel_tasks(self) -> None:
        import asyncio

        ends_at = self._loop.time() + _CLEANUP_S
        cancelled: set[Any] = set()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:  # clean-up may start further ones
            seconds_left = ends_at - self._loop.time()
            if seconds_left <= 0:
                self._report(f"{len(tasks)} tasks go on after their cancellation, and are dropped", None)
                return
            for task in tasks - cancelled:
                task.cancel()
            cancelled |= tasks
            await asyncio.wait(tasks, timeout=seconds_left)

    def _handle_exception(self, loop: AbstractEventLoop, context: dict[str, Any]) -> None:
        self._report(f"event loop: {context.get('message')}", context.get("exception"))


def make_loop(name: str) -> AbstractEventLoop:
    """Return a new event loop for the calling thread."""
    if is_patched():
        from .native_loop import NativeEventLoop

        return NativeEventLoop(name)
    import asyncio

    return asyncio.new_event_loop()


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
