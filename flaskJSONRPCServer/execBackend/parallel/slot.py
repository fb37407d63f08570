"""A slot of the pool of the backend ``parallel``, in the parent: a child process, and the thread that feeds it."""

from __future__ import annotations

import contextlib
import pickle
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...dispatch.backends import CallAnswer
from ...dispatch.locks import CALL_NOT_RUN
from ...dispatch.remote import CALL_TIMED_OUT, WORKER_LOST, RemoteCall
from ...runtime.concurrency import make_event
from ...runtime.logs import ERROR, WARNING
from ...sansio_jsonrpc import JsonRpcError, JsonRpcException
from ..base import stopped_error
from .functions import PickledFunction
from .process import ChildLostError, ChildProcess, ClientGoneError, TooLateError, Wakeup, is_closed
from .wire import MessageType

if TYPE_CHECKING:
    from .pool import Pool

__all__ = ["Job", "Slot"]

# After a child that could not even start, the next one is started so many seconds later; guessed.
_RETRY_S = 1.0

# How long a child may take until it waits for calls; guessed.
_BOOT_S = 60.0

Decode = Callable[[bytearray], CallAnswer]


class NotSentError(Exception):
    """The child had ended before it was sent a call, which may be sent to another."""


class Job:
    """One call, and its answer when there is one.

    Args:
        call: What the server counts; None where it is answered already.
        call_message: The call, as it travels.
        is_notification: Whether nobody waits for the answer.
        client: The descriptor of the connection of whoever waits for it, if that is known.

    Attributes:
        times_not_sent: How many children had ended before they were sent it.
    """

    def __init__(
        self, call: RemoteCall | None, call_message: Any, *, is_notification: bool, client: int | None = None
    ) -> None:
        self.call = call
        self.call_message = call_message
        self.is_notification = is_notification
        self.client = client
        self.times_not_sent = 0
        self._done = make_event()
        self._answer: CallAnswer = False, {}, None
        self._outcome: bytearray | None = None

    @property
    def function(self) -> Callable[..., Any]:
        """The dispatcher."""
        assert self.call is not None  # noqa: S101  one that is answered already is not run
        return self.call.route.function

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
        if self._done.is_set():
            return
        if self.call is not None:
            self.call.end(failed=failed)
        self._done.set()


class Slot:
    """A place for a child: what concerns one child concerns its call, and no other.

    Args:
        pool: The pool.
        number: Its number.
        setup: The pickled setup of its child.
    """

    def __init__(self, pool: Pool, number: int, setup: bytes) -> None:
        self.number = number
        self.waker = Wakeup()
        self.given: Job | None = None  # guarded by the lock of the pool
        self.is_alive = False  # written by its thread
        self._pool = pool
        self._setup = setup
        self._child: ChildProcess | None = None  # replaced by its thread
        self._job: Job | None = None  # written by its thread, before it asks whether the pool drops jobs
        self._starts = 0
        self._failed_starts = 0  # since the last that succeeded

    def serve(self) -> None:
        """Run jobs, until the pool stops: what its thread does."""
        try:
            while (job := self._next()) is not None:
                self._job = job
                self._run_safely(job)
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

    def _run_safely(self, job: Job) -> None:
        try:
            self._run(job)
        except Exception as exc:  # noqa: BLE001  whoever waits for the answer must be told, and the slot go on
            self._pool.log.write(ERROR, f"slot {self.number} failed", traceback=True)
            if self._child is not None:
                self._lose(self._child)
            self._fail(job, exc)

    def end(self, unfinished: list[Job]) -> None:
        """Kill the child where it runs one of these jobs, or is not even ready."""
        if self._job in unfinished or not self.is_alive:
            self.kill()

    def kill(self) -> None:
        """Kill the child, if there is one."""
        child = self._child
        if child is not None:
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
        except Exception as exc:  # noqa: BLE001  too many processes, or somebody changes os.environ meanwhile
            self._start_later(f"it cannot be started: {exc!r}")
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
            self._pool.count_as("restarted")
        self._starts += 1
        self._failed_starts = 0
        with contextlib.suppress(ChildLostError, TooLateError):  # the first call notices
            self._teach(child, None, time.monotonic() + _BOOT_S)

    def _is_ready(self, child: ChildProcess) -> bool:
        deadline = time.monotonic() + _BOOT_S
        while not child.has_spoken:
            if self._pool.is_over(self) or not child.wait(deadline - time.monotonic()):
                return False
        try:
            return child.receive(deadline)[0] == MessageType.READY
        except (ChildLostError, TooLateError):
            return False

    def _start_later(self, why: str) -> None:
        what = f"child process {self.number} did not become ready: {why}"
        self._failed_starts += 1
        self._pool.log.write(ERROR, what)
        self._pool.drop_waiting(JsonRpcError(WORKER_LOST, f"Not run: {what}"))
        self.waker.wait(_RETRY_S)

    def _run(self, job: Job) -> None:
        if self._pool.is_dropping:
            self._fail(job, stopped_error())
            return
        if job.client is not None and is_closed(job.client):
            self._pool.count_as("cancelled")
            self._fail(job, JsonRpcError(CALL_NOT_RUN, "Not run: its client has closed the connection"))
            return
        try:
            pickled = self._pool.pickler.pickled(job.function)
            body = pickle.dumps((pickled.number, job.call_message), protocol=5)
        except Exception as exc:  # noqa: BLE001  the user's own __reduce__, among others
            self._fail(job, cannot_be_sent(job, exc))
            return
        self._exchange(job, pickled, body)

    def _exchange(self, job: Job, pickled: PickledFunction, body: bytes) -> None:
        child = self._child
        assert child is not None  # noqa: S101  a job is taken with a child only
        timeout_s = self._pool.limits.timeout_s if pickled.timeout_s is None else pickled.timeout_s
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            self._send(child, job, pickled, body, deadline)
            answer = child.receive(deadline, job.client)
        except NotSentError:
            self._lose(child)
            self._pool.take_back(job)
        except (ChildLostError, ClientGoneError, TooLateError) as exc:
            self._fail(job, self._error_of(exc, self._lose(child), timeout_s))
        else:
            self._take_answer(job, *answer)
            self._retire_when_due(child)

    def _error_of(self, exc: Exception, how: str, timeout_s: float | None) -> JsonRpcError:
        if isinstance(exc, TooLateError):
            self._pool.count_as("killed")
            return JsonRpcError(CALL_TIMED_OUT, f"The call took longer than {timeout_s:g} s, and was ended")
        if isinstance(exc, ClientGoneError):
            self._pool.count_as("cancelled")
            return JsonRpcError(WORKER_LOST, "The call was ended: its client has closed the connection")
        return JsonRpcError(WORKER_LOST, f"The process that ran the call was lost: {how}")

    def _send(
        self, child: ChildProcess, job: Job, pickled: PickledFunction, body: bytes, deadline: float | None
    ) -> None:
        try:
            self._teach(child, pickled, deadline)
            child.send(MessageType.CALL, body, deadline)
        except ChildLostError as exc:
            job.times_not_sent += 1
            if job.times_not_sent > 1:  # it may be what the child is sent that ends it
                raise
            raise NotSentError from exc

    def _teach(self, child: ChildProcess, pickled: PickledFunction | None, deadline: float | None = None) -> None:
        """Send the child what it has not been sent of the globals, and the function."""
        for namespace in list(self._pool.pickler.namespaces):
            for part in namespace.parts[child.parts.get(namespace.number, 0) :]:
                child.send(MessageType.GLOBALS, part, deadline)
                child.parts[namespace.number] = child.parts.get(namespace.number, 0) + 1
        if pickled is not None and pickled.number not in child.functions:
            child.send(
                MessageType.FUNCTION, pickle.dumps((pickled.number, pickled.body, sys.path), protocol=5), deadline
            )
            child.functions.add(pickled.number)

    def _take_answer(self, job: Job, kind: MessageType, body: bytearray) -> None:
        if kind == MessageType.NOT_RUN:
            self._fail(job, cannot_be_sent(job, body.decode()))
            return
        failed = kind == MessageType.FAILED
        self._pool.count(job, failed=failed)
        job.take_outcome(body, failed=failed)

    def _fail(self, job: Job, error: Any) -> None:
        self._pool.count(job, failed=True)
        self._pool.fail(job, error)

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
