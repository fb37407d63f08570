"""An asyncio event loop for a native thread of a process that gevent has patched.

gevent replaces the selectors, so that :mod:`asyncio` would wait in a hub, and :mod:`threading`, so that the threads of
``asyncio.to_thread`` would be greenlets of a thread that never switches to them. This loop has a native selector and a
pool of native threads. gevent's sockets work on it as they are, because asyncio never lets a socket block.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from .concurrency import native, release_event_loop
from .loop_threads import LoopThreads, awaitable_error

__all__ = ["NativeEventLoop"]


class NativeEventLoop(asyncio.SelectorEventLoop):
    """An event loop without greenlets.

    Args:
        threads: Its threads.
    """

    def __init__(self, threads: LoopThreads) -> None:
        super().__init__(native("selectors", "DefaultSelector")())
        self._loop_threads = threads
        self._is_stopped = False

    def run_in_executor(  # type: ignore[override]  # its types need syntax of Python 3.11
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Run a function in a native thread; an executor of the user's runs it as with any loop."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        if self._is_stopped:
            raise RuntimeError("the event loop ends, and runs no more functions in threads")
        function = ThreadFunction(self, func, args)
        self._loop_threads.submit(function)
        return function.future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the functions in threads, as :meth:`~.loop_threads.LoopThreads.stop`."""
        self._is_stopped = True
        self._loop_threads.stop()


class ThreadFunction:
    """A function for a thread of the loop.

    Args:
        loop: The loop.
        function: The function.
        args: Its arguments.

    Attributes:
        future: Its result.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()
        self._loop = loop
        self._function = function
        self._args = args

    def __call__(self) -> None:
        """Run the function, unless its future was cancelled, and pass its outcome to the loop."""
        if self.future.cancelled():
            return
        result, error = None, None
        try:
            result = self._function(*self._args)
        except BaseException as exc:  # noqa: BLE001  it is raised where the future is awaited
            error = exc
        release_event_loop()  # not at the end of the thread, which the end of the process may overtake
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(settle, self.future, result, error)


def settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    """Set the outcome of a future, unless it was cancelled."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(awaitable_error(error))
