"""The backends that run calls in a pool of threads, bounded in threads and in waiting calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ..dispatch.backend_context import BackendContext
from ..dispatch.exec_backend import CallAnswer
from ..dispatch.facade import ServerFacade
from ..dispatch.remote import WORKER_LOST
from ..runtime.concurrency import make_event, start_native_thread, start_thread
from ..runtime.interrupts import is_interrupt
from ..runtime.thread_pool import ThreadPool
from ..sansio_jsonrpc import JsonRpcError
from .base import PreparedBackend, already_running_error, stopped_error

__all__ = ["ThreadedBackend", "ThreadedNativeBackend"]


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
            self._done.set()

    def drop(self) -> None:
        """Answer the call with the error that it was not run."""
        self._answer = False, {}, stopped_error()
        self._done.set()

    def wait(self) -> CallAnswer:
        """Wait for the answer and return it."""
        self._done.wait()
        return self._answer


class ThreadedBackend(PreparedBackend):
    """Runs calls in a pool of threads; under gevent, of greenlets.

    If the request came through Flask, the call's thread has a copy of its context: ``flask.request`` works there.

    Args:
        pool_threads: The maximum number of threads; None for the setting ``exec_pool_threads``.
        queue_calls: The maximum number of calls that wait for a thread; None for the setting ``max_exec_queue_calls``.
        backend_id: The name of the backend. A second pool of a server needs its own.
    """

    _id = "threaded"
    _start_thread = staticmethod(start_thread)

    def __init__(
        self, *, pool_threads: int | None = None, queue_calls: int | None = None, backend_id: str = ""
    ) -> None:
        self._id = backend_id or self._id
        self._pool_threads = pool_threads
        self._queue_calls = queue_calls
        self._context: BackendContext | None = None
        self._pool: ThreadPool | None = None

    def begin(self, context: BackendContext) -> None:
        """Start the pool.

        Raises:
            ServerStateError: The backend runs for a server already.
        """
        if self._pool is not None and self._context is not None:
            raise already_running_error(self._id, self._context)
        settings = context.settings
        self._context = context
        self._queue = settings.max_exec_queue_calls if self._queue_calls is None else self._queue_calls
        threads = self._pool_threads or settings.exec_pool_threads
        self._pool = ThreadPool(threads, self._queue, f"{context.name}-{self._id}", self._start_thread)

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """Queue a call."""
        import flask  # here: child processes of other backends import this module, and do without Flask

        pool, context = self._pool, self._context
        if pool is None or context is None:
            return False, f"exec backend {self._id!r} has stopped", None

        def run() -> CallAnswer:
            return context.call_dispatcher(uniqueId, path, dataIn, request, isJSONP)

        in_context = flask.copy_current_request_context(run) if flask.has_request_context() else run
        call = ThreadedCall(in_context, is_notification=bool(dataIn.get("notify")))
        if pool.submit(call):
            return True, None, call
        return False, f"Server busy: exec backend {self._id!r} has {self._queue} calls waiting already", None

    def check(self, uniqueId: str, ticket: ThreadedCall) -> CallAnswer:
        """Wait for the answer of a call."""
        return ticket.wait()

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int = 0) -> int:
        """Finish the accepted calls within the timeout; return how many notifications were not finished."""
        pool, self._pool = self._pool, None
        return 0 if pool is None else stop_pool(pool, timeout, processingDispatcherCountMax)

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return ``<id>_poolSize``, ``_threads``, ``_waiting``, ``_running``, ``_done`` and ``_refused``."""
        counts = {} if self._pool is None else self._pool.counts()
        return {f"{self._id}_{name}": count for name, count in counts.items()}


class ThreadedNativeBackend(ThreadedBackend):
    """Runs calls in a pool of native threads, under gevent too."""

    _id = "threadedNative"
    _start_thread = staticmethod(start_native_thread)


def stop_pool(pool: ThreadPool, timeout_s: float, allowed: int) -> int:
    """Finish the calls of a pool within the timeout and drop the rest; return how many notifications are lost."""
    dropped, running = cast("tuple[list[ThreadedCall], list[ThreadedCall]]", pool.stop(timeout_s, allowed))
    for call in dropped:
        call.drop()
    return sum(call.is_notification for call in (*dropped, *running))
