"""A bounded pool of threads with a bounded queue.

The serving backend ``native`` and the exec backend ``threaded`` use it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from .concurrency import in_native_thread, is_patched, make_condition, make_lock, make_waiter, start_native_thread
from .forks import fork_count

__all__ = ["AnyTask", "Task", "ThreadPool"]

# How long an idle thread lives; guessed.
_IDLE_S = 30


class Task(Protocol):
    """A task that a pool runs."""

    def run(self) -> object:
        """Run the task. It raises only exceptions that end the program."""


AnyTask = TypeVar("AnyTask", bound=Task)


class ThreadPool:
    """Threads that run tasks. They start on demand and end after some idle time.

    Why no :class:`concurrent.futures.ThreadPoolExecutor`: its queue is unbounded, each task costs a future and three
    locks, its shutdown has no timeout and cannot report lost tasks, its threads never end, the interpreter waits for
    them at exit, and it cannot run greenlets.

    Why no :class:`queue.SimpleQueue`: it wakes a thread for each task. One thread runs many short tasks faster than
    many threads that compete for the interpreter's lock. So the pool wakes one thread at a time, and each thread that
    takes a task wakes the next one if there are more. A task that blocks does not delay the others.

    Args:
        max_threads: The most threads.
        max_waiting: The most tasks that wait for a thread.
        name: The name of the threads.
        start: Starts a thread: :func:`~.concurrency.start_native_thread` or :func:`~.concurrency.start_thread`.

    Attributes:
        waiting: The tasks that wait for a thread. Only the pool changes it.
    """

    def __init__(
        self, max_threads: int, max_waiting: int, name: str, start: Callable[..., Any] = start_native_thread
    ) -> None:
        self._max_threads = max_threads
        self._max_unfinished = max_threads + max_waiting
        self._name = name
        self._start = start
        self._lock = make_lock()
        self._ended = make_condition(self._lock)
        self.waiting: deque[Task] = deque()  # changed under _lock, as all below
        self._unfinished: set[Task] = set()  # waiting or running
        self._idle: list[Any] = []  # the waiters of idle threads; the last one is woken first
        self._is_waking = False  # whether a woken or new thread has not taken a task yet
        self._threads = self._done = self._refused = 0
        self._is_stopping = False

    @property
    def has_room(self) -> bool:
        """Whether a thread could run another task at once."""
        return len(self._unfinished) < self._max_threads

    def submit(self, task: Task, *, is_bounded: bool = True) -> bool:
        """Queue a task for the next free thread.

        Args:
            task: The task. Do not submit it again before it has ended.
            is_bounded: Whether the bound of the queue applies. False for the rest of a task that has begun.

        Raises:
            RuntimeError: The system cannot start a thread, and the pool has none.

        Returns:
            False if the queue is full or the pool has stopped: the task will not run.
        """
        if is_bounded:
            return not self.submit_all((task,))
        with self._lock:
            self._take(task)
            self._wake_one_or_withdraw()
        return True

    def submit_all(self, tasks: Iterable[AnyTask]) -> list[AnyTask]:
        """Queue tasks for the next free threads; return the refused ones, which will not run."""
        refused: list[AnyTask] = []
        with self._lock:
            for task in tasks:
                if self._is_stopping or len(self._unfinished) >= self._max_unfinished:
                    refused.append(task)
                else:
                    self._take(task)
            self._refused += len(refused)
            self._wake_one_or_withdraw()
        return refused

    def withdraw(self, task: Task) -> bool:
        """Remove a task that waits for a thread; return False if it has begun or ended."""
        with self._lock:
            if task not in self.waiting:
                return False
            self.waiting.remove(task)
            self._unfinished.discard(task)
            if self._is_stopping:
                self._ended.notify_all()
            return True

    def adopt(self, task: Task) -> None:
        """Count a task that a foreign thread runs already towards the bound of the pool."""
        with self._lock:
            self._unfinished.add(task)

    def release(self, task: Task) -> None:
        """Stop counting an adopted task: it has ended."""
        with self._lock:
            self._end(task)
            self._wake_one()

    def stop(self, timeout_s: float, allowed: int = 0) -> tuple[list[Task], list[Task]]:
        """Refuse further tasks and wait until at most ``allowed`` are unfinished.

        Returns:
            The tasks that will not run, and the tasks that are still running.
        """
        with self._lock:
            self._is_stopping = True
            self._ended.wait_for(lambda: len(self._unfinished) <= allowed, timeout_s)
            dropped = list(self.waiting)
            self.waiting.clear()
            self._unfinished.difference_update(dropped)
            running = list(self._unfinished)
            while self._idle:
                self._idle.pop().wake()
        return dropped, running

    def counts(self) -> dict[str, int]:
        """Return the counts of threads and tasks by name."""
        with self._lock:
            return {
                "poolSize": self._max_threads,
                "threads": self._threads,
                "waiting": len(self.waiting),
                "running": len(self._unfinished) - len(self.waiting),
                "done": self._done,
                "refused": self._refused,
            }

    def _take(self, task: Task) -> None:
        self._unfinished.add(task)
        self.waiting.append(task)

    def _may_begin(self) -> bool:
        """Return whether a waiting task may run now. Tasks of foreign threads count towards the bound too."""
        waiting = len(self.waiting)
        return waiting > 0 and len(self._unfinished) - waiting < self._max_threads

    def _wake_one(self) -> None:
        """Wake or start a thread if there is work for another one. Called under the lock."""
        if self._is_waking or not self._may_begin():
            return
        if self._idle:
            self._is_waking = True
            self._idle.pop().wake()
        elif self._threads < self._max_threads:
            self._start_one()

    def _wake_one_or_withdraw(self) -> None:
        """Wake a thread, or withdraw the waiting tasks if the pool has none and cannot start one."""
        try:
            self._wake_one()
        except RuntimeError:
            self._unfinished.difference_update(self.waiting)
            self.waiting.clear()
            raise

    def _start_one(self) -> None:
        try:
            self._start(self._serve, name=self._name)
        except RuntimeError:  # the system cannot start another thread: the existing ones do the work
            if not self._threads:
                raise
        else:
            self._is_waking = True
            self._threads += 1

    def _serve(self) -> None:
        waiter = make_waiter()
        is_thread = not is_patched() or in_native_thread()  # a forked process has copies of greenlets only
        forks = fork_count()
        is_new = True
        try:
            while (task := self._next(waiter, is_woken=is_new)) is not None:
                is_new = False
                try:
                    task.run()
                finally:
                    if is_thread and fork_count() != forks:
                        # The task has forked, and this is the child. It has no other thread: nothing would ever release
                        # the pool's lock, or submit a task.
                        os._exit(0)
                    self._finished(task)
                    del task  # a waiting thread must keep nothing alive
        finally:
            with self._lock:
                self._threads -= 1
                self._wake_one()  # if an interrupt has ended this thread, another has to take the waiting tasks
            waiter.close()

    def _next(self, waiter: Any, *, is_woken: bool) -> Task | None:
        """Wait for the next task and return it; None after the idle time, or if the pool stops."""
        with self._lock:
            while True:
                if is_woken:
                    self._is_waking = False
                if self._may_begin():
                    task = self.waiting.popleft()
                    self._wake_one()
                    return task
                if self._is_stopping:
                    return None
                self._idle.append(waiter)
                self._wait(waiter)
                if waiter in self._idle:
                    self._idle.remove(waiter)
                    return None
                is_woken = True

    def _wait(self, waiter: Any) -> None:
        self._lock.release()
        try:
            waiter.wait(_IDLE_S)
        finally:
            self._lock.acquire()

    def _finished(self, task: Task) -> None:
        with self._lock:
            self._end(task)

    def _end(self, task: Task) -> None:
        """Count a task as done. Called under the lock."""
        self._unfinished.discard(task)
        self._done += 1
        if self._is_stopping:
            self._ended.notify_all()
