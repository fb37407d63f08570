"""The pool of the backend ``parallel``, in the parent: a queue of calls, and slots that run them."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

from ...dispatch.call_control import cancelled_error
from ...runtime.concurrency import make_condition, make_lock, start_native_thread
from ...runtime.logs import WARNING
from ...sansio_jsonrpc import JsonRpcError
from ..base import stopped_error
from .job import Job
from .slot import Limits, PoolParts, Slot

__all__ = ["Pool"]

# How much longer than a child a slot may take to end; guessed.
_JOIN_S = 10.0


class Pool:
    """Runs jobs in slots. Each slot is a child process, and the native thread that feeds it.

    The pool implements :class:`~.slot.JobQueue`.

    Args:
        parts: The parts that all slots share.
        setup: Returns the pickled setup of the child of a slot, by the number of the slot.
        name: The name of the threads.

    Attributes:
        limits: The limits.
        is_dropping: Whether jobs that have not begun are dropped. Slots read it without the lock.
    """

    def __init__(self, parts: PoolParts, setup: Callable[[int], bytes], name: str) -> None:
        self.limits: Limits = parts.limits
        self._parts = parts
        self._lock = make_lock()
        self._ended = make_condition(self._lock)
        self._waiting: deque[Job] = deque()  # guarded by _lock, as all below
        self._reserved = 0
        self._running: set[Job] = set()
        self._idle: list[Slot] = []  # the last one has worked last
        self._counts = dict.fromkeys(("done", "failed", "killed", "restarted", "refused", "cancelled"), 0)
        self._dropped: list[Job] = []
        self._is_stopping = False
        self.is_dropping = False
        self._slots: list[Slot] = []  # complete before a thread starts
        self._threads: list[Any] = []  # of the first slots, in their order; of all if the pool could start
        try:
            for number in range(parts.limits.slots):
                self._slots.append(Slot(self, parts, number, setup(number)))
            for slot in self._slots:
                self._threads.append(start_native_thread(slot.serve, name=f"{name}-{slot.number}"))
        except BaseException:  # too many descriptors, processes or threads; or an interrupt
            self.stop(0, 0)
            raise

    def reserve(self) -> bool:
        """Reserve a place for a job; return False if the queue is full, or the pool has stopped."""
        with self._lock:
            free = self.limits.slots - len(self._running)
            has_room = len(self._waiting) + self._reserved < free + self.limits.queue_calls
            if self._is_stopping or not has_room:
                self._counts["refused"] += 1
                return False
            self._reserved += 1
            return True

    def cancel_reservation(self) -> None:
        """Release a reserved place that no job takes."""
        with self._lock:
            self._reserved -= 1

    def submit(self, job: Job) -> bool:
        """Take a job, in a reserved place; if the pool has stopped since, fail the job and return False."""
        with self._lock:
            self._reserved -= 1
            if not self._is_stopping:
                self._assign(job)
                return True
        job.fail(stopped_error())
        return False

    def _assign(self, job: Job) -> None:
        if not self._idle:
            self._waiting.append(job)
            return
        slot = self._idle.pop()
        self._running.add(job)
        slot.assigned = job
        slot.wakeup.wake()

    def withdraw(self, job: Job) -> bool:
        """Remove a waiting job, and count it as failed; return False if a slot has it, or it has ended."""
        with self._lock:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            self._counts["failed"] += 1
            self._ended.notify_all()
            return True

    def cancel(self, job: Job) -> None:
        """End a job that its caller has cancelled: at once if it waits, else its slot ends it."""
        job.is_cancelled = True
        if self.withdraw(job):
            job.fail(cancelled_error("not started"))
            return
        with self._lock:
            self._wake_all()

    def next_job_for(self, slot: Slot) -> Job | None:
        """Return the job that has waited longest; None if there is none, and the slot is idle then."""
        with self._lock:
            if not self._waiting:
                self._idle.append(slot)
                return None
            job = self._waiting.popleft()
            self._running.add(job)
            return job

    def take_assigned(self, slot: Slot) -> Job | None:
        """Return the job that was assigned to an idle slot, if any; the slot is not idle any more."""
        with self._lock:
            job, slot.assigned = slot.assigned, None
            if slot in self._idle:
                self._idle.remove(slot)
            return job

    def requeue(self, job: Job) -> None:
        """Give a job to another slot, because its child ended before it was sent the call."""
        with self._lock:
            self._running.discard(job)
            if not self.is_dropping:
                self._waiting.appendleft(job)
                if self._idle:
                    self._assign(self._waiting.popleft())
                return
        job.fail(stopped_error())

    def has_no_work_for(self, slot: Slot) -> bool:
        """Return whether the pool stops, and no job is left for a slot."""
        with self._lock:
            return self._is_stopping and not self._waiting and slot.assigned is None

    def count(self, job: Job, *, failed: bool) -> None:
        """Count a job as ended, before its client learns of it."""
        with self._lock:
            self._running.discard(job)
            self._counts["failed" if failed else "done"] += 1
            self._ended.notify_all()

    def increment(self, counter: str) -> None:
        """Count a child as ``killed`` or ``restarted``, or a call as ``cancelled``."""
        with self._lock:
            self._counts[counter] += 1

    def fail_waiting(self, error: Any) -> None:
        """Answer the waiting jobs with an error, if no slot can start a child."""
        with self._lock:
            dropped = list(self._waiting) if all(slot.cannot_start for slot in self._slots) else []
            self._waiting = deque() if dropped else self._waiting
            self._counts["failed"] += len(dropped)
            self._ended.notify_all()
        for job in dropped:
            self.fail(job, error)

    def fail(self, job: Job, error: Any) -> None:
        """Answer a job that has been counted as failed."""
        if job.is_notification and job.call is not None:  # no answer reports it
            why = error.message if isinstance(error, JsonRpcError) else error
            self._parts.log.write(WARNING, f"notification {job.call.route.url} failed: {why}")
        job.fail(error)

    def stop(self, timeout_s: float, allowed: int) -> int:
        """Finish all jobs within the timeout, and drop the rest; return how many notifications are lost.

        The children end; those that still run a job are killed. After an interrupt, another call does the rest.

        Args:
            timeout_s: How long to wait for the jobs, in seconds.
            allowed: How many jobs need not be waited for.
        """
        with self._lock:
            self._is_stopping = True
            self._wake_all()
            self._ended.wait_for(lambda: len(self._waiting) + len(self._running) <= allowed, timeout_s)
            self._dropped += self._waiting
            self._waiting.clear()
            dropped, unfinished = list(self._dropped), list(self._running)
            self.is_dropping = True
            self._wake_all()
        for job in dropped:
            job.fail(stopped_error())
        for slot in self._slots:
            slot.end(unfinished)
        for slot, thread in itertools.zip_longest(self._slots, self._threads):
            self._join(slot, thread)
        return sum(job.is_notification for job in [*dropped, *unfinished])

    def _join(self, slot: Slot, thread: Any) -> None:
        if thread is None:  # it could not be started
            self.release(slot)
            return
        thread.join(_JOIN_S)
        if thread.is_alive():
            slot.kill()
            thread.join(_JOIN_S)

    def release(self, slot: Slot) -> None:
        """Close the wakeup of a slot that runs no more jobs."""
        with self._lock:
            slot.wakeup.close()

    def _wake_all(self) -> None:
        for slot in self._slots:
            slot.wakeup.wake()

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
