"""Coroutine functions as dispatchers: they run on the event loop of the server, and the calling thread waits."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from ..contract.layers import attribute_of, choices_of, layers_of
from ..runtime.event_loop import EventLoopEndedError, EventLoopThread, LoopCall
from ..runtime.stats import Stats
from .call_control import current_call
from .deadlines import Work, current_deadline, deadline_exception, has_passed, remaining_s
from .remote import WORKER_LOST
from .submission import server_exception

__all__ = ["CoroutineCaller", "Coroutines", "is_asynchronous"]

Function = Callable[..., Any]


class Coroutines:
    """Makes the callers of routes: see :attr:`~.routes.Route.caller`.

    Args:
        event_loop: The event loop of the server.
        stats: Counts the calls.
    """

    def __init__(self, event_loop: EventLoopThread, stats: Stats) -> None:
        self._event_loop = event_loop
        self._stats = stats

    def caller_of(self, function: Function) -> Function:
        """Return the function itself, or for a coroutine function a callable that waits for its result."""
        return CoroutineCaller(function, self._event_loop, self._stats) if is_asynchronous(function) else function


class CoroutineCaller:
    """Calls a coroutine function, and waits for its result.

    The function itself is called in the calling thread: if a decorator runs the coroutine to its end, with
    ``asyncio.run()``, it must not find a running loop. Only what it returns is awaited on the loop.

    Args:
        function: The coroutine function, or one that decorates it.
        event_loop: The event loop of the server.
        stats: Counts the calls.
    """

    __slots__ = ("_event_loop", "_function", "_stats")

    def __init__(self, function: Function, event_loop: EventLoopThread, stats: Stats) -> None:
        self._function = function
        self._event_loop = event_loop
        self._stats = stats

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in the context of a call, and return its result.

        Raises:
            JsonRpcException: The server has stopped in the middle of the coroutine, or the deadline of the call has
                passed: the coroutine is cancelled then.
            BaseException: The exception of the function.
        """
        try:
            call, deadline = self.begin(*args, **kwargs), current_deadline()
            if (control := current_call()) is not None:
                control.on_cancel(call.cancel)
            if deadline is None or call.wait(remaining_s(deadline)):
                return call.result()
            raise deadline_exception(leave(call))
        except EventLoopEndedError as exc:
            raise server_exception(WORKER_LOST, "The server has stopped in the call") from exc

    @property
    def may_abandon(self) -> bool:
        """Whether the threads of the loop could leave another function behind, and others take its place."""
        return self._event_loop.may_abandon

    def begin(self, *args: Any, **kwargs: Any) -> LoopCall:
        """Call the function in the context of a call, and return the coroutine that runs on the loop."""
        awaitable = self._function(*args, **kwargs)
        if not inspect.isawaitable(awaitable):  # a decorator has run the coroutine
            if has_passed(current_deadline()):
                raise deadline_exception("abandoned")
            return LoopCall.finished(awaitable)
        self._stats.mark_waiting()
        return self._event_loop.submit(awaitable)


def leave(call: LoopCall) -> Work:
    """End the coroutine of a call at its deadline, and return what has happened to its work.

    If the coroutine goes on after its cancellation, this waits for it, in the thread that the backend then abandons: so
    the call counts until the coroutine ends, as that of a function which goes on in its thread.

    Raises:
        BaseException: The coroutine ended with another exception. No client hears of it, but the log.
    """
    from asyncio import CancelledError

    if not call.leave():
        return "not started"
    with contextlib.suppress(CancelledError):
        call.result()
    return "cancelled"


def is_asynchronous(function: Function) -> bool:
    """Return whether a callable is a coroutine function, or decorates one."""
    return any(map(inspect.iscoroutinefunction, callables_in(function)))


def callables_in(function: Function) -> Iterator[Any]:
    """Yield the callables of which one is a coroutine function if a callable is asynchronous."""
    for layer in layers_of(function):
        yield layer
        yield attribute_of(type(layer), "__call__")  # a decorator may be an object, with its function below it
        yield from choices_of(layer)
