"""The calls of a batch, and their results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ..sansio_jsonrpc import ABSENT, JsonRpcError, OptionalId, RequestId
from .callers import Caller, Function
from .errors import ClientError, ProtocolError
from .messages import Answer, exception_of
from .options import CallOptions
from .parameters import Signature

__all__ = ["BatchCaller", "PendingCall", "settle"]


_P = ParamSpec("_P")
_Result = TypeVar("_Result")
_Result_co = TypeVar("_Result_co", covariant=True)


class PendingCall(Generic[_Result_co]):
    """One call of a batch. Its result is there when the batch has been sent.

    Args:
        options: The options of the call.
        method: The name of the method.
        args: The positional arguments.
        kwargs: The named arguments.
        signature: The names of the parameters, if they are known.
        is_notification: Whether it has no answer.
    """

    __slots__ = ("_outcome", "args", "id", "is_notification", "kwargs", "method", "options", "signature")

    def __init__(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
        *,
        is_notification: bool = False,
    ) -> None:
        self.options = options
        self.method = method
        self.args = args
        self.kwargs = kwargs
        self.signature = signature
        self.is_notification = is_notification
        self.id: OptionalId = ABSENT
        # The result, or the error or the exception in its place; ABSENT before.
        self._outcome: Any = ABSENT

    def __repr__(self) -> str:
        return f"<PendingCall {self.method!r}: {self._state()}>"

    def result(self) -> _Result_co:
        """Return the result of the call.

        Raises:
            JsonRpcException: The server answered this call with an error.
            ProtocolError: There is no answer to this call, or more than one.
            ClientError: The batch has not been sent, or it failed as a whole.
        """
        outcome = self._outcome
        if outcome is ABSENT:
            raise ClientError(f"the batch of {self.method} has not been sent; leave its with block first")
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, JsonRpcError):
            raise exception_of(outcome, self.id, self.options.errors)
        read_result = self.options.read_result
        result: _Result_co = outcome if read_result is None else read_result(outcome)
        return result

    def exception(self) -> Exception | None:
        """Return the exception that `result` raises; None if it returns."""
        try:
            self.result()
        except Exception as exc:  # noqa: BLE001  whatever result() raises is the answer
            return exc
        return None

    def answer(self, outcome: Any) -> None:
        """Take the result, or the error in its place."""
        if self._outcome is ABSENT:
            self._outcome = outcome
        else:
            self.fail(ProtocolError(f"more than one answer to {self.method}, the call {self.id}"))

    def fail(self, exc: Exception) -> None:
        """Take the exception in place of a response."""
        self._outcome = exc

    @property
    def is_settled(self) -> bool:
        """Whether there is a result, or an exception in its place."""
        return self._outcome is not ABSENT

    def close(self) -> None:
        """Take the end of the answers, without one to this call."""
        self._outcome = ProtocolError(f"no answer to {self.method}, the call {self.id}")

    def _state(self) -> str:
        if self._outcome is ABSENT:
            return "not sent"
        return "failed" if self.exception() else "done"


def settle(expected: Mapping[RequestId, PendingCall[Any]], answers: Iterable[Answer]) -> None:
    """Give each call its answer. A call without one, or with two, has a ProtocolError as its result.

    Raises:
        ProtocolError: There are answers to calls that are not in the batch.
    """
    unknown = []
    for answered_id, outcome in answers:
        call = expected.get(answered_id)
        if call is None:
            unknown.append(answered_id)
        else:
            call.answer(outcome)
    for call in expected.values():
        if not call.is_settled:
            call.close()
    if unknown:
        raise ProtocolError(f"answers to calls that are not in the batch, with the ids {unknown[:10]}")


class BatchRunner:
    """Collects calls: a `Runner`."""

    __slots__ = ("_add", "pending")

    def __init__(self) -> None:
        self.pending: list[PendingCall[Any]] = []
        self._add: Callable[[PendingCall[Any]], None] = self.pending.append

    def close(self) -> None:
        """Refuse calls from now on."""
        self._add = refuse_call

    def call(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> PendingCall[Any]:
        """Add a call."""
        call: PendingCall[Any] = PendingCall(options, method, args, kwargs, signature)
        self._add(call)
        return call

    def notify(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> None:
        """Add a notification."""
        self._add(PendingCall(options, method, args, kwargs, signature, is_notification=True))

    def batch(self, options: CallOptions) -> Any:
        """Refuse a batch in a batch."""
        raise ClientError("a batch cannot have a batch in it")


def refuse_call(call: PendingCall[Any]) -> None:
    """Refuse a call of a batch that has ended."""
    raise ClientError("the batch has been sent; begin another one")


class BatchCaller(Caller):
    """Collects calls: `batch.add(1, 2)` returns a `PendingCall`. The classes of batches add how they are sent.

    Args:
        send: Sends calls as one batch.
        options: The options of the batch and, without others, of its calls.
    """

    def __init__(self, send: Callable[[CallOptions, Sequence[PendingCall[Any]]], Any], options: CallOptions) -> None:
        self._calls = BatchRunner()
        self._send_calls = send
        super().__init__(self._calls, options)

    # No type has the methods of a class with other results.
    @overload  # type: ignore[override]  # of a batch, calls return a `PendingCall` in place of the result
    def typed(self, interface: type[Any], *, prefix: str = "") -> Any: ...

    @overload
    def typed(
        self, interface: Function[_P, Awaitable[_Result]], *, prefix: str = ""
    ) -> Callable[_P, PendingCall[_Result]]: ...

    @overload
    def typed(self, interface: Function[_P, _Result], *, prefix: str = "") -> Callable[_P, PendingCall[_Result]]: ...

    # A Protocol, which mypy refuses as a type[...].
    @overload
    def typed(self, interface: Callable[..., Any], *, prefix: str = "") -> Any: ...

    def typed(self, interface: Any, *, prefix: str = "") -> Any:
        """Return a view of this batch, whose calls return a `PendingCall`: see `Caller.typed`.

        Type checkers see the types of a function. The view of a class is Any to them.
        """
        return super().typed(interface, prefix=prefix)

    def results(self, *, return_exceptions: bool = False) -> list[Any]:
        """Return the results in the order of the calls, without the notifications.

        Args:
            return_exceptions: Whether a call that failed has its exception in the list.

        Raises:
            JsonRpcException: The server answered a call with an error: the first of these, unless they are returned.
            ClientError: The batch has not been sent, or a call has no answer.
        """
        calls = [call for call in self._calls.pending if not call.is_notification]
        if not return_exceptions:
            return [call.result() for call in calls]
        return [exc if (exc := call.exception()) is not None else call.result() for call in calls]

    def _finish(self, *, is_sent: bool) -> Any:
        """End the block. Return the result of sending; None if nothing is sent."""
        self._calls.close()
        if is_sent and self._calls.pending:
            return self._send_calls(self._options, self._calls.pending)
        return None
