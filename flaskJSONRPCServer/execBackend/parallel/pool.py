"""The pool of the backend ``parallel``, in the parent: a queue of calls, and slots that run them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...runtime.concurrency import make_condition, make_lock, start_native_thread
from ...runtime.logs import WARNING, ServerLog
from ...sansio_jsonrpc import JsonRpcError
from ..base import stopped_error
from .functions import FunctionPickler
from .slot import Job, Slot

__all__ = ["Limits", "Pool"]

# How much longer than a child a slot may take to end; guessed.
_JOIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a pool.

    Attributes:
        slots: How many children there are.
        queue_calls: The most calls that wait for one.
        timeout_s: How long a call may run, in seconds; None: without end.
        calls_per_child: After how many calls a child is replaced; None: never.
    """

    slots: int
    queue_calls: int
    timeout_s: float | None
    calls_per_child: int | None


class Pool:
    """Slots that run jobs. Each is a child process, and the native thread that feeds it.

    Args:
        limits: The limits.
        setup: Returns the pickled setup of the child of a slot's number.
        pickler: Pickles the functions.
        log: Told what children are lost.
        name: The name of the threads.
    """

    def __init__(
        self,
        limits: Limits,
        setup: Callable[[int], bytes],
        pickler: FunctionPickler,
        log: ServerLog,
        name: str,
    ) -> None:
        self.limits = limits
        self.pickler = pickler
        self.log = log
        self._lock = make_lock()
        self._ended = make_condition(self._lock)
        self._waiting: deque[Job] = deque()  # guarded by _lock, as all below
        self._reserved = 0
        self._running: set[Job] = set()
        self._idle: list[Slot] = []  # the last one has worked last
        self._counts = dict.fromkeys(("done", "failed", "killed", "restarted", "refused", "cancelled"), 0)
        self._is_stopping = False
        self.is_dropping = False  # read without the lock: by slots that have just taken a job
        self._slots = [Slot(self, number, setup(number)) for number in range(limits.slots)]
        self._threads = [start_native_thread(slot.serve, name=f"{name}-{slot.number}") for slot in self._slots]

    def reserve(self) -> bool:
        """Keep a place for a job; False where the queue is full, or the pool has stopped."""
        with self._lock:
            free = self.limits.slots - len(self._running)
            has_room = len(self._waiting) + self._reserved < free + self.limits.queue_calls
            if self._is_stopping or not has_room:
                self._counts["refused"] += 1
                return False
            self._reserved += 1
            return True

    def give_back(self) -> None:
        """Do without a place that was kept."""
        with self._lock:
            self._reserved -= 1

    def submit(self, job: Job) -> bool:
        """Take a job for which there is a place; False where the pool has stopped since, and the job has failed."""
        with self._lock:
            self._reserved -= 1
            if not self._is_stopping:
                self._hand_out(job)
                return True
        job.fail(stopped_error())
        return False

    def _hand_out(self, job: Job) -> None:
        if not self._idle:
            self._waiting.append(job)
            return
        slot = self._idle.pop()
        self._running.add(job)
        slot.given = job
        slot.waker.wake()

    def next_for(self, slot: Slot) -> Job | None:
        """Return the job that has waited longest; None where there is none, and the slot is given the next."""
        with self._lock:
            if not self._waiting:
                self._idle.append(slot)
                return None
            job = self._waiting.popleft()
            self._running.add(job)
            return job

    def given_to(self, slot: Slot) -> Job | None:
        """Return what an idle slot has been given, if anything; it counts as idle no longer."""
        with self._lock:
            job, slot.given = slot.given, None
            if slot in self._idle:
                self._idle.remove(slot)
            return job

    def take_back(self, job: Job) -> None:
        """Let another slot run a job, of which nothing has been sent to the child."""
        with self._lock:
            self._running.discard(job)
            if not self.is_dropping:
                self._waiting.appendleft(job)
                if self._idle:
                    self._hand_out(self._waiting.popleft())
                return
        job.fail(stopped_error())

    def is_over(self, slot: Slot) -> bool:
        """Tell whether there is nothing more to do for a slot."""
        with self._lock:
            return self._is_stopping and not self._waiting and slot.given is None

    def count(self, job: Job, *, failed: bool) -> None:
        """Count a job as ended, before its client hears of it."""
        with self._lock:
            self._running.discard(job)
            self._counts["failed" if failed else "done"] += 1
            self._ended.notify_all()

    def count_as(self, what: str) -> None:
        """Count a child as ``killed`` or ``restarted``, or a call as ``cancelled``."""
        with self._lock:
            self._counts[what] += 1

    def drop_waiting(self, error: Any) -> None:
        """Answer those that wait with an error, unless there is hope for a child that will run them."""
        with self._lock:
            dropped = list(self._waiting) if all(slot.is_hopeless for slot in self._slots) else []
            self._waiting = deque() if dropped else self._waiting
            self._counts["failed"] += len(dropped)
            self._ended.notify_all()
        for job in dropped:
            self.fail(job, error)

    def fail(self, job: Job, error: Any) -> None:
        """Answer a job that has been counted as failed."""
        if job.is_notification and job.call is not None:  # nobody else will say so
            why = error.message if isinstance(error, JsonRpcError) else error
            self.log.write(WARNING, f"notification {job.call.route.url} failed: {why}")
        job.fail(error)

    def stop(self, timeout_s: float, allowed: int) -> int:
        """Finish all jobs within the timeout, and drop the rest; return how many notifications are lost.

        The children end, those that still run by force.
        """
        with self._lock:
            self._is_stopping = True
            self._wake_all()
            self._ended.wait_for(lambda: len(self._waiting) + len(self._running) <= allowed, timeout_s)
            dropped, unfinished = list(self._waiting), list(self._running)
            self._waiting.clear()
            self.is_dropping = True
            self._wake_all()
        for job in dropped:
            job.fail(stopped_error())
        for slot in self._slots:
            slot.end(unfinished)
        for slot, thread in zip(self._slots, self._threads, strict=True):
            self._join(slot, thread)
        return sum(job.is_notification for job in [*dropped, *unfinished])

    def _join(self, slot: Slot, thread: Any) -> None:
        thread.join(_JOIN_S)
        if thread.is_alive():
            slot.kill()
            thread.join(_JOIN_S)
        if not thread.is_alive():
            slot.waker.close()

    def _wake_all(self) -> None:
        for slot in self._slots:
            slot.waker.wake()

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        with self._lock:
            return {
                "poolSize": self.limits.slots,
                "alive": sum(slot.is_alive for slot in self._slots),
                "waiting": len(self._waiting),
                "running": len(self._running),
                **self._counts,
            }
