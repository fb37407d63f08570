"""The backends that run calls in a pool of threads, bounded in threads and in waiting calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..dispatch.backend_context import BackendContext
from ..dispatch.call_control import CONTROL
from ..dispatch.coroutines import CoroutineCaller
from ..dispatch.exec_backend import CallAnswer
from ..dispatch.facade import ServerFacade
from ..dispatch.submission import BACKEND_REFUSED
from ..runtime.abandoning_pool import AbandoningPool
from ..runtime.concurrency import start_native_thread, start_thread
from ..runtime.thread_pool import ThreadPool
from ..sansio_jsonrpc import JsonRpcError
from . import pool_calls
from .base import PreparedBackend, already_running_error
from .pool_calls import Controlled, ControlledCall, ControlledTimedCall, ThreadedCall, TimedCall

__all__ = ["ThreadedBackend", "ThreadedNativeBackend"]


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
        is_controlled = CONTROL in data
        if deadline is None and not is_controlled:
            return ThreadedCall(run, is_notification=is_notification)
        is_coroutine = coroutine_caller(context, path, data) is not None
        grace_s = pool_calls.CANCEL_S if is_coroutine else None
        if deadline is None:
            return ControlledCall(
                run, is_notification=is_notification, pool=pool, can_cancel=not is_coroutine, grace_s=grace_s
            )
        make_call = ControlledTimedCall if is_controlled else TimedCall
        return make_call(
            run,
            is_notification=is_notification,
            deadline=deadline,
            pool=pool,
            stats=context.stats,
            on_lost=lambda: context.lose(path + data["method"]),
            can_cancel=not is_coroutine,  # its caller cancels it
            grace_s=grace_s,
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
        """Return the function in a copy of the request's Flask context, if it has one, or in one of its application."""
        import flask  # here: child processes of other backends import this module, and do without Flask

        if flask.has_request_context():
            return flask.copy_current_request_context(run)
        return in_app_context(run) if flask.has_app_context() else run

    def check(self, uniqueId: str, ticket: ThreadedCall) -> CallAnswer:
        """Wait for the answer of a call."""
        return ticket.wait()

    def cancel(self, uniqueId: str, ticket: ThreadedCall) -> None:
        """Cancel a call: it does not begin, or the thread that waits for it is released."""
        if isinstance(ticket, Controlled):
            ticket.cancel()

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


def in_app_context(run: Callable[[], CallAnswer]) -> Callable[[], CallAnswer]:
    """Return the function in a context of the current Flask application."""
    import flask

    app: flask.Flask = flask.current_app._get_current_object()  # type: ignore[attr-defined]  # of the proxy

    def run_in_context() -> CallAnswer:
        with app.app_context():
            return run()

    return run_in_context


def coroutine_caller(context: BackendContext, path: str, data: Mapping[str, Any]) -> CoroutineCaller | None:
    """Return the caller of a call's coroutine; None for a plain function."""
    route = context.router.table.find(path, data["method"])
    caller = None if route is None else route.caller
    return caller if isinstance(caller, CoroutineCaller) else None


def stop_pool(pool: ThreadPool, timeout_s: float, allowed: int) -> int:
    """Finish the calls of a pool within the timeout and drop the rest; return how many notifications are lost."""
    dropped, running = cast("tuple[list[ThreadedCall], list[ThreadedCall]]", pool.stop(timeout_s, allowed))
    for call in dropped:
        call.drop()
    return sum(call.is_notification for call in (*dropped, *running))
