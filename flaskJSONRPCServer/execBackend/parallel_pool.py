"""The pool of the backend ``parallel``, in the parent: a queue of calls, and slots that run them."""

from __future__ import annotations

import contextlib
import pickle
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..dispatch.handover import CALL_NOT_RUN, CallAnswer
from ..dispatch.remote import CALL_TIMED_OUT, WORKER_LOST, RemoteCall
from ..runtime.concurrency import make_condition, make_event, make_lock, start_native_thread
from ..runtime.logs import ERROR, WARNING, ServerLog
from ..sansio_jsonrpc import JsonRpcError, JsonRpcException
from .parallel_functions import Parcel, Parcels
from .parallel_process import ChildLostError, ChildProcess, TooLateError, Waker
from .parallel_wire import Kind

__all__ = ["Job", "Limits", "Pool"]

# After a child that could not even start, the next one is started so many seconds later; guessed.
_RETRY_S = 1.0

# How long a child may take until it waits for calls; guessed.
_BOOT_S = 60.0

# How much longer than a child a slot may take to end; guessed.
_JOIN_S = 10.0

Decode = Callable[[bytearray], CallAnswer]


class NotSentError(Exception):
    """The child had ended before it was sent a call, which may be sent to another."""


class Job:
    """One call, and its answer when there is one.

    Args:
        call: What the server counts; None where it is answered already.
        shipment: The call, as it travels.
        is_notification: Whether nobody waits for the answer.

    Attributes:
        times_not_sent: How many children had ended before they were sent it.
    """

    def __init__(self, call: RemoteCall | None, shipment: Any, *, is_notification: bool) -> None:
        self.call = call
        self.shipment = shipment
        self.is_notification = is_notification
        self.times_not_sent = 0
        self._done = make_event()
        self._answer: CallAnswer = False, {}, None
        self._outcome: bytearray | None = None

    @classmethod
    def answered(cls, error: JsonRpcException) -> Job:
        """Return one that has failed before it was begun."""
        job = cls(None, None, is_notification=False)
        job.fail(error)
        return job

    def take_outcome(self, outcome: bytearray, *, failed: bool) -> None:
        """Keep what the child has answered."""
        self._outcome = outcome
        self._end(failed=failed)

    def fail(self, result: Any) -> None:
        """Answer with an error: one of JSON-RPC as it is, any other exception as an unexpected one."""
        self._answer = False, {}, result
        self._end(failed=True)

    def wait(self, decode: Decode) -> CallAnswer:
        """Wait for the answer."""
        self._done.wait()
        return self._answer if self._outcome is None else decode(self._outcome)

    def _end(self, *, failed: bool) -> None:
        if self.call is not None:
            self.call.end(failed=failed)
        self._done.set()


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
        parcels: Pickles the functions.
        log: Told what children are lost.
        name: The name of the threads.
    """

    def __init__(
        self, limits: Limits, setup: Callable[[int], bytes], parcels: Parcels, log: ServerLog, name: str
    ) -> None:
        self.limits = limits
        self.parcels = parcels
        self.log = log
        self._lock = make_lock()
        self._ended = make_condition(self._lock)
        self._waiting: deque[Job] = deque()  # guarded by _lock, as all below
        self._reserved = 0
        self._running: set[Job] = set()
        self._idle: list[Slot] = []  # the last one has worked last
        self._counts = dict.fromkeys(("done", "failed", "killed", "restarted", "refused"), 0)
        self._is_stopping = self._is_dropping = False
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

    def submit(self, job: Job) -> None:
        """Take a job for which there is a place."""
        with self._lock:
            self._reserved -= 1
            if not self._is_stopping:
                self._hand_out(job)
                return
        job.fail(stopped())

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
            if not self._is_dropping:
                self._waiting.appendleft(job)
                if self._idle:
                    self._hand_out(self._waiting.popleft())
                return
        job.fail(stopped())

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

    def count_child(self, what: str) -> None:
        """Count a child as ``killed`` or ``restarted``."""
        with self._lock:
            self._counts[what] += 1

    def _close(self) -> None:
        for slot, thread in zip(self._slots, self._threads, strict=True):
            if not thread.is_alive():
                slot.waker.close()

    def drop_waiting(self, error: Any) -> None:
        """Answer those that wait with an error, unless there is hope for a child that will run them."""
        with self._lock:
            dropped = list(self._waiting) if all(slot.is_hopeless for slot in self._slots) else []
            self._waiting = deque() if dropped else self._waiting
            self._counts["failed"] += len(dropped)
        for job in dropped:
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
            self._is_dropping = True
            self._wake_all()
        for job in dropped:
            job.fail(stopped())
        for slot in self._slots:
            slot.end(unfinished)
        for thread in self._threads:
            thread.join(_JOIN_S)
        self._close()
        return sum(job.is_notification for job in [*dropped, *unfinished])

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


class Slot:
    """A place for a child: what concerns one child concerns its call, and no other.

    Args:
        pool: The pool.
        number: Its number.
        setup: The pickled setup of its child.
    """

    def __init__(self, pool: Pool, number: int, setup: bytes) -> None:
        self.number = number
        self.waker = Waker()
        self.given: Job | None = None  # guarded by the lock of the pool
        self.is_alive = False  # written by its thread
        self._pool = pool
        self._setup = setup
        self._child: ChildProcess | None = None  # replaced by its thread
        self._job: Job | None = None  # written by its thread
        self._starts = 0
        self._failed_starts = 0  # since the last that succeeded

    def serve(self) -> None:
        """Run jobs, until the pool stops: what its thread does."""
        try:
            while (job := self._next()) is not None:
                self._job = job
                self._run(job)
                self._job = None
        finally:
            child, self._child = self._child, None
            self.is_alive = False
            if child is not None:
                child.end()

    @property
    def is_hopeless(self) -> bool:
        """Whether its child does not become ready, again and again."""
        return self._failed_starts > 1

    def end(self, unfinished: list[Job]) -> None:
        """Kill the child where it runs one of these jobs, or is not even ready."""
        child, job = self._child, self._job
        if child is not None and (job in unfinished or not self.is_alive):
            child.kill()

    def _next(self) -> Job | None:
        while not self._pool.is_over(self):
            if not self.is_alive:
                self._start_child()
            elif (job := self._pool.next_for(self) or self._wait_idle()) is not None:
                return job
        return None

    def _wait_idle(self) -> Job | None:
        child = self._child
        assert child is not None  # noqa: S101  is_alive says so
        child.wait()
        job = self._pool.given_to(self)
        if not child.has_spoken:
            return job
        self._lose(child)  # one that is idle has nothing to say but that it has ended
        if job is not None:
            self._pool.take_back(job)
        if time.monotonic() < child.started_at + _RETRY_S:  # the next one may fare no better
            self.waker.wait(_RETRY_S)
        return None

    def _start_child(self) -> None:
        try:
            self._child = child = ChildProcess(self._setup, self.waker)
        except OSError as exc:  # no memory, or too many processes
            self._start_later(f"it cannot be started: {exc}")
            return
        if self._is_ready(child):
            self.is_alive = True
            self._has_started(child)
            return
        self._child, how = None, child.discard()
        if not self._pool.is_over(self):
            self._start_later(how)

    def _has_started(self, child: ChildProcess) -> None:
        if self._starts:
            self._pool.count_child("restarted")
        self._starts += 1
        self._failed_starts = 0
        with contextlib.suppress(ChildLostError):  # which is noticed when it is waited for
            self._teach(child, None)

    def _is_ready(self, child: ChildProcess) -> bool:
        deadline = time.monotonic() + _BOOT_S
        while not child.has_spoken:
            if self._pool.is_over(self) or not child.wait(deadline - time.monotonic()):
                return False
        try:
            return child.receive(deadline)[0] == Kind.READY
        except (ChildLostError, TooLateError):
            return False

    def _start_later(self, why: str) -> None:
        what = f"child process {self.number} did not become ready: {why}"
        self._failed_starts += 1
        self._pool.log.write(ERROR, what)
        self._pool.drop_waiting(JsonRpcError(WORKER_LOST, f"Not run: {what}"))
        self.waker.wait(_RETRY_S)

    def _run(self, job: Job) -> None:
        child = self._child
        assert child is not None and job.call is not None  # noqa: S101, PT018  next() says so
        try:
            parcel = self._pool.parcels.parcel(job.call.route.function)
            body = pickle.dumps((parcel.number, job.shipment), protocol=5)
        except Exception as exc:  # noqa: BLE001  the user's own __reduce__, among others
            self._fail(job, cannot_be_sent(job, exc))
            return
        timeout_s = self._pool.limits.timeout_s if parcel.timeout_s is None else parcel.timeout_s
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            self._send(child, job, parcel, body, deadline)
            self._take_answer(job, *child.receive(deadline))
        except NotSentError:
            self._lose(child)
            self._pool.take_back(job)
        except ChildLostError:
            self._fail(job, JsonRpcError(WORKER_LOST, f"The process that ran the call was lost: {self._lose(child)}"))
        except TooLateError:
            self._pool.count_child("killed")
            self._lose(child)
            self._fail(job, JsonRpcError(CALL_TIMED_OUT, f"The call took longer than {timeout_s:g} s, and was ended"))
        else:
            self._retire_when_due(child)

    def _send(self, child: ChildProcess, job: Job, parcel: Parcel, body: bytes, deadline: float | None) -> None:
        try:
            self._teach(child, parcel, deadline)
            child.send(Kind.CALL, body, deadline)
        except ChildLostError as exc:
            job.times_not_sent += 1
            if job.times_not_sent > 1:  # it may be what the child is sent that ends it
                raise
            raise NotSentError from exc

    def _teach(self, child: ChildProcess, parcel: Parcel | None, deadline: float | None = None) -> None:
        """Send the child what it has not been sent of the globals, and the function."""
        for space in list(self._pool.parcels.spaces):
            for part in space.parts[child.parts.get(space.number, 0) :]:
                child.send(Kind.GLOBALS, part, deadline)
                child.parts[space.number] = child.parts.get(space.number, 0) + 1
        if parcel is not None and parcel.number not in child.functions:
            child.send(Kind.FUNCTION, pickle.dumps((parcel.number, parcel.body), protocol=5), deadline)
            child.functions.add(parcel.number)

    def _take_answer(self, job: Job, kind: Kind, body: bytearray) -> None:
        if kind == Kind.NOT_RUN:
            self._fail(job, cannot_be_sent(job, body.decode()))
            return
        failed = kind == Kind.FAILED
        self._pool.count(job, failed=failed)
        job.take_outcome(body, failed=failed)

    def _fail(self, job: Job, error: Any) -> None:
        self._pool.count(job, failed=True)
        if job.is_notification and job.call is not None:  # nobody else will say so
            why = error.message if isinstance(error, JsonRpcError) else error
            self._pool.log.write(WARNING, f"notification {job.call.route.url} failed: {why}")
        job.fail(error)

    def _retire_when_due(self, child: ChildProcess) -> None:
        child.calls += 1
        if child.calls == self._pool.limits.calls_per_child:
            self.is_alive, self._child = False, None
            child.end()

    def _lose(self, child: ChildProcess) -> str:
        self.is_alive, self._child = False, None
        how = child.discard()
        self._pool.log.write(WARNING, f"child process {self.number} (pid {child.pid}) is lost: {how}")
        return how


def cannot_be_sent(job: Job, why: object) -> TypeError:
    url = job.call.route.url if job.call else ""
    return TypeError(
        f"dispatcher {url} cannot be sent to a child process: {why}; let it make what cannot be pickled when it is "
        "called, or run it on another exec backend"
    )


def stopped() -> JsonRpcError:
    return JsonRpcError(CALL_NOT_RUN, "Not run: the exec backend has stopped")
