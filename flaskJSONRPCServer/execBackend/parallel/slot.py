"""A slot of the pool of the backend ``parallel``, in the parent: a child process, and the thread that feeds it.

A slot runs one call at a time, and waits for its answer, the end of the child or the deadline, whichever comes first.
So a crash or a timeout concerns one call.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
import time
from dataclasses import dataclass
from typing import Any, Protocol

from ...dispatch.call_control import cancelled_error
from ...dispatch.deadlines import CALL_TIMED_OUT, deadline_error, has_passed
from ...dispatch.locks import CALL_NOT_RUN
from ...dispatch.remote import WORKER_LOST
from ...runtime.logs import DEBUG, ERROR, WARNING, ServerLog
from ...sansio_jsonrpc import JsonRpcError
from ..base import stopped_error
from .job import Job
from .pickling import FunctionPickler, PickledFunction
from .process import (
    CallCancelledError,
    CallTimeoutError,
    ChildLostError,
    ChildProcess,
    ClientDisconnectedError,
    OpenSession,
    SlotWakeup,
    is_closed,
)
from .wire import MessageType, code_of

__all__ = ["JobQueue", "Limits", "PoolParts", "Slot"]

# How many seconds after the failed start of a child the next one is started; guessed.
_RETRY_S = 1.0

# How long a child may take until it waits for calls; guessed.
_BOOT_S = 60.0

_CANCELLED = "which its caller has cancelled"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a pool.

    Attributes:
        slots: The number of children.
        queue_calls: The most calls that wait for a child.
        timeout_s: The most seconds that a call may run; None for no limit.
        calls_per_child: The number of calls after which a child is replaced; None: never.
    """

    slots: int
    queue_calls: int
    timeout_s: float | None
    calls_per_child: int | None


@dataclass(frozen=True, slots=True)
class PoolParts:
    """The parts that all slots of a pool share.

    Attributes:
        limits: The limits.
        pickler: Pickles the functions.
        log: Gets the loss of a child.
        open_session: Returns the session of a child for the parent's end of its channel.
    """

    limits: Limits
    pickler: FunctionPickler
    log: ServerLog
    open_session: OpenSession


class JobQueue(Protocol):
    """The pool, as its slots use it."""

    @property
    def is_dropping(self) -> bool:
        """Whether jobs that have not begun are dropped."""

    def next_job_for(self, slot: Slot) -> Job | None:
        """Return the job that has waited longest; None if there is none, and the slot is idle then."""

    def take_assigned(self, slot: Slot) -> Job | None:
        """Return the job that was assigned to an idle slot, if any; the slot is not idle any more."""

    def requeue(self, job: Job) -> None:
        """Give a job to another slot, because its child ended before it was sent the call."""

    def has_no_work_for(self, slot: Slot) -> bool:
        """Return whether the pool stops, and no job is left for a slot."""

    def count(self, job: Job, *, failed: bool) -> None:
        """Count a job as ended, before its client learns of it."""

    def increment(self, counter: str) -> None:
        """Count a child as ``killed`` or ``restarted``, or a call as ``cancelled``."""

    def fail_waiting(self, error: Any) -> None:
        """Answer the waiting jobs with an error, if no slot can start a child."""

    def fail(self, job: Job, error: Any) -> None:
        """Answer a job that has been counted as failed."""

    def release(self, slot: Slot) -> None:
        """Close the wakeup of a slot that runs no more jobs."""


class Slot:
    """A place for a child.

    Args:
        queue: The jobs.
        parts: The parts that all slots share.
        number: The number of the slot.
        setup: The pickled setup of its child.
    """

    def __init__(self, queue: JobQueue, parts: PoolParts, number: int, setup: bytes) -> None:
        self.number = number
        self.wakeup = SlotWakeup()
        self.assigned: Job | None = None  # guarded by the lock of the pool
        self.is_alive = False  # written by its thread
        self._queue = queue
        self._parts = parts
        self._setup = setup
        self._child: ChildProcess | None = None  # replaced by its thread
        self._job: Job | None = None  # written by its thread, before it reads is_dropping
        self._starts = 0
        self._failed_starts = 0  # since the last successful one

    def serve(self) -> None:
        """Run jobs until the pool stops. It is the target of the slot's thread."""
        try:
            while (job := self._next_job()) is not None:
                self._job = job
                self._run_safely(job)
                self._job = None
        finally:
            child, self._child = self._child, None
            self.is_alive = False
            try:
                if child is not None:
                    child.end()
            finally:
                self._queue.release(self)

    @property
    def cannot_start(self) -> bool:
        """Whether its child has failed to start more than once."""
        return self._failed_starts > 1

    def end(self, unfinished: list[Job]) -> None:
        """Kill the child if it runs one of these jobs, or is not ready yet."""
        if self._job in unfinished or not self.is_alive:
            self.kill()

    def kill(self) -> None:
        """Kill the child, if there is one."""
        child = self._child
        if child is not None:
            child.kill()

    def _next_job(self) -> Job | None:
        while not self._queue.has_no_work_for(self):
            if not self.is_alive:
                self._start_child()
            elif (job := self._queue.next_job_for(self) or self._wait_idle()) is not None:
                return job
        return None

    def _wait_idle(self) -> Job | None:
        child = self._child
        assert child is not None  # noqa: S101  is_alive says so
        child.wait()
        job = self._queue.take_assigned(self)
        if not child.is_readable:
            return job
        self._lose(child)  # an idle child sends nothing, so it has ended
        if job is not None:
            self._queue.requeue(job)
        if time.monotonic() < child.started_at + _RETRY_S:  # the next one may end as early
            self.wakeup.wait(_RETRY_S)
        return None

    def _start_child(self) -> None:
        try:
            self._child = child = ChildProcess(self._setup, self.wakeup, self._parts.open_session)
        except Exception as exc:  # noqa: BLE001  too many processes, or another thread changes os.environ meanwhile
            self._start_later(f"it cannot be started: {exc!r}")
            return
        if self._is_ready(child):
            self.is_alive = True
            self._has_started(child)
            return
        self._child, how = None, child.discard()
        if not self._queue.has_no_work_for(self):
            self._start_later(how)

    def _has_started(self, child: ChildProcess) -> None:
        if self._starts:
            self._queue.increment("restarted")
        self._starts += 1
        self._failed_starts = 0
        with contextlib.suppress(ChildLostError, CallTimeoutError):  # the first call notices
            self._send_globals(child, time.monotonic() + _BOOT_S)

    def _is_ready(self, child: ChildProcess) -> bool:
        deadline = time.monotonic() + _BOOT_S
        while not child.is_readable:
            if self._queue.has_no_work_for(self) or not child.wait(deadline - time.monotonic()):
                return False
        try:
            return child.receive(deadline)[0] == MessageType.READY
        except (ChildLostError, CallTimeoutError):
            return False

    def _start_later(self, why: str) -> None:
        message = f"child process {self.number} did not become ready: {why}"
        self._failed_starts += 1
        self._parts.log.write(ERROR, message)
        self._queue.fail_waiting(JsonRpcError(WORKER_LOST, f"Not run: {message}"))
        self.wakeup.wait(_RETRY_S)

    def _run_safely(self, job: Job) -> None:
        try:
            self._run(job)
        except Exception as exc:  # noqa: BLE001  the job needs an answer, and the slot has to go on
            self._parts.log.write(ERROR, f"slot {self.number} failed", traceback=True)
            if self._child is not None:
                self._lose(self._child)
            self._fail(job, exc)

    def _run(self, job: Job) -> None:
        if self._queue.is_dropping:
            self._fail(job, stopped_error())
            return
        if has_passed(job.deadline):
            self._expire(job)
            return
        if job.is_cancelled:
            self._fail(job, cancelled_error("not started"))
            return
        if job.client is not None and is_closed(job.client):
            self._queue.increment("cancelled")
            self._fail(job, JsonRpcError(CALL_NOT_RUN, "Not run: its client has closed the connection"))
            return
        try:
            function = self._parts.pickler.pickle_function(job.route.function)
            mapping = self._parts.pickler.pickle_mapping(job.route)
            mapping_number = None if mapping is None else mapping.number
            body = pickle.dumps((function.number, mapping_number, job.call_message), protocol=5)
        except Exception as exc:  # noqa: BLE001  the user's own __reduce__, among others
            self._fail(job, cannot_be_sent(job, exc))
            return
        self._run_in_child(job, function, [function] if mapping is None else [function, mapping], body)

    def _run_in_child(self, job: Job, function: PickledFunction, functions: list[PickledFunction], body: bytes) -> None:
        child = self._child
        assert child is not None  # noqa: S101  a slot without a child takes no job
        timeout_s = self._parts.limits.timeout_s if function.timeout_s is None else function.timeout_s
        deadline = job.deadline if timeout_s is None else earlier(time.monotonic() + timeout_s, job.deadline)
        try:
            self._send(child, job, functions, body, deadline)
            answer = child.receive(deadline, job.client, lambda: job.is_cancelled)
        except NotSentError:
            self._lose(child)
            self._queue.requeue(job)
        except CallCancelledError:
            self._end_cancelled(job, child)
        except (ChildLostError, ClientDisconnectedError, CallTimeoutError) as exc:
            is_late = isinstance(exc, CallTimeoutError) and deadline == job.deadline
            # A client that was answered at the deadline closes its connection, perhaps before this thread looks.
            if is_late or (isinstance(exc, ClientDisconnectedError) and has_passed(job.deadline)):
                self._end_late(job, child)
                return
            self._fail(job, self._replace_without_answer(exc, child, timeout_s))
        else:
            self._take_answer(job, *answer)
            self._retire_when_due(child)

    def _expire(self, job: Job) -> None:
        self._queue.count(job, failed=True)
        job.expire()

    def _end_late(self, job: Job, child: ChildProcess) -> None:
        """Answer a call whose deadline has passed, and replace its child."""
        child.kill()  # the rest takes a while, and the answer is due
        if job.has_begun:
            self._queue.increment("killed")
            self._fail(job, deadline_error("killed"))
        else:
            self._expire(job)
        self._replace(child, WARNING, "whose deadline has passed")

    def _end_cancelled(self, job: Job, child: ChildProcess) -> None:
        """Answer a call that its caller has cancelled, and replace its child."""
        child.kill()  # the rest takes a while, and a thread waits
        if job.has_begun:
            self._queue.increment("killed")
        self._fail(job, cancelled_error("killed" if job.has_begun else "not started"))
        self._replace(child, DEBUG, _CANCELLED)

    def _replace_without_answer(self, exc: Exception, child: ChildProcess, timeout_s: float | None) -> JsonRpcError:
        """Replace the child of a call that has no answer, and return the error of the call."""
        if isinstance(exc, CallTimeoutError):
            self._replace(child, WARNING, f"which took longer than {timeout_s:g} s")
            self._queue.increment("killed")
            return JsonRpcError(CALL_TIMED_OUT, f"The call took longer than {timeout_s:g} s, and was ended")
        if isinstance(exc, ClientDisconnectedError):
            self._replace(child, DEBUG, _CANCELLED)
            self._queue.increment("cancelled")
            return JsonRpcError(WORKER_LOST, "The call was ended: its client has closed the connection")
        if self._queue.is_dropping:  # the pool has killed it
            how = self._replace(child, WARNING, "for which the stop of the server has not waited")
        else:
            how = self._lose(child)
        return JsonRpcError(WORKER_LOST, f"The process that ran the call was lost: {how}")

    def _send(
        self, child: ChildProcess, job: Job, functions: list[PickledFunction], body: bytes, deadline: float | None
    ) -> None:
        try:
            self._send_globals(child, deadline)
            for function in functions:
                self._send_function(child, function, deadline)
            if has_passed(job.deadline):
                raise CallTimeoutError
            if job.is_cancelled:
                raise CallCancelledError
            job.has_begun = True
            child.send(MessageType.CALL, body, deadline)
        except ChildLostError as exc:
            job.times_not_sent += 1
            if job.times_not_sent > 1:  # the messages themselves may be what ends the child
                raise
            raise NotSentError from exc

    def _send_globals(self, child: ChildProcess, deadline: float | None) -> None:
        """Send the parts of the globals that the child lacks."""
        for namespace in list(self._parts.pickler.namespaces):
            for part in namespace.parts[child.parts.get(namespace.number, 0) :]:
                child.send(MessageType.GLOBALS, part, deadline)
                child.parts[namespace.number] = child.parts.get(namespace.number, 0) + 1

    def _send_function(self, child: ChildProcess, function: PickledFunction, deadline: float | None) -> None:
        """Send a function, unless the child has it; a call names its number alone."""
        if function.number not in child.functions:
            body = pickle.dumps((function.number, function.body, sys.path), protocol=5)
            child.send(MessageType.FUNCTION, body, deadline)
            child.functions.add(function.number)

    def _take_answer(self, job: Job, message_type: MessageType, body: bytearray) -> None:
        if message_type == MessageType.NOT_RUN:
            self._fail(job, cannot_be_sent(job, body.decode()))
            return
        code = code_of(body) if message_type == MessageType.FAILED else None
        self._queue.count(job, failed=code is not None)
        job.finish(body, failed=code is not None, code=code)

    def _fail(self, job: Job, error: Any) -> None:
        self._queue.count(job, failed=True)
        self._queue.fail(job, error)

    def _retire_when_due(self, child: ChildProcess) -> None:
        child.calls += 1
        if child.calls == self._parts.limits.calls_per_child:
            self.is_alive, self._child = False, None
            child.end()

    def _replace(self, child: ChildProcess, level: int, why: str) -> str:
        """Let another child take the place of one that is killed with its call; return how it ended."""
        how = self._discard(child)
        self._parts.log.write(level, f"child process {self.number} (pid {child.pid}) was ended with its call, {why}")
        return how

    def _discard(self, child: ChildProcess) -> str:
        self.is_alive, self._child = False, None
        return child.discard()

    def _lose(self, child: ChildProcess) -> str:
        how = self._discard(child)
        self._parts.log.write(WARNING, f"child process {self.number} (pid {child.pid}) is lost: {how}")
        return how


def earlier(deadline: float, other: float | None) -> float:
    """Return the earlier of two deadlines, the second of which may be missing."""
    return deadline if other is None else min(deadline, other)


class NotSentError(Exception):
    """The child ended before it was sent a call, so another child may run it."""


def cannot_be_sent(job: Job, why: object) -> TypeError:
    """Return the error for a dispatcher that cannot be pickled or loaded."""
    url = job.call.route.url if job.call else ""
    return TypeError(
        f"dispatcher {url} cannot be sent to a child process: {why}; let it make what cannot be pickled when it is "
        "called, or run it on another exec backend"
    )
