"""The backends that run calls in threads of their own, a bounded number of them with a bounded queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ..dispatch.handover import CallAnswer
from ..dispatch.remote import WORKER_LOST
from ..runtime.concurrency import make_condition, make_event, make_lock, start_native_thread, start_thread
from ..runtime.interrupts import is_interrupt
from ..sansio_jsonrpc import JsonRpcError
from .base import runs_already, stopped

__all__ = ["ThreadedBackend", "ThreadedNativeBackend"]

# How long a thread without work stays; guessed.
_IDLE_S = 30


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
        self._answer = False, {}, stopped()
        self._done.set()

    def wait(self) -> CallAnswer:
        """Wait for the answer."""
        self._done.wait()
        return self._answer


class WorkerPool:
    """Threads that run jobs. They are started when there is work, and end when there is none for a while.

    Args:
        threads: The most threads.
        queue_calls: The most jobs that wait for one.
        start: Starts one thread: :func:`start_thread` or :func:`start_native_thread`.
        name: The name of the threads.
    """

    def __init__(self, threads: int, queue_calls: int, start: Callable[..., Any], name: str) -> None:
        self._most_threads = threads
        self._queue_calls = queue_calls
        self._start = start
        self._name = name
        self._lock = make_lock()
        self._work = make_condition(self._lock)
        self._ended = make_condition(self._lock)
        self._waiting: deque[Job] = deque()  # guarded by _lock, as all below
        self._running: set[Job] = set()
        self._threads = self._idle = 0
        self._done = self._refused = 0
        self._is_stopping = False

    def submit(self, job: Job) -> bool:
        """Take a job; False where the queue is full, or the pool has stopped."""
        with self._lock:
            if not self._has_room():
                self._refused += 1
                return False
            if self._idle <= len(self._waiting) and self._threads < self._most_threads:
                self._start(self._serve, name=self._name)
                self._threads += 1
            self._waiting.append(job)
            self._work.notify()
            return True

    def stop(self, timeout_s: float, allowed: int) -> int:
        """Finish all jobs within the timeout, and drop the rest; return how many notifications are lost."""
        with self._lock:
            self._is_stopping = True
            self._work.notify_all()
            self._ended.wait_for(lambda: len(self._waiting) + len(self._running) <= allowed, timeout_s)
            dropped = list(self._waiting)
            self._waiting.clear()
            unfinished = [*dropped, *self._running]
        for job in dropped:
            job.drop()
        return sum(job.is_notification for job in unfinished)

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        with self._lock:
            return {
                "poolSize": self._most_threads,
                "threads": self._threads,
                "waiting": len(self._waiting),
                "running": len(self._running),
                "done": self._done,
                "refused": self._refused,
            }

    def _has_room(self) -> bool:
        free = self._most_threads - len(self._running)
        return not self._is_stopping and len(self._waiting) < free + self._queue_calls

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.run()
            except BaseException:
                self._finished(job, ended_threads=1)
                raise
            self._finished(job)

    def _finished(self, job: Job, *, ended_threads: int = 0) -> None:
        with self._lock:
            self._running.discard(job)
            self._threads -= ended_threads
            self._done += 1
            self._ended.notify_all()

    def _next(self) -> Job | None:
        with self._lock:
            self._idle += 1
            self._work.wait_for(lambda: self._waiting or self._is_stopping, _IDLE_S)
            self._idle -= 1
            if not self._waiting:
                self._threads -= 1
                return None
            job = self._waiting.popleft()
            self._running.add(job)
            return job


class ThreadedBackend:
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
        self._server: Any = None
        self._pool: WorkerPool | None = None

    def start(self, server: Any) -> None:
        """Make the pool.

        Raises:
            ServerStateError: It runs for a server already.
        """
        if self._pool is not None:
            raise runs_already(self._id, self._server)
        settings = server.settings
        self._server = server
        self._queue = settings.max_exec_queue_calls if self._queue_calls is None else self._queue_calls
        threads = self._pool_threads or settings.exec_pool_threads
        self._pool = WorkerPool(threads, self._queue, self._start_thread, f"{server.name}-{self._id}")

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """Queue a call."""
        import flask  # here: a child process of another backend does without it

        pool, server = self._pool, self._server
        if pool is None:
            return False, f"exec backend {self._id!r} has stopped", None

        def run() -> CallAnswer:
            answer: CallAnswer = server._callDispatcher(uniqueId, path, dataIn, request, isJSONP)
            return answer

        in_context = flask.copy_current_request_context(run) if flask.has_request_context() else run
        job = Job(in_context, is_notification=bool(dataIn.get("notify")))
        if pool.submit(job):
            return True, None, job
        return False, f"Server busy: exec backend {self._id!r} has {self._queue} calls waiting already", None

    def check(self, uniqueId: str, ticket: Job) -> CallAnswer:
        """Wait for the answer."""
        return ticket.wait()

    def stop(self, server: Any, timeout: float, processingDispatcherCountMax: int = 0) -> int:
        """Finish what has been taken, within the timeout; return how many notifications were not."""
        pool, self._pool = self._pool, None
        return 0 if pool is None else pool.stop(timeout, processingDispatcherCountMax)

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return ``<id>_poolSize``, ``_threads``, ``_waiting``, ``_running``, ``_done`` and ``_refused``."""
        counts = {} if self._pool is None else self._pool.counts()
        return {f"{self._id}_{name}": count for name, count in counts.items()}


class ThreadedNativeBackend(ThreadedBackend):
    """Runs calls in a pool of native threads, under gevent too."""

    _id = "threadedNative"
    _start_thread = staticmethod(start_native_thread)
