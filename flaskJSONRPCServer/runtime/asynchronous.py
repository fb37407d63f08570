"""A function in a native thread of its own, and the way of its result back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from .concurrency import (
    in_native_thread,
    is_patched,
    make_event,
    release_event_loop,
    spawn_in_hub,
    start_native_thread,
)

__all__ = ["AsyncCall", "call_async", "call_natively", "in_hub", "read_line"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class AsyncCall:
    """A call that runs elsewhere: in a native thread of its own.

    Args:
        target: What is called.
        args: By position.
        kwargs: By name.
        start: Starts something else than a native thread to run it.
    """

    def __init__(
        self,
        target: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        start: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._target = target
        self._args = args
        self._kwargs = kwargs
        self._done = make_event()
        self._result: Any = None
        self._error: BaseException | None = None
        if start is None:
            start_native_thread(self._run, name=f"callAsync-{target!r}")
        else:
            start(self._run)

    def check(self) -> tuple[bool, Any, BaseException | None]:
        """Return ``(done, result, error)``, at once."""
        return self._done.is_set(), self._result, self._error

    def wait(self, sleep: Callable[[float], object] | None = None, sleep_s: float = 0) -> Any:
        """Wait for the result.

        Args:
            sleep: Called with ``sleep_s`` again and again, instead of waiting for the end.
            sleep_s: In seconds.

        Raises:
            BaseException: What the function raised, with its traceback.
        """
        if sleep is None:
            self._done.wait()
        while not self._done.is_set():
            sleep(sleep_s)  # type: ignore[misc]  # waited for above without one
        try:
            if self._error is not None:
                raise self._error
            return self._result
        finally:
            self._error = None  # its traceback holds this frame, which holds it

    def _run(self) -> None:
        try:
            self._result = self._target(*self._args, **self._kwargs)
        except BaseException as exc:  # noqa: BLE001  it is the caller's, whatever it is
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
    """Run a function in a native thread: what the documented ``callAsync`` does."""
    if not callable(target):
        raise TypeError(f"{target!r} cannot be called; pass the function itself")
    call = AsyncCall(target, args or (), kwargs or {})
    return call.check if return_checker else call.wait(sleep, sleep_s)


def call_natively(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a function where it holds up no other request, and wait for it: here, unless this is a greenlet."""
    if not is_patched() or in_native_thread():
        return target(*args, **kwargs)
    return AsyncCall(target, args, kwargs).wait()


def in_hub(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function run where the server runs.

    Called in a native thread of a process that gevent has patched, it runs in a greenlet of the thread that serves.
    Only there can greenlets be started, and the locks be waited for that gevent has patched. Called anywhere else, it
    runs right there.
    """

    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if not in_native_thread():
            return function(*args, **kwargs)
        result: _R = AsyncCall(function, args, kwargs, spawn_in_hub).wait()
        return result

    return run


def read_line(prompt: str, *, force_native: bool) -> str:
    """Read a line from the console, as :func:`input`.

    Args:
        prompt: What is written before.
        force_native: Read in this thread. Otherwise, where gevent has patched the process, a native thread reads, and
            greenlets go on.

    Raises:
        EOFError: There is none.
    """
    if force_native or not is_patched():
        return input(prompt)
    line: str = AsyncCall(input, [prompt], {}).wait()
    return line
