"""A bounded pool of threads with a bounded queue: for the serving backend ``native`` and for ``threaded``."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any, Protocol

from .concurrency import make_condition, make_lock, make_queue, start_native_thread

__all__ = ["Task", "ThreadPool"]

# How long a thread without work stays; guessed.
_IDLE_S = 30

_NO_TASK = object()


class Task(Protocol):
    """What a pool runs."""

    def run(self) -> object:
        """Do the work. Only an exception that ends the program leaves it."""


class ThreadPool:
    """Threads that run tasks. They start when there is work, and end when there is none for a while.

    Why no :class:`concurrent.futures.ThreadPoolExecutor`: its queue has no bound, a task costs a future and two locks,
    a stop waits without a timeout and cannot say what was lost, its threads never end, the interpreter waits for them
    at its exit, and it cannot run greenlets.

    Args:
        max_threads: The most threads.
        max_waiting: The most tasks that wait for one.
        name: The name of the threads.
        start: Starts one thread: :func:`~.concurrency.start_native_thread` or :func:`~.concurrency.start_thread`.
    """

    def __init__(
        self, max_threads: int, max_waiting: int, name: str, start: Callable[..., Any] = start_native_thread
    ) -> None:
        self._max_threads = max_threads
        self._max_unfinished = max_threads + max_waiting
        self._name = name
        self._start = start
        self._queue: Any = make_queue()
        self._lock = make_lock()
        self._ended = make_condition(self._lock)
        self._unfinished: set[Task] = set()  # waiting or running; guarded by _lock, as all below
        self._threads = self._done = self._refused = 0
        self._is_stopping = False

    def submit(self, task: Task, *, is_bounded: bool = True) -> bool:
        """Run a task as soon as a thread is free.

        Args:
            task: The task; the same one may not be given again before it has ended.
            is_bounded: Whether the bound of the queue holds for it. False for the rest of a task that has begun.

        Returns:
            False where the queue is full, or the pool has stopped: the task will not run.
        """
        with self._lock:
            if is_bounded and (self._is_stopping or len(self._unfinished) >= self._max_unfinished):
                self._refused += 1
                return False
            self._unfinished.add(task)
            if self._threads < min(len(self._unfinished), self._max_threads):
                self._start(self._serve, name=self._name)
                self._threads += 1
        self._queue.put(task)
        return True

    def stop(self, timeout_s: float, allowed: int = 0) -> tuple[list[Task], list[Task]]:
        """Take no further task, and wait until no more than ``allowed`` are unfinished.

        Returns:
            The tasks that will not run, and those that are still running.
        """
        with self._lock:
            self._is_stopping = True
            self._ended.wait_for(lambda: len(self._unfinished) <= allowed, timeout_s)
            dropped = drained(self._queue)
            self._unfinished.difference_update(dropped)
            running = list(self._unfinished)
            for _ in range(self._threads):
                self._queue.put(None)
        return dropped, running

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        with self._lock:
            running = min(len(self._unfinished), self._threads)
            return {
                "poolSize": self._max_threads,
                "threads": self._threads,
                "waiting": len(self._unfinished) - running,
                "running": running,
                "done": self._done,
                "refused": self._refused,
            }

    def _serve(self) -> None:
        try:
            while (task := self._next()) is not None:
                try:
                    task.run()
                finally:
                    self._finished(task)
                    del task  # while the thread waits, it keeps nothing alive
        finally:
            with self._lock:
                self._threads -= 1

    def _finished(self, task: Task) -> None:
        with self._lock:
            self._unfinished.discard(task)
            self._done += 1
            if self._is_stopping:
                self._ended.notify_all()

    def _next(self) -> Any:
        while (task := self._wait_for_task()) is _NO_TASK:
            with self._lock:
                # Each unfinished task counts on a thread: one may have been submitted just now.
                if len(self._unfinished) < self._threads:
                    return None
        return task

    def _wait_for_task(self) -> Any:
        try:
            return self._queue.get(timeout=_IDLE_S)
        except queue.Empty:
            return _NO_TASK


def drained(tasks: Any) -> list[Task]:
    """Take everything out of a queue."""
    taken: list[Task] = []
    try:
        while True:
            taken.append(tasks.get_nowait())
    except queue.Empty:
        return taken
