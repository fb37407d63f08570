"""A function in a native thread of its own, and the way of its result back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["AsyncCall", "call_async", "call_natively"]


class AsyncCall:
    """A call that runs in a thread of its own.

    Args:
        target: What is called.
        args: By position.
        kwargs: By name.
    """

    def __init__(self, target: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._target = target
        self._args = args
        self._kwargs = kwargs
        self._done = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name=f"callAsync-{target!r}", daemon=True).start()

    def check(self) -> tuple[bool, Any, BaseException | None]:
        """Return ``(done, result, error)``, at once."""
        return self._done.is_set(), self._result, self._error

    def wait(self, sleep: Callable[[float], object] | None, sleep_s: float) -> Any:
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
    """Run a function where it holds up no other request, and wait for it: here, which is a native thread."""
    return target(*args, **kwargs)
