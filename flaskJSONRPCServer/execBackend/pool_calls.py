"""The calls of the pools of threads, and the waits for their answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dispatch.call_control import cancelled_error
from ..dispatch.deadlines import Work, deadline_error, has_passed, remaining_s, work_of
from ..dispatch.exec_backend import CallAnswer
from ..dispatch.remote import WORKER_LOST
from ..runtime.abandoning_pool import AbandoningPool
from ..runtime.concurrency import current_greenlet, make_event, throw_into
from ..runtime.counters import ThreadCounters
from ..runtime.interrupts import is_interrupt
from ..runtime.stats import Stats
from ..runtime.thread_pool import ThreadPool
from ..sansio_jsonrpc import JsonRpcError
from .base import stopped_error

__all__ = ["CANCEL_S", "Controlled", "ControlledCall", "ControlledTimedCall", "ThreadedCall", "TimedCall"]

# How long after its deadline a call may still answer itself: one that notices its deadline, such as where it waits for
# a lock, knows best what happened to it. Guessed; an answer may be 50 ms late.
_GRACE_S = 0.02

# How long after its deadline a greenlet or a coroutine may take to end, once an exception was raised in it; guessed.
CANCEL_S = 0.02

_LEAST_S = 0.001  # so that an exception reaches its greenlet in any case


class ThreadedCall:
    """A call in the pool, and its answer once it has one.

    Args:
        run: Runs the call and returns its answer.
        is_notification: Whether the call is a notification: nothing waits for its answer.
    """

    def __init__(self, run: Callable[[], CallAnswer], *, is_notification: bool) -> None:
        self.is_notification = is_notification
        self._run = run
        self._done = make_event()
        self._answer: CallAnswer = False, {}, None

    def run(self) -> None:
        """Run the call and store its answer.

        Raises:
            BaseException: A signal interrupted the call, to end the program.
        """
        try:
            self._answer = self._run()
        except BaseException as exc:  # the exception belongs to the thread that waits for the answer
            if is_interrupt(exc):
                self._answer = False, {}, JsonRpcError(WORKER_LOST, "The program was interrupted in the call")
                raise
            self._answer = False, {}, exc
        finally:
            self._end()

    def _end(self) -> None:
        self._done.set()

    def drop(self) -> None:
        """Answer the call with the error that it was not run."""
        self._answer = False, {}, stopped_error()
        self._done.set()

    def wait(self) -> CallAnswer:
        """Wait for the answer and return it."""
        self._done.wait()
        return self._answer


class TimedCall(ThreadedCall):
    """A call with a deadline: its answer comes then, whether or not it has ended.

    Args:
        run: Runs the call and returns its answer.
        is_notification: Whether the call is a notification.
        deadline: When it has to be answered, on the monotonic clock.
        pool: The pool that runs it.
        stats: Counts it.
        on_lost: Called if it is a notification, and expires before it begins.
        can_cancel: Whether its greenlet may be ended at the deadline.
        grace_s: How long after its deadline it may still say what has happened to its work, in seconds; None for hardly
            any time.
        late_work: What has happened to its work if it ends in that time, and does not say it.
        expired_work: What has happened to its work if its deadline passes while it waits for a thread.

    Attributes:
        counters: The counters of the thread that runs it; None before it has begun.
    """

    def __init__(
        self,
        run: Callable[[], CallAnswer],
        *,
        is_notification: bool,
        deadline: float,
        pool: AbandoningPool,
        stats: Stats,
        on_lost: Callable[[], object],
        can_cancel: bool = True,
        grace_s: float | None = None,
        late_work: Work = "abandoned",
        expired_work: Work = "not started",
    ) -> None:
        super().__init__(run, is_notification=is_notification)
        self.counters: ThreadCounters | None = None
        self._deadline = deadline
        self._pool = pool
        self._stats = stats
        self._on_lost = on_lost
        self._can_cancel = can_cancel
        self._grace_s = _GRACE_S if grace_s is None else grace_s
        self._late_work = late_work
        self._expired_work = expired_work
        self._greenlet: Any = None

    def run(self) -> None:
        """Run the call, unless it has expired while it waited for a thread."""
        if has_passed(self._deadline):
            self._expire()
            return
        self._greenlet = current_greenlet() if self._can_cancel else None
        self.counters = self._stats.thread_counters()
        super().run()

    def wait(self) -> CallAnswer:
        """Wait for the answer until the deadline, and return it, or the error that says how far the call has come."""
        if not self._done.wait(remaining_s(self._deadline)):
            if self._pool.withdraw(self):
                self._expire()
            elif not self._has_ended_late() and self._pool.abandon(self):
                return late_answer("abandoned")
        if work_of(self._answer) == "abandoned":  # it has ended just now; it counts all the same
            self._stats.abandon(self)
            self._stats.end_abandoned(self)
        return self._answer

    def _has_ended_late(self) -> bool:
        """Cancel the call if that is possible, and wait a moment for its end; return whether it has ended."""
        grace_s = self._grace_s
        if self._greenlet is not None:
            throw_into(self._greenlet, self._may_cancel)
            grace_s = CANCEL_S
        # Not so long for each: the thread may wait for a whole batch, and be late itself.
        return self._done.wait(max(_LEAST_S, remaining_s(self._deadline + grace_s)))

    def _may_cancel(self) -> bool:
        """Return whether the call still runs; an exception is raised in it then."""
        if not self._done.is_set():
            self._late_work = "cancelled"
        return not self._done.is_set()

    def _end(self) -> None:
        try:
            if has_passed(self._deadline) and work_of(self._answer) is None:
                self._answer = late_answer(self._late_work)  # in place of a result that comes too late
        finally:
            super()._end()

    def _expire(self) -> None:
        self._answer = late_answer(self._expired_work)
        if self.is_notification:
            self._on_lost()
        self._done.set()


class Controlled(ThreadedCall):
    """A call that its caller may cancel. Nothing ends a thread, but the wait for its answer ends at once.

    Args:
        arguments: Those of the other class of the call.
        options: Those of the other class of the call.
    """

    _pool: ThreadPool
    _can_cancel: bool
    _grace_s: float
    _greenlet: Any
    _expired_work: Work = "not started"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._released = make_event()  # set at its end, and when it is cancelled

    def cancel(self) -> None:
        """Release the thread that waits for the call; if it has not begun, it does not begin."""
        if self._pool.withdraw(self):
            self._answer = cancelled_answer(self._expired_work)
            self._end()
        self._released.set()

    def drop(self) -> None:
        """Answer the call with the error that it was not run."""
        super().drop()
        self._released.set()

    def _has_ended_soon(self) -> bool:
        """End the greenlet of the call, if it has one, and wait a moment for its end; return whether it has ended."""
        if self._greenlet is not None:
            throw_into(self._greenlet, lambda: not self._done.is_set())
        return self._done.wait(self._grace_s if self._greenlet is None else CANCEL_S)

    def _end(self) -> None:
        super()._end()
        self._released.set()


class ControlledCall(Controlled):
    """A call without a deadline that its caller may cancel.

    It keeps its place in the pool until it ends, also after the thread that waits for it has been released: otherwise
    cancelling would make threads without a bound.

    Args:
        run, is_notification: As with :class:`ThreadedCall`.
        pool: The pool that runs it.
        can_cancel: Whether its greenlet may be ended.
        grace_s: How long it may take to end itself once it is cancelled, in seconds; None for hardly any time.
    """

    def __init__(
        self,
        run: Callable[[], CallAnswer],
        *,
        is_notification: bool,
        pool: ThreadPool,
        can_cancel: bool,
        grace_s: float | None,
    ) -> None:
        super().__init__(run, is_notification=is_notification)
        self._pool = pool
        self._can_cancel = can_cancel
        self._grace_s = _GRACE_S if grace_s is None else grace_s
        self._greenlet = None

    def run(self) -> None:
        """Run the call."""
        self._greenlet = current_greenlet() if self._can_cancel else None
        super().run()

    def wait(self) -> CallAnswer:
        """Wait for the answer, and return it; or for the cancellation, and return its error."""
        self._released.wait()
        if self._done.is_set() or self._has_ended_soon():
            return self._answer
        return cancelled_answer("abandoned")


class ControlledTimedCall(Controlled, TimedCall):
    """A call with a deadline that its caller may cancel: it is left behind then as at its deadline."""

    _pool: AbandoningPool

    def wait(self) -> CallAnswer:
        """Wait for the answer until the deadline or the cancellation, and return it, or the error."""
        if not self._released.wait(remaining_s(self._deadline)) or self._done.is_set():
            return super().wait()
        if not self._has_ended_soon() and self._pool.abandon(self):
            return cancelled_answer("abandoned")
        return self._answer

    def _expire(self) -> None:
        super()._expire()
        self._released.set()


def late_answer(work: Work) -> CallAnswer:
    """Return the answer of a call whose deadline has passed."""
    return False, {}, deadline_error(work)


def cancelled_answer(work: Work) -> CallAnswer:
    """Return the answer of a call that its caller has cancelled."""
    return False, {}, cancelled_error(work)
