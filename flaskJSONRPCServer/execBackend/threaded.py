"""The backends that run calls in a pool of threads, bounded in threads and in waiting calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..dispatch.backend_context import BackendContext
from ..dispatch.coroutines import CoroutineCaller
from ..dispatch.deadlines import Work, deadline_error, has_passed, remaining_s, work_of
from ..dispatch.exec_backend import CallAnswer
from ..dispatch.facade import ServerFacade
from ..dispatch.remote import WORKER_LOST
from ..dispatch.submission import BACKEND_REFUSED
from ..runtime.abandoning_pool import AbandoningPool
from ..runtime.concurrency import current_greenlet, make_event, start_native_thread, start_thread, throw_into
from ..runtime.counters import ThreadCounters
from ..runtime.interrupts import is_interrupt
from ..runtime.stats import Stats
from ..runtime.thread_pool import ThreadPool
from ..sansio_jsonrpc import JsonRpcError
from .base import PreparedBackend, already_running_error, stopped_error

__all__ = ["ThreadedBackend", "ThreadedNativeBackend"]

# How long after its deadline a call may still answer itself: one that notices its deadline, such as where it waits for
# a lock, knows best what happened to it. Guessed; an answer may be 50 ms late.
_GRACE_S = 0.005

# How long after its deadline a greenlet or a coroutine may take to end, once an exception was raised in it; guessed.
_CANCEL_S = 0.02

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
            grace_s = _CANCEL_S
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


class ThreadedBackend(PreparedBackend):
    """Runs calls in a pool of threads; under gevent, of greenlets.

    If the request came through Flask, the call's thread has a copy of its context: ``flask.request`` works there.

    Args:
        pool_threads: The maximum number of threads; None for the setting ``exec_pool_threads``.
        queue_calls: The maximum number of calls that wait for a thread; None for the setting ``max_exec_queue_calls``.
        backend_id: The name of the backend. A second pool of a server needs its own.
    """

    _id = "threaded"
    keeps_deadlines = True
    _start_thread = staticmethod(start_thread)

    def __init__(
        self, *, pool_threads: int | None = None, queue_calls: int | None = None, backend_id: str = ""
    ) -> None:
        self._id = backend_id or self._id
        self._pool_threads = pool_threads
        self._queue_calls = queue_calls
        self._context: BackendContext | None = None
        self._pool: AbandoningPool | None = None

    def begin(self, context: BackendContext) -> None:
        """Start the pool.

        Raises:
            ServerStateError: The backend runs for a server already.
        """
        settings = context.settings
        queue_calls = settings.max_exec_queue_calls if self._queue_calls is None else self._queue_calls
        self._begin(context, self._pool_threads or settings.exec_pool_threads, queue_calls)

    def _begin(self, context: BackendContext, threads: int, queue_calls: int) -> None:
        if self._pool is not None and self._context is not None:
            raise already_running_error(self._id, self._context)
        self._context = context
        self._queue = queue_calls
        self._pool = AbandoningPool(
            threads,
            queue_calls,
            f"{context.name}-{self._id}",
            self._start_thread,
            stats=context.stats,
            max_abandoned=context.settings.max_abandoned_calls,
        )

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """Queue a call."""
        pool, context = self._pool, self._context
        if pool is None or context is None:
            return False, f"exec backend {self._id!r} has stopped", None

        def run() -> CallAnswer:
            if (why := self._refusal(pool, context, path, dataIn)) is None:
                return context.call_dispatcher(uniqueId, path, dataIn, request, isJSONP)
            if dataIn.get("notify"):
                context.lose(path + dataIn["method"], why)
            return False, {}, JsonRpcError(BACKEND_REFUSED, why)

        if (why := self._refusal(pool, context, path, dataIn)) is not None:
            return False, why, None
        call = self._make_call(pool, context, self._in_context(run), path, dataIn)
        if pool.submit(call):
            return True, None, call
        return False, f"Server busy: exec backend {self._id!r} has {self._queue} calls waiting already", None

    def _make_call(
        self,
        pool: AbandoningPool,
        context: BackendContext,
        run: Callable[[], CallAnswer],
        path: str,
        data: Mapping[str, Any],
    ) -> ThreadedCall:
        is_notification, deadline = bool(data.get("notify")), data.get("deadline")
        if deadline is None:
            return ThreadedCall(run, is_notification=is_notification)
        is_coroutine = coroutine_caller(context, path, data) is not None
        return TimedCall(
            run,
            is_notification=is_notification,
            deadline=deadline,
            pool=pool,
            stats=context.stats,
            on_lost=lambda: context.lose(path + data["method"]),
            can_cancel=not is_coroutine,  # its caller cancels it
            grace_s=_CANCEL_S if is_coroutine else None,
            late_work="cancelled" if is_coroutine else "abandoned",
        )

    def _refusal(self, pool: AbandoningPool, context: BackendContext, path: str, data: Mapping[str, Any]) -> str | None:
        """Return why a call with a deadline must not begin: too many were left behind at theirs. None if it may."""
        if data.get("deadline") is None:
            return None
        if not pool.may_abandon:
            return self._too_many_abandoned(context)
        caller = coroutine_caller(context, path, data)
        if caller is None or caller.may_abandon:
            return None
        limit = context.settings.max_abandoned_calls
        return f"Server busy: {limit} functions in threads of coroutines still run after the deadlines of their calls"

    def _too_many_abandoned(self, context: BackendContext) -> str:
        limit = context.settings.max_abandoned_calls
        return f"Server busy: {limit} calls on exec backend {self._id!r} still run after their deadlines"

    def _in_context(self, run: Callable[[], CallAnswer]) -> Callable[[], CallAnswer]:
        """Return the function in a copy of the request's Flask context, if it has one."""
        import flask  # here: child processes of other backends import this module, and do without Flask

        return flask.copy_current_request_context(run) if flask.has_request_context() else run

    def check(self, uniqueId: str, ticket: ThreadedCall) -> CallAnswer:
        """Wait for the answer of a call."""
        return ticket.wait()

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int = 0) -> int:
        """Finish the accepted calls within the timeout; return how many notifications were not finished."""
        pool, self._pool = self._pool, None
        return 0 if pool is None else stop_pool(pool, timeout, processingDispatcherCountMax)

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return the counts of the pool, each under ``<id>_<name>``.

        The names are ``poolSize``, ``threads``, ``waiting``, ``running``, ``done``, ``refused`` and ``abandoned``.
        """
        counts = {} if self._pool is None else self._pool.counts()
        return {f"{self._id}_{name}": count for name, count in counts.items()}


class ThreadedNativeBackend(ThreadedBackend):
    """Runs calls in a pool of native threads, under gevent too."""

    _id = "threadedNative"
    _start_thread = staticmethod(start_native_thread)


def coroutine_caller(context: BackendContext, path: str, data: Mapping[str, Any]) -> CoroutineCaller | None:
    """Return the caller of a call's coroutine; None for a plain function."""
    route = context.router.table.find(path, data["method"])
    caller = None if route is None else route.caller
    return caller if isinstance(caller, CoroutineCaller) else None


def late_answer(work: Work) -> CallAnswer:
    """Return the answer of a call whose deadline has passed."""
    return False, {}, deadline_error(work)


def stop_pool(pool: ThreadPool, timeout_s: float, allowed: int) -> int:
    """Finish the calls of a pool within the timeout and drop the rest; return how many notifications are lost."""
    dropped, running = cast("tuple[list[ThreadedCall], list[ThreadedCall]]", pool.stop(timeout_s, allowed))
    for call in dropped:
        call.drop()
    return sum(call.is_notification for call in (*dropped, *running))
