"""The controls of a running call: its progress, answers to its questions, and cancellation.

A protocol that offers these makes one :class:`CallControl` for a call and puts it on the exchange of the call. Plain
JSON-RPC has none of them, so its calls have no control.

On an exec backend the control itself stays behind. Its id and the answers travel in the data of the call, as plain
values. In the same process the id finds the control again; in another one
:class:`~.remote_control.RemoteControl` takes its place.
"""

from __future__ import annotations

import math
import os
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any, Final

from ..runtime.concurrency import make_lock, make_reentrant_lock
from ..runtime.interrupts import is_interrupt
from ..runtime.text import encodable, safe_repr, short_repr
from ..sansio_jsonrpc import JsonRpcError, JsonRpcException, JsonRpcSerializationError
from .deadlines import Work

__all__ = [
    "CALL_CANCELLED",
    "CONTROL",
    "CallControl",
    "Log",
    "PlainControl",
    "Report",
    "cancelled_error",
    "cancelled_exception",
    "check_progress",
    "control_of",
    "current_call",
    "find_control",
]

CALL_CANCELLED: Final = -32009
"""Error code of a call that its caller has cancelled. It may have done its work."""

CONTROL: Final = "control"
"""The key of a call's control in its data, if it has one: a dict with its ``id``, its ``answers``, and ``log``."""

Report = Callable[[float, float | None, str | None], object]
"""Takes the progress of a call: how much is done, how much there is in total, and a message."""

Log = Callable[[str, Any, str | None], object]
"""Takes a log message of a call for its caller: the level, the data as a JSON value, and the name of the logger."""

_current: ContextVar[CallControl | None] = ContextVar("call_control", default=None)


class CallControl:
    """The exchange of one call with its caller, while the call runs.

    Any thread may use it.

    Args:
        report: Takes each progress; None if the caller wants none. It must neither block nor raise: the answers of
            other calls may wait behind it.
        answers: The answers to what the call has asked its caller before, by key, as JSON values. None: the caller
            cannot be asked.
        control_id: The id of the control that this one takes the place of; empty for a new one.
        log: Takes the log messages for the caller, as ``report`` takes progress; None if the caller wants none.

    Attributes:
        answers: As above.
        grant: What the access token of the caller allows; None without tokens, and in another process.
    """

    grant: Any = None

    # Class-level defaults: most calls never change them, and each assignment in __init__ would cost every call.
    _id = ""
    _report: Report | None = None
    _log: Log | None = None
    _reporting: Any = None
    _last = -math.inf  # guarded by _reporting
    _has_ended = False  # written under each of the locks in turn
    _changing: Any
    _is_cancelled = False  # guarded by _changing, read without it
    _callbacks: tuple[Callable[[], object], ...] = ()  # guarded by _changing

    def __init__(
        self,
        report: Report | None = None,
        answers: Mapping[str, Any] | None = None,
        *,
        control_id: str = "",
        log: Log | None = None,
    ) -> None:
        if control_id:
            self._id = control_id
        self.answers = answers
        if report is not None or log is not None:  # most callers want neither, and these lines take time
            self._report = report
            self._log = log
            self._pid = os.getpid()
            self._reporting = make_reentrant_lock()  # so that reports keep their order, and none comes after the end
        self._changing = make_lock()

    def report(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Report the progress of the call. It is dropped if ``done`` does not increase, and after the end of the call.

        Args:
            done: How much is done, in any unit.
            total: How much there is in total, in the same unit; None if that is not known.
            message: What the call does now; None for nothing. Lone surrogates are escaped.

        Raises:
            TypeError: ``done`` or ``total`` is no number, or ``message`` no string.
            ValueError: ``done`` or ``total`` is not finite.
        """
        check_progress(done, total, message)
        if self._report is None or self._pid != os.getpid():  # a forked process must not write to the caller
            return
        with self._reporting:
            if done > self._last and not self._has_ended:
                self._last = done
                self._report(done, total, None if message is None else encodable(message))

    def log(self, level: str, data: Any, logger: str | None = None) -> None:
        """Send a log message to the caller. It is dropped after the end of the call, and in a forked process.

        Args:
            level: How severe it is.
            data: A JSON value. The ``repr()`` of any other value is sent instead; if that raises, its class.
            logger: The name of the logger; None for none.
        """
        if self._log is None or self._pid != os.getpid():
            return
        with self._reporting:
            if self._has_ended:
                return
            logger = None if logger is None else encodable(logger)
            try:
                self._log(level, data, logger)
            except JsonRpcSerializationError:
                self._log(level, encodable(safe_repr(data)), logger)

    @property
    def id(self) -> str:
        """The id of the call. It cannot be guessed."""
        if not self._id:  # calls in the serving thread need none
            self._id = uuid.uuid4().hex
        return self._id

    @property
    def is_cancelled(self) -> bool:
        """Whether the caller has cancelled the call, or has left, before the call ended."""
        return self._is_cancelled

    @property
    def has_ended(self) -> bool:
        """Whether the call has its answer."""
        return self._has_ended

    def cancel(self) -> None:
        """Cancel the call, unless it has ended: it does not begin, or ends where that is possible.

        With the exec backend ``celery``, this waits for its broker.
        """
        with self._changing:
            if self._has_ended or self._is_cancelled:
                return
            self._is_cancelled = True
            callbacks, self._callbacks = self._callbacks, ()
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Call a function once the call is cancelled, in the thread that cancels it; at once if it is already.

        Args:
            callback: The function. It must not raise.
        """
        with self._changing:
            if not self._is_cancelled:
                if not self._has_ended:
                    self._callbacks = (*self._callbacks, callback)
                return
        callback()

    def refuse_cancelled(self) -> None:
        """Check that the call may begin.

        Raises:
            JsonRpcException: -32009: it is cancelled.
        """
        if self._is_cancelled:
            raise cancelled_exception("not started")

    def end(self) -> None:
        """Note that the call has its answer: no progress is reported any more, and nothing cancels it."""
        if self._reporting is not None:
            with self._reporting:  # no report comes after it
                self._has_ended = True
        with self._changing:
            self._has_ended = True
            self._callbacks = ()

    def as_data(self) -> dict[str, Any]:
        """Return the control as plain values, for the data of the call; :func:`control_of` finds it by them."""
        _controls[self.id] = self
        return {"id": self.id, "answers": self.answers, "log": self._log is not None}

    def run(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call the function of the call, and return its result. Meanwhile this is the :func:`current_call`.

        Raises:
            JsonRpcException: -32009: the call was cancelled before the function, or within it.
        """
        if self._is_cancelled:
            raise cancelled_exception("not started")
        token = _current.set(self)
        try:
            result = function(*args, **kwargs) if kwargs else function(*args)
        except BaseException as exc:
            if not self._is_cancelled or is_interrupt(exc):
                raise
            raise cancelled_exception("cancelled") from exc
        finally:
            _current.reset(token)
        if self._is_cancelled:
            raise cancelled_exception("abandoned")
        return result


class PlainControl(CallControl):
    """The control of a call whose caller gets the answer alone: it takes neither reports nor log messages.

    It has no lock, since making and taking one takes longer than many a call's function. So only the thread that serves
    the request may cancel it, and only if no other thread calls :meth:`on_cancel`.

    Args:
        answers: As with :class:`CallControl`.
    """

    _changing = nullcontext()

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers

    def end(self) -> None:
        """See :meth:`CallControl.end`."""
        self._has_ended = True
        if self._callbacks:
            self._callbacks = ()


_controls: weakref.WeakValueDictionary[str, CallControl] = weakref.WeakValueDictionary()


def current_call() -> CallControl | None:
    """Return the control of the call whose function runs in this context; None if the call has none."""
    return _current.get()


def find_control(control_id: str) -> CallControl | None:
    """Return the control with an id in this process; None if there is none any more."""
    return _controls.get(control_id)


def control_of(data: Mapping[str, Any]) -> CallControl | None:
    """Return the control of a call from its data; None if the call has none.

    In another process than its caller's, it has the answers only.
    """
    values = data.get(CONTROL)
    if values is None:
        return None
    return find_control(values["id"]) or CallControl(answers=values["answers"], control_id=values["id"])


def check_progress(done: Any, total: Any = None, message: Any = None) -> None:
    """Check the values of a progress.

    Raises:
        TypeError, ValueError: As with :meth:`CallControl.report`.
    """
    check_amount("done", done)
    if total is not None:
        check_amount("total", total)
    if message is not None and not isinstance(message, str):
        raise TypeError(f"message={short_repr(message)} is refused: progress takes a string, or None")


def check_amount(name: str, value: Any) -> None:
    """Check that a value is a finite number.

    Raises:
        TypeError: It is no int or float.
        ValueError: It is not finite, or no float can hold it.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}={short_repr(value)} is refused: progress takes numbers")
    try:
        is_finite = math.isfinite(value)
    except OverflowError:
        is_finite = False
    if not is_finite:
        raise ValueError(f"{name}={short_repr(value)} is refused: progress takes finite numbers")


def cancelled_error(work: Work) -> JsonRpcError:
    """Return the error of a call that its caller has cancelled.

    Args:
        work: What happened to its work, as at a deadline.
    """
    return JsonRpcError(CALL_CANCELLED, "Call cancelled", {"work": work})


def cancelled_exception(work: Work) -> JsonRpcException:
    """Return the exception of a call that its caller has cancelled."""
    return JsonRpcException.exc_from_error(cancelled_error(work))
