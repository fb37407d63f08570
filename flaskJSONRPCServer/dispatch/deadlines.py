"""Deadlines of calls: when a call has to be answered, and the error if its result is not there by then.

A deadline is a reading of :func:`time.monotonic`, which is one clock for all processes of a machine. To another machine
travel the remaining seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal

from ..sansio_jsonrpc import JsonRpcError, JsonRpcException

__all__ = [
    "CALL_TIMED_OUT",
    "Work",
    "current_deadline",
    "deadline_error",
    "deadline_exception",
    "deadline_of",
    "earlier",
    "has_passed",
    "remaining_s",
    "within_deadline",
    "work_in",
    "work_of",
]

CALL_TIMED_OUT: Final = -32006
"""Error code of a call that took longer than its deadline, or its backend, allows. It may have done its work."""

Work = Literal["not started", "killed", "cancelled", "abandoned"]
"""The state of the work of a call whose deadline has passed.

``not started``: it was not run, and will not be. ``killed``: its process was killed. ``cancelled``: an exception was
raised inside it, and it has ended. ``abandoned``: nothing ends it, and it may still run; the result is dropped.
"""


_current: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within_deadline(deadline: float | None) -> Iterator[None]:
    """Make a deadline the :func:`current_deadline` in the block."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def current_deadline() -> float | None:
    """Return the deadline of the call that runs in this context on an exec backend; None without one."""
    return _current.get()


def deadline_of(arrived_at: float, timeout_s: float) -> float:
    """Return the deadline of a call. This is the only place that computes one.

    Args:
        arrived_at: When the request of the call arrived, on the monotonic clock.
        timeout_s: The timeout of the registration, in seconds.
    """
    return arrived_at + timeout_s


def earlier(deadline: float | None, other: float | None) -> float | None:
    """Return the earlier of two deadlines; None means that there is none."""
    if deadline is None or other is None:
        return other if deadline is None else deadline
    return min(deadline, other)


def remaining_s(deadline: float) -> float:
    """Return the seconds until a deadline; 0 if it has passed."""
    return max(0.0, deadline - time.monotonic())


def has_passed(deadline: float | None) -> bool:
    """Return whether there is a deadline, and it has passed."""
    return deadline is not None and time.monotonic() >= deadline


def work_of(answer: object) -> str | None:
    """Return what happened to the work of a call, if its answer is the error of a deadline; None for any other answer.

    Args:
        answer: ``(status, params, result)``, or what an exec backend of the user's has returned instead.
    """
    match answer:
        case [False, _, (JsonRpcError() | JsonRpcException()) as error]:
            return work_in(error)
    return None


def work_in(error: JsonRpcError | JsonRpcException) -> str | None:
    """Return what happened to the work of a call, from the error of its deadline; None for any other error."""
    try:
        is_late = error.code == CALL_TIMED_OUT and isinstance(error.data, Mapping)
        return error.data.get("work") if is_late else None
    except Exception:  # noqa: BLE001  a class of the user's may have properties that raise
        return None


def deadline_error(work: Work) -> JsonRpcError:
    """Return the error of a call whose deadline has passed."""
    return JsonRpcError(CALL_TIMED_OUT, "Deadline exceeded", {"work": work})


def deadline_exception(work: Work) -> JsonRpcException:
    """Return the exception of a call whose deadline has passed."""
    return JsonRpcException.exc_from_error(deadline_error(work))
