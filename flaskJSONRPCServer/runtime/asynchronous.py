"""Run a function in a native thread of its own and get its result."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from .concurrency import (
    in_native_thread,
    is_patched,
    release_event_loop,
    spawn_in_hub,
    start_native_thread,
)
from .waitable import WaitableCall

__all__ = ["AsyncCall", "call_async", "call_natively", "in_hub", "read_line"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class AsyncCall(WaitableCall):
    """A call that runs in a native thread of its own.

    Args:
        target: The function to call.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        start: Starts the call by other means than a native thread.
    """

    def __init__(
        self,
        target: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        start: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        super().__init__()
        self._target = target
        self._args = args
        self._kwargs = kwargs
        if start is None:
            start_native_thread(self._run, name=f"callAsync-{target!r}")
        else:
            start(self._run)

    def check(self) -> tuple[bool, Any, BaseException | None]:
        """Return ``(done, result, error)`` without waiting."""
        return self._done.is_set(), self._result, self._error

    def wait(self, sleep: Callable[[float], object] | None = None, sleep_s: float = 0) -> Any:
        """Wait for the result.

        Args:
            sleep: Called with ``sleep_s`` until the call ends, instead of a blocking wait.
            sleep_s: In seconds.

        Raises:
            BaseException: The exception that the function raised, with its traceback.
        """
        if sleep is None:
            self._done.wait()
        while not self._done.is_set():
            sleep(sleep_s)  # type: ignore[misc]  # waited for above without one
        return self._outcome()

    def _run(self) -> None:
        try:
            self._result = self._target(*self._args, **self._kwargs)
        except BaseException as exc:  # noqa: BLE001  wait() raises it in the caller
            self._error = exc
        finally:
            release_event_loop()
            self._done.set()


def call_async(
    target: Callable[..., Any],
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    *,
    sleep: Callable[[float], object] | None,
    sleep_s: float,
    return_checker: bool,
) -> Any:
    """Run a function in a native thread; implements the documented ``callAsync``."""
    if not callable(target):
        raise TypeError(f"{target!r} cannot be called; pass the function itself")
    call = AsyncCall(target, args or (), kwargs or {})
    return call.check if return_checker else call.wait(sleep, sleep_s)


def call_natively(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a function in a native thread if this is a greenlet, else in this thread, and return its result.

    It never blocks the other greenlets.
    """
    if not is_patched() or in_native_thread():
        return target(*args, **kwargs)
    return AsyncCall(target, args, kwargs).wait()


def in_hub(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a function to run in the hub of the thread that serves.

    If a native thread of a patched process calls the function, it runs in a greenlet of the serving thread: only there
    can greenlets be started, and patched locks be waited for. Any other caller runs it directly.
    """

    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if not in_native_thread():
            return function(*args, **kwargs)
        result: _R = AsyncCall(function, args, kwargs, spawn_in_hub).wait()
        return result

    return run


def read_line(prompt: str, *, force_native: bool) -> str:
    """Read a line from the console, as :func:`input` does.

    Args:
        prompt: Written before the input.
        force_native: Read in this thread. Otherwise, if gevent has patched the process, a native thread reads, and the
            greenlets keep running.

    Raises:
        EOFError: The input has ended.
    """
    if force_native or not is_patched():
        return input(prompt)
    line: str = AsyncCall(input, [prompt], {}).wait()
    return line
