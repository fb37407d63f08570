"""A pool whose tasks may have deadlines: a thread that runs too long is left behind, and another takes its place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol, cast

from .concurrency import start_native_thread
from .counters import ThreadCounters
from .stats import Stats
from .thread_pool import Task, ThreadPool

__all__ = ["AbandonableTask", "AbandoningPool"]


class AbandonableTask(Task, Protocol):
    """A task that a pool can abandon."""

    @property
    def counters(self) -> ThreadCounters | None:
        """The counters of the thread that runs it; None before it has begun."""


class AbandoningPool(ThreadPool):
    """A pool that can abandon tasks: Python cannot end a thread from outside.

    An abandoned task no longer counts towards the bound of the pool, and a stop does not wait for it. Its thread
    returns to the pool when the task has ended. If no task that may be abandoned begins unless :attr:`may_abandon`, at
    most ``max_threads + max_abandoned`` tasks are abandoned at once: all that ran when the limit was reached.

    Args:
        max_threads, max_waiting, name, start: As with :class:`~.thread_pool.ThreadPool`.
        stats: Counts the abandoned calls.
        max_abandoned: From how many abandoned tasks on no other task should begin that may be abandoned.
    """

    def __init__(
        self,
        max_threads: int,
        max_waiting: int,
        name: str,
        start: Callable[..., Any] = start_native_thread,
        *,
        stats: Stats,
        max_abandoned: int,
    ) -> None:
        super().__init__(max_threads, max_waiting, name, start)
        self._stats = stats
        self._max_abandoned = max_abandoned
        self._abandoned: set[Task] = set()  # guarded by _lock

    @property
    def may_abandon(self) -> bool:
        """Whether a task may begin that may be abandoned."""
        return len(self._abandoned) < self._max_abandoned

    def abandon(self, task: AbandonableTask) -> bool:
        """Stop counting a running task, and let another thread take its place; return False if it has ended."""
        with self._lock:
            if task not in self._unfinished:
                return task in self._abandoned
            self._unfinished.discard(task)
            self._abandoned.add(task)
            self._stats.abandon(task)
            self._threads -= 1
            with contextlib.suppress(RuntimeError):  # the system cannot start a thread now; this one returns
                self._wake_one()
            self._ended.notify_all()
            return True

    def counts(self) -> dict[str, int]:
        """Return the counts of threads and tasks by name."""
        return {**super().counts(), "abandoned": len(self._abandoned)}

    def _end(self, task: Task) -> None:
        if task in self._abandoned:
            self._abandoned.discard(task)
            self._stats.end_abandoned(cast("AbandonableTask", task))
            self._threads += 1  # its thread returns
        super()._end(task)
