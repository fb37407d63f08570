"""An asyncio event loop in a native thread of its own, from its start to its end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .abandoning_pool import AbandoningPool
from .concurrency import is_patched, make_event, make_lock, native, start_native_thread
from .loop_call import LoopCall

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event

    from .loop_threads import LoopThreads

__all__ = ["Report", "RunningLoop"]

# How long cancelled tasks, and functions in threads, may take to clean up, in seconds; guessed.
_CLEANUP_S = 2.0

# How much longer the thread of the loop may take to end, in seconds; guessed.
_JOIN_S = 1.0

# How long the loop may take to answer if only calls are left that nothing waits for, in seconds; guessed.
_ANSWER_S = 0.25

Report = Callable[[str, "BaseException | None"], None]
"""Logs a text, as an error if there is an exception."""


class RunningLoop:
    """One event loop and its thread, from its start to its end.

    Args:
        name: The name of the thread.
        report: Logs exceptions that no call raises to its caller.
        pool: Runs the functions of coroutines in threads.

    Attributes:
        has_failed: Whether the loop could not be made.
        ident: The native ident of the thread; None until it runs.
    """

    def __init__(self, name: str, report: Report, pool: AbandoningPool) -> None:
        self.has_failed = False
        self.ident: int | None = None
        self._pool = pool
        self._report = report
        self._lock = make_lock()
        self._calls: set[LoopCall] = set()  # accepted and not ended; guarded by _lock
        self._is_refusing = False  # guarded by _lock
        self._is_ending = False
        self._drain_s: float | None = 0.0
        self._loop: AbstractEventLoop  # set before _is_ready, as is _failure
        self._failure: BaseException | None = None
        self._threads: LoopThreads  # set with _loop
        self._drained: Event | None = None  # set in the loop's thread, when it begins to end
        self._is_ready = make_event()
        self._thread = start_native_thread(self._serve, name=name)

    @property
    def may_abandon(self) -> bool:
        """Whether the threads could leave another function behind, and others take its place."""
        return self._pool.may_abandon

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
        call.accept(self.call_soon, self._note_drained)
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
        """Ask the loop to end, and wait for its thread; return whether it has ended.

        If the loop does not answer, and nothing waits for the calls that are left, one of them blocks it.
        """
        self.request_end(drain_s)
        ends_at = time.monotonic() + min(drain_s + _CLEANUP_S + _JOIN_S, threading.TIMEOUT_MAX)
        while self._thread.is_alive() and (left_s := ends_at - time.monotonic()) > 0:
            self._thread.join(min(left_s, _ANSWER_S))
            if self._drained is None and self._unfinished() and not self._awaited():
                break
        return not self._thread.is_alive()

    def end_calls(self) -> None:
        """Cancel all calls, each once. Call this in the thread of the loop."""
        for call in self._unfinished():
            call.end()

    def fail_calls(self) -> None:
        """Give up all calls, whether or not their coroutines will end."""
        for call in self._unfinished():
            call.fail()

    def _unfinished(self) -> list[LoopCall]:
        with self._lock:
            return list(self._calls)

    def _awaited(self) -> list[LoopCall]:
        """Return the calls that a client waits for."""
        return [call for call in self._unfinished() if call.is_awaited]

    def _forget(self, call: LoopCall) -> None:
        with self._lock:
            self._calls.discard(call)
        self._note_drained()

    def _note_drained(self) -> None:
        if self._drained is not None and not self._awaited():
            self._drained.set()

    def _serve(self) -> None:
        self.ident = native("_thread", "get_ident")()
        try:
            self._loop, self._threads = make_loop(self._pool)
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
        from asyncio import Task

        task = Task(coroutine, loop=self._loop)  # not by create_task: a task factory of the user's may fail
        task.add_done_callback(lambda _: self._loop.stop())
        while not task.done():
            self._run_loop()

    async def _finish(self) -> None:
        await self._drain()
        self.end_calls()
        await self._cancel_tasks()
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
        if left := self._threads.stop():
            self._report(f"{left} functions in threads of the event loop go on, and are left behind", None)

    async def _drain(self) -> None:
        import asyncio

        if self._drain_s is not None:
            self._threads.ends_at = time.monotonic() + self._drain_s + _CLEANUP_S
        self._drained = asyncio.Event()
        if self._awaited():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._drained.wait(), self._drain_s)

    async def _cancel_tasks(self) -> None:
        import asyncio

        ends_at = self._loop.time() + _CLEANUP_S
        late = {call.task for call in self._unfinished() if call.is_late}
        cancelled: set[Any] = {call.task for call in self._unfinished()}
        while tasks := asyncio.all_tasks() - {asyncio.current_task()} - late:  # clean-up may start further ones
            seconds_left = ends_at - self._loop.time()
            if seconds_left <= 0:
                break
            for task in tasks - cancelled:
                task.cancel()
            cancelled |= tasks
            await asyncio.wait(tasks, timeout=seconds_left)
        if dropped := len(asyncio.all_tasks()) - 1:
            self._report(f"{dropped} tasks go on after their cancellation, and are dropped", None)

    def _handle_exception(self, loop: AbstractEventLoop, context: dict[str, Any]) -> None:
        self._report(f"event loop: {context.get('message')}", context.get("exception"))


def make_loop(pool: AbandoningPool) -> tuple[AbstractEventLoop, LoopThreads]:
    """Return a new event loop for the calling thread, and the threads that run the functions of its coroutines."""
    from .loop_threads import LoopExecutor, LoopThreads

    threads = LoopThreads(pool)
    if is_patched():
        from .native_loop import NativeEventLoop

        return NativeEventLoop(threads), threads
    import asyncio

    loop = asyncio.new_event_loop()
    loop.set_default_executor(LoopExecutor(threads))
    return loop, threads
