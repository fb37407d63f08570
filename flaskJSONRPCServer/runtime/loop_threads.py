"""The threads of an event loop: they run the functions of ``asyncio.to_thread``.

Why not asyncio's own executor: a function that hangs keeps its thread, holds up the functions of all other coroutines,
and keeps the program from ending. These threads are left behind at the deadline of the call, and end with the program.

This module is imported when a loop starts: :mod:`concurrent.futures` takes long to import.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .abandoning_pool import AbandoningPool
from .loop_call import LoopCall, current_call

__all__ = ["LoopExecutor", "LoopThreads", "awaitable_error"]

_LONGEST_S = 1e6  # as long as anything can wait


class LoopThreads:
    """Runs the functions of coroutines in a pool of threads.

    Args:
        pool: The pool.

    Attributes:
        ends_at: Until when a stop waits for the functions, on the monotonic clock.
    """

    def __init__(self, pool: AbandoningPool) -> None:
        self.ends_at = math.inf
        self._pool = pool

    def submit(self, function: Callable[[], object]) -> None:
        """Queue a function for the next free thread. Call this in the context of the coroutine that waits for it.

        Args:
            function: The function. It raises nothing.
        """
        self._pool.submit(LoopTask(function, current_call(), self._pool), is_bounded=False)

    def stop(self) -> int:
        """Wait for the functions until :attr:`ends_at`; return how many go on, and are left behind."""
        _, running = self._pool.stop(min(max(0.0, self.ends_at - time.monotonic()), _LONGEST_S))
        return len(running)


class LoopTask:
    """A function in a thread of the loop.

    Args:
        function: The function.
        call: The call of the coroutine that waits for it; None if it belongs to no call.
        pool: The pool that runs it.
    """

    counters = None  # it runs no dispatcher

    def __init__(self, function: Callable[[], object], call: LoopCall | None, pool: AbandoningPool) -> None:
        self._function = function
        self._call = call
        self._pool = pool

    def run(self) -> None:
        """Run the function."""
        if self._call is None:
            self._function()
            return
        with self._call.running_in_thread(self):
            self._function()

    def abandon(self) -> None:
        """Leave the function behind in its thread: the deadline of its call has passed."""
        self._pool.abandon(self)


class LoopExecutor(ThreadPoolExecutor):
    """Adapts the threads of a loop to :mod:`asyncio`, which takes no other class of executors.

    It starts no threads of its own.

    Args:
        threads: The threads of the loop.
    """

    def __init__(self, threads: LoopThreads) -> None:
        super().__init__(1)
        self._loop_threads = threads

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function in a thread of the loop."""
        future: Future[Any] = Future()
        self._loop_threads.submit(functools.partial(run_for, future, functools.partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the functions, as :meth:`LoopThreads.stop`."""
        if wait:
            self._loop_threads.stop()


def run_for(future: Future[Any], function: Callable[[], Any]) -> None:
    """Run a function, unless its future was cancelled, and set the outcome."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as exc:  # noqa: BLE001  it is raised where the future is awaited
        future.set_exception(awaitable_error(exc))
    else:
        future.set_result(result)
    finally:
        del future  # it holds the exception, whose traceback holds this frame


def awaitable_error(error: BaseException) -> BaseException:
    """Return an exception as a future takes it: a StopIteration would end the coroutine that awaits it."""
    return RuntimeError(f"the function raised {error!r}") if isinstance(error, StopIteration) else error
