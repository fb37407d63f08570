"""Calls with a timeout where the serving thread cannot wait by itself: it must be free to answer at the deadline."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ..dispatch.backend_context import BackendContext
from ..dispatch.call_control import CONTROL
from ..dispatch.deadlines import Work, work_of
from ..dispatch.exec_backend import CallAnswer, ExecBackend
from ..dispatch.facade import ServerFacade
from ..dispatch.routes import Backends
from ..dispatch.submission import BACKEND_REFUSED, exception_of, server_exception
from ..runtime.contexts import own_context
from .pool_calls import ControlledTimedCall, TimedCall
from .registry import RegisteredBackend
from .threaded import ThreadedBackend

__all__ = ["DeadlineBackend", "TimedBackend", "with_timeout"]

# How long after a deadline a backend that knows it, such as celery, may take to say what happens to the work. Guessed;
# an answer may be 50 ms late.
_GRACE_S = 0.03


class DeadlineBackend(ThreadedBackend):
    """Runs the calls with a timeout that would run in the serving thread, each in another thread.

    Each of its calls has a serving thread that waits for it, or has been abandoned. So the serving backend and
    ``max_abandoned_calls`` bound its threads, and it needs no bound and no queue of its own.
    """

    _id = "deadline"

    def begin(self, context: BackendContext) -> None:
        """Start the pool.

        Raises:
            ServerStateError: The backend runs for a server already.
        """
        self._begin(context, sys.maxsize, 0)

    def run_until(
        self,
        deadline: float,
        function: Callable[[], Any],
        expired_work: Work = "not started",
        make_call: type[TimedCall] = TimedCall,
    ) -> TimedCall:
        """Run a function in another thread. The answer of the returned call has its result.

        Args:
            deadline: The deadline.
            function: The function.
            expired_work: What has happened to the work if the deadline passes before the function begins.
            make_call: The class of the call: :class:`~.pool_calls.ControlledTimedCall` if it may be cancelled.

        Raises:
            JsonRpcException: -32002: too many threads were left behind.
        """
        pool, context = self._pool, self._context
        if pool is None or context is None:
            raise server_exception(BACKEND_REFUSED, f"exec backend {self._id!r} has stopped")

        def run() -> CallAnswer:
            result = function()
            # The backend itself may know what has happened to the work of a late call.
            return (True, {}, result) if work_of(result) is None else result

        call = make_call(
            run,
            is_notification=False,
            deadline=deadline,
            pool=pool,
            stats=context.stats,
            on_lost=lambda: None,
            can_cancel=False,
            grace_s=_GRACE_S,
            expired_work=expired_work,
        )
        if not (pool.may_abandon and pool.submit(call)):
            raise server_exception(BACKEND_REFUSED, self._too_many_abandoned(context))
        return call

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return ``deadline_threads``, ``deadline_running``, ``deadline_done`` and ``deadline_abandoned``."""
        counts = {} if self._pool is None else self._pool.counts()
        return {f"{self._id}_{name}": counts[name] for name in ("threads", "running", "done", "abandoned") if counts}

    def _in_context(self, run: Callable[[], CallAnswer]) -> Callable[[], CallAnswer]:
        # The context variables of auth are there, as in the serving thread.
        return functools.partial(own_context().run, super()._in_context(run))


class TimedBackend:
    """Answers the calls of another backend at their deadlines. That backend does not: it may know nothing of deadlines.

    Args:
        backend: The other backend.
        threads: Runs the methods of that backend.
    """

    def __init__(self, backend: ExecBackend, threads: RegisteredBackend) -> None:
        self._id = backend._id
        self._backend = backend
        self._threads = threads

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """Submit a call, as :meth:`~flaskJSONRPCServer.dispatch.exec_backend.ExecBackend.add`.

        Raises:
            JsonRpcException: The deadline passed before the backend had taken the call.
        """
        deadline = dataIn["deadline"]
        add = functools.partial(self._backend.add, uniqueId, path, dataIn, request, isJSONP)
        status, info, ticket = result_of(self._run_until(deadline, add))
        if not status or dataIn.get("notify"):
            return status, info, None
        # Begun here: the thread that calls check() may be late, after other calls of its batch.
        check = functools.partial(self._backend.check, uniqueId, ticket)
        if CONTROL not in dataIn:
            return True, info, self._run_until(deadline, check, "abandoned")
        return True, info, TimedTicket(self._run_until(deadline, check, "abandoned", ControlledTimedCall), ticket)

    def check(self, uniqueId: str, ticket: Any) -> CallAnswer:
        """Wait for the answer of a call, until its deadline.

        Raises:
            JsonRpcException: The deadline has passed.
        """
        answer: CallAnswer = result_of(ticket.waiting if isinstance(ticket, TimedTicket) else ticket)
        return answer

    def cancel(self, uniqueId: str, ticket: Any) -> None:
        """Cancel a call in the other backend, if that can do it, and release the thread that waits for it."""
        if not isinstance(ticket, TimedTicket):
            return
        try:
            if (cancel := getattr(self._backend, "cancel", None)) is not None:
                cancel(uniqueId, ticket.ticket)
        finally:
            ticket.waiting.cancel()

    def start(self, server: ServerFacade) -> None:
        """Start the other backend."""
        self._backend.start(server)

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int) -> int | None:
        """Stop the other backend."""
        return self._backend.stop(server, timeout, processingDispatcherCountMax)

    def stats(self, inMS: bool) -> dict[str, Any]:
        """Return the statistics of the other backend."""
        return self._backend.stats(inMS)

    def _run_until(
        self,
        deadline: float,
        function: Callable[[], Any],
        expired_work: Work = "not started",
        make_call: type[TimedCall] = TimedCall,
    ) -> Any:
        self._threads.ensure_started()
        return cast("DeadlineBackend", self._threads.backend).run_until(deadline, function, expired_work, make_call)


@dataclass(frozen=True, slots=True)
class TimedTicket:
    """The ticket of a call that its caller may cancel.

    Attributes:
        waiting: Waits for the answer of the other backend.
        ticket: The ticket of the other backend.
    """

    waiting: ControlledTimedCall
    ticket: Any


def result_of(call: TimedCall) -> Any:
    """Wait for the result of a function that a :class:`DeadlineBackend` runs, and return it.

    Raises:
        JsonRpcException: -32006: the deadline has passed.
        BaseException: The exception of the function.
    """
    status, _, result = call.wait()
    if not status:
        raise exception_of(result) or result
    return result


def with_timeout(backends: Backends, timeout_s: float, threads: RegisteredBackend) -> Backends:
    """Return the backends of a route with a timeout.

    Args:
        backends: The backends of the route without it.
        timeout_s: The timeout, in seconds.
        threads: The registered :class:`DeadlineBackend` of the server.
    """

    def timed(backend: Any) -> Any:
        return backend if backend is None or backend.keeps_deadlines else TimedBackend(backend, threads)

    return Backends(timed(backends.dispatcher), timed(backends.notif), timeout_s, threads)
