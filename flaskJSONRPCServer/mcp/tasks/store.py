"""The tasks of an endpoint, in bounds of number, size and time."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ...runtime.concurrency import make_lock
from ..protocol.errors import TooManyTasks
from .task import Task

__all__ = ["TaskBounds", "TaskStore"]

_TOO_MANY: Final = "there are too many tasks: an endpoint keeps at most"
_TOO_LARGE: Final = "the tasks are too large: an endpoint keeps at most"


@dataclass(frozen=True, slots=True)
class Usage:
    """What some tasks take.

    Attributes:
        tasks: Their number.
        size_bytes: Their bytes.
    """

    tasks: int
    size_bytes: int

    def without(self, size_bytes: int) -> Usage:
        """Return what they take without one of them."""
        return Usage(self.tasks - 1, self.size_bytes - size_bytes)


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A bound that some tasks would exceed.

    Attributes:
        reason: The bound, in words.
        is_of_caller: Whether it bounds the tasks of one caller, rather than all.
        most_bytes: The most bytes that it allows; None if it bounds the number of tasks.
    """

    reason: str
    is_of_caller: bool = False
    most_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class TaskBounds:
    """How many tasks there may be, and how large. All of these are guessed.

    Attributes:
        tasks: The most tasks.
        tasks_of_caller: The most tasks of one caller.
        total_bytes: The most bytes of all requests, questions, answers and results together.
        bytes_of_caller: The most bytes of those of one caller.
    """

    tasks: int = 1000
    tasks_of_caller: int = 100
    total_bytes: int = 64 * 1024 * 1024
    bytes_of_caller: int = 16 * 1024 * 1024

    def exceeded(self, of_caller: Usage, total: Usage) -> Exceeded | None:
        """Return the first bound that one caller, or all together, would exceed; None if none."""
        of_each = "of each caller"
        if total.tasks > self.tasks:
            return Exceeded(f"{_TOO_MANY} {self.tasks}")
        if of_caller.tasks > self.tasks_of_caller:
            return Exceeded(f"{_TOO_MANY} {self.tasks_of_caller} {of_each}", is_of_caller=True)
        if total.size_bytes > self.total_bytes:
            return Exceeded(f"{_TOO_LARGE} {self.total_bytes} bytes", most_bytes=self.total_bytes)
        if of_caller.size_bytes > self.bytes_of_caller:
            reason = f"{_TOO_LARGE} {self.bytes_of_caller} bytes {of_each}"
            return Exceeded(reason, is_of_caller=True, most_bytes=self.bytes_of_caller)
        return None


class TaskStore:
    """The tasks of an endpoint. All of them live equally long, so the oldest expire first.

    A task that has ended while its function runs on counts until the function returns. The others that have ended are
    forgotten early where there is no room, from :attr:`.task.Task.makes_room_at` on: the oldest first, and those of the
    caller who needs it before all others.

    Args:
        bounds: How many there may be.
        expire: Ends a task whose time is over.
    """

    def __init__(self, bounds: TaskBounds, expire: Callable[[Task], object]) -> None:
        self._bounds = bounds
        self._expire = expire
        self._changing = make_lock()  # guards all below
        self._tasks: dict[str, Task] = {}  # in the order of their creation
        self._running: Counter[Task] = Counter()  # how often each function runs: a run may begin before one returns
        self._gone: set[Task] = set()  # those whose time is over while their functions run
        self._counts: Counter[bytes] = Counter()  # by caller
        self._sizes: dict[Task, int] = {}
        self._shown: dict[Task, int] = {}  # what each shows, which is a part of its size
        self._bytes: Counter[bytes] = Counter()  # by caller

    def add(self, task: Task, size_bytes: int) -> None:
        """Add a task.

        Args:
            task: The task.
            size_bytes: The size of its request.

        Raises:
            TooManyTasks: There is no room. The message names the bound, and when to try again.
        """
        self.purge()
        with self._changing:
            self._make_room(task, size_bytes, 1)
            self._tasks[task.id] = task
            self._counts[task.owner] += 1
            self._sizes[task] = 0
            self._grow(task, size_bytes)

    def find(self, task_id: str, owner: bytes) -> Task | None:
        """Return a task of a caller; None if there is none, or its time is over."""
        self.purge()
        return self.look_up(task_id, owner)

    def look_up(self, task_id: str, owner: bytes) -> Task | None:
        """As :meth:`find`, but expire no tasks."""
        task = self._tasks.get(task_id)
        return task if task is not None and task.owner == owner else None

    def reserve(self, task: Task, size_bytes: int) -> None:
        """Count more bytes for a task, unless it is forgotten.

        Raises:
            TooManyTasks: There is no room for them; the message is as for :meth:`add`.
        """
        with self._changing:
            if task in self._sizes:
                self._reserve(task, size_bytes)

    def reserve_shown(self, task: Task, size_bytes: int) -> None:
        """Count what a task shows from now on, in place of what it has shown, unless it is forgotten.

        Raises:
            TooManyTasks: As for :meth:`reserve`.
        """
        with self._changing:
            if task in self._sizes:
                self._reserve(task, size_bytes - self._shown.get(task, 0))
                self._shown[task] = size_bytes

    def note_run(self, task: Task) -> None:
        """Note that the function of a task runs."""
        with self._changing:
            self._running[task] += 1

    def note_return(self, task: Task) -> None:
        """Note that the function of a task has returned."""
        with self._changing:
            self._running[task] -= 1
            self._running += Counter()  # without those that do not run
            if task in self._gone and task not in self._running:
                self._forget(task)

    def remove(self, task: Task) -> None:
        """Forget a task."""
        with self._changing:
            self._remove(task)

    def open_tasks(self) -> list[Task]:
        """Return the tasks that have not ended."""
        with self._changing:
            return [task for task in self._tasks.values() if not task.has_ended]

    def purge(self) -> None:
        """Forget the tasks whose time is over."""
        now = time.monotonic()
        expired = []
        with self._changing:
            for task in self._tasks.values():
                if task.expires_at > now:
                    break
                expired.append(task)
            for task in expired:
                self._remove(task)
        for task in expired:
            self._expire(task)

    def _remove(self, task: Task) -> None:
        if self._tasks.pop(task.id, None) is None:
            return
        if task in self._running:
            self._gone.add(task)
        else:
            self._forget(task)

    def _forget(self, task: Task) -> None:
        self._gone.discard(task)
        self._shown.pop(task, None)
        size = self._sizes.pop(task)
        self._counts[task.owner] -= 1
        self._bytes[task.owner] -= size
        self._counts += Counter()  # without those that have no task any more
        self._bytes += Counter()

    def _reserve(self, task: Task, more_bytes: int) -> None:
        self._make_room(task, more_bytes)
        self._grow(task, more_bytes)

    def _make_room(self, task: Task, more_bytes: int, count: int = 0) -> None:
        """Forget ended tasks until there is room for more.

        Args:
            task: The task that needs it.
            more_bytes: How many more bytes it needs.
            count: How many more tasks there are with it.

        Raises:
            TooManyTasks: There is not enough room. Nothing is forgotten.
        """
        owner = task.owner
        of_caller = Usage(self._counts[owner] + count, self._bytes[owner] + more_bytes)
        total = Usage(len(self._sizes) + count, sum(self._bytes.values()) + more_bytes)
        forgotten: list[Task] = []
        candidates = self._ended_except(task)
        while (exceeded := self._bounds.exceeded(of_caller, total)) is not None:
            ended = next(candidates, None)
            if ended is None:
                raise self._refusal_of(exceeded, owner, more_bytes)
            if ended.owner == owner:
                of_caller = of_caller.without(self._sizes[ended])
            total = total.without(self._sizes[ended])
            forgotten.append(ended)
        for ended in forgotten:
            self._remove(ended)

    def _ended_except(self, task: Task) -> Iterator[Task]:
        """Yield the other tasks that make room, and whose functions do not run: first those of the same caller."""
        now = time.monotonic()
        for is_own in (True, False):
            for other in self._tasks.values():
                is_over = other.makes_room_at <= now and other not in self._running
                if is_over and other is not task and (other.owner == task.owner) == is_own:
                    yield other

    def _refusal_of(self, exceeded: Exceeded, owner: bytes, more_bytes: int) -> TooManyTasks:
        """Return the error for a task over a bound.

        Args:
            exceeded: The bound.
            owner: The caller whose task it is.
            more_bytes: How many more bytes the task needs. If these alone exceed the bound, no wait makes room.
        """
        may_fit = exceeded.most_bytes is None or more_bytes <= exceeded.most_bytes
        bounded = (task for task in self._tasks.values() if not exceeded.is_of_caller or task.owner == owner)
        now = time.monotonic()
        ends = (
            [end for task in bounded for end in (task.makes_room_at, task.expires_at) if end > now] if may_fit else []
        )
        if not ends:  # or all of them have expired, and count until their functions return
            return TooManyTasks(exceeded.reason)
        wait_s = max(1, math.ceil(min(ends) - now))
        refusal = TooManyTasks(f"{exceeded.reason}; the first of them makes room in {wait_s} s")
        refusal.retry_after_s = wait_s
        return refusal

    def _grow(self, task: Task, size_bytes: int) -> None:
        self._sizes[task] += size_bytes
        self._bytes[task.owner] += size_bytes
