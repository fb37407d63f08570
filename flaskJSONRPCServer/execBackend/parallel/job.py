"""One call in the pool of the backend ``parallel``, in the parent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...dispatch.deadlines import deadline_error, remaining_s
from ...dispatch.exec_backend import CallAnswer
from ...dispatch.remote import RemoteCall
from ...dispatch.routes import Route
from ...runtime.concurrency import make_event
from ...sansio_jsonrpc import JsonRpcException, JsonRpcInternalError
from .messages import CallMessage

__all__ = ["Decode", "Job", "TimedJob"]

# How long after the deadline of a call its slot may take to kill the child and report, before the thread that waits
# answers without it. Guessed; an answer may be 50 ms late.
_GRACE_S = 0.02

Decode = Callable[[bytearray], CallAnswer]
"""Returns the answer of a call from the bytes of its outcome."""


class Job:
    """A call, and its answer once there is one.

    Args:
        call: The call, as the server counts it; None for a call that failed before it began.
        call_message: The call, as a child gets it; None for a call that failed before it began.
        is_notification: Whether the client waits for no answer.
        client: The descriptor of the client's connection; None if it is not known.

    Attributes:
        deadline: When the call has to be answered, on the monotonic clock; None for no deadline.
        has_begun: Whether a child was sent the call. Its slot sets it just before.
        is_cancelled: Whether the caller has cancelled the call. Its slot reads it.
        times_not_sent: How many children ended before they were sent the call.
    """

    deadline: float | None = None
    has_begun = False
    is_cancelled = False

    def __init__(
        self,
        call: RemoteCall | None,
        call_message: CallMessage | None,
        *,
        is_notification: bool,
        client: int | None = None,
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
    def route(self) -> Route:
        """The route that is called."""
        assert self.call is not None  # noqa: S101  a job without a call is never run
        return self.call.route

    @classmethod
    def failed(cls, error: JsonRpcException) -> Job:
        """Return the job of a call that failed before it began."""
        job = cls(None, None, is_notification=False)
        job.fail(error)
        return job

    def finish(self, outcome: bytearray, *, failed: bool, code: int | None = None) -> None:
        """Keep the outcome that the child sent. The waiting thread decodes it, so that the slot is free at once.

        Args:
            outcome: The outcome, pickled.
            failed: Whether it is an error.
            code: The code of the error.
        """
        self._outcome = outcome
        self._end(failed=failed, code=code)

    def fail(self, result: Any) -> None:
        """Answer with an error: a JSON-RPC error as it is, any other exception as an unexpected one."""
        self._answer = False, {}, result
        self._end(failed=True, code=getattr(result, "code", JsonRpcInternalError.ERROR_CODE))

    def wait(self, decode: Decode) -> CallAnswer:
        """Wait for the answer, and return it."""
        self._done.wait()
        return self._answer if self._outcome is None else decode(self._outcome)

    def expire(self) -> None:
        """Answer that the deadline passed before the call began. It has been counted as failed."""
        self.fail(deadline_error("not started"))

    def _end(self, *, failed: bool, code: int | None) -> None:
        if self._done.is_set():
            return
        if self.call is not None:
            self.call.end(failed=failed, code=code)
        self._done.set()


class TimedJob(Job):
    """A call with a deadline.

    Args:
        call, call_message, is_notification, client: As with :class:`Job`.
        deadline: The deadline.
        withdraw: Removes the job from the queue of its pool, and counts it as failed; returns False if a slot has it.
        on_lost: Called if it is a notification, and expires before it begins.
    """

    def __init__(
        self,
        call: RemoteCall,
        call_message: CallMessage,
        *,
        is_notification: bool,
        client: int | None,
        deadline: float,
        withdraw: Callable[[Job], bool],
        on_lost: Callable[[], object],
    ) -> None:
        super().__init__(call, call_message, is_notification=is_notification, client=client)
        self.deadline: float = deadline
        self._withdraw = withdraw
        self._on_lost = on_lost

    def expire(self) -> None:
        """Answer that the deadline passed before the call began; a notification counts as lost."""
        if self.is_notification:
            self._on_lost()
        super().expire()

    def wait(self, decode: Decode) -> CallAnswer:
        """Wait for the answer until the deadline, and return it. The slot of a running call ends it then."""
        if not self._done.wait(remaining_s(self.deadline)):
            if self._withdraw(self):
                self.expire()
            elif not self._done.wait(remaining_s(self.deadline + _GRACE_S)):
                # The slot has yet to notice. It sends no call after the deadline, and kills the child of a sent one.
                return False, {}, deadline_error("killed" if self.has_begun else "not started")
        return super().wait(decode)
