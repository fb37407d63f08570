"""One call in the pool of the backend ``parallel``, in the parent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...dispatch.exec_backend import CallAnswer
from ...dispatch.remote import RemoteCall
from ...dispatch.routes import Route
from ...runtime.concurrency import make_event
from ...sansio_jsonrpc import JsonRpcException
from .messages import CallMessage

__all__ = ["Decode", "Job"]

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
        times_not_sent: How many children ended before they were sent the call.
    """

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

    def finish(self, outcome: bytearray, *, failed: bool) -> None:
        """Keep the outcome that the child sent. The waiting thread decodes it, so that the slot is free at once."""
        self._outcome = outcome
        self._end(failed=failed)

    def fail(self, result: Any) -> None:
        """Answer with an error: a JSON-RPC error as it is, any other exception as an unexpected one."""
        self._answer = False, {}, result
        self._end(failed=True)

    def wait(self, decode: Decode) -> CallAnswer:
        """Wait for the answer, and return it."""
        self._done.wait()
        return self._answer if self._outcome is None else decode(self._outcome)

    def _end(self, *, failed: bool) -> None:
        if self._done.is_set():
            return
        if self.call is not None:
            self.call.end(failed=failed)
        self._done.set()
