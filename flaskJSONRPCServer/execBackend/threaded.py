"""The backends that run calls in threads of their own, a bounded number of them with a bounded queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ..dispatch.backends import CallAnswer
from ..dispatch.context import BackendContext
from ..dispatch.facade import ServerFacade
from ..dispatch.remote import WORKER_LOST
from ..runtime.concurrency import make_event, start_native_thread, start_thread
from ..runtime.interrupts import is_interrupt
from ..runtime.thread_pool import ThreadPool
from ..sansio_jsonrpc import JsonRpcError
from .base import PreparedBackend, already_running_error, stopped_error

__all__ = ["ThreadedBackend", "ThreadedNativeBackend"]


class Job:
    """One call, and its answer when there is one.

    Args:
        run: Makes the call.
        is_notification: Whether nobody waits for the answer.
    """

    def __init__(self, run: Callable[[], CallAnswer], *, is_notification: bool) -> None:
        self.is_notification = is_notification
        self._run = run
        self._done = make_event()
        self._answer: CallAnswer = False, {}, None

    def run(self) -> None:
        """Make the call, and keep whatever comes of it.

        Raises:
            BaseException: A signal has interrupted the call, to end the program.
        """
        try:
            self._answer = self._run()
        except BaseException as exc:  # the edge of a thread: the exception is for the thread that waits for the answer
            if is_interrupt(exc):
                self._answer = False, {}, JsonRpcError(WORKER_LOST, "The program was interrupted in the call")
                raise
            self._answer = False, {}, exc
        finally:
            self._done.set()

    def drop(self) -> None:
        """Answer that the call was not run."""
        self._answer = False, {}, stopped_error()
        self._done.set()

    def wait(self) -> CallAnswer:
        """Wait for the answer."""
        self._done.wait()
        return self._answer


class ThreadedBackend(PreparedBackend):
    """Runs calls in a pool of threads; under gevent, of greenlets.

    In a call that came through Flask, ``flask.request`` works in the thread: it has a copy of the context.

    Args:
        pool_threads: The most threads; None: the setting ``exec_pool_threads``.
        queue_calls: The most calls that wait for one; None: the setting ``max_exec_queue_calls``.
        backend_id: Its name, for a second pool beside the prepared one.
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
            ServerStateError: It runs for a server already.
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
        import flask  # here: a child process of another backend does without it

        pool, context = self._pool, self._context
        if pool is None or context is None:
            return False, f"exec backend {self._id!r} has stopped", None

        def run() -> CallAnswer:
            return context.call_dispatcher(uniqueId, path, dataIn, request, isJSONP)

        in_context = flask.copy_current_request_context(run) if flask.has_request_context() else run
        job = Job(in_context, is_notification=bool(dataIn.get("notify")))
        if pool.submit(job):
            return True, None, job
        return False, f"Server busy: exec backend {self._id!r} has {self._queue} calls waiting already", None

    def check(self, uniqueId: str, ticket: Job) -> CallAnswer:
        """Wait for the answer."""
        return ticket.wait()

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int = 0) -> int:
        """Finish what has been taken, within the timeout; return how many notifications were not."""
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
    """Finish all jobs within the timeout, and drop the rest; return how many notifications are lost."""
    dropped, running = cast("tuple[list[Job], list[Job]]", pool.stop(timeout_s, allowed))
    for job in dropped:
        job.drop()
    return sum(job.is_notification for job in (*dropped, *running))
