"""The declared calls of a mock server, and their answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..contract.compatibility.json_values import canonical
from ..errors import ContractError
from ..sansio_jsonrpc import (
    ABSENT,
    JsonRpcError,
    JsonRpcException,
    JsonRpcInvalidParamsError,
    JsonRpcSerializationError,
    Params,
)
from .answering import PEER
from .api_contract import MethodContract
from .calls import MockCall, call_text

__all__ = ["Expectation", "MockError"]


_CallAnswer = Callable[[MockCall], Any]


class MockError(AssertionError):
    """A test uses its mock wrongly, or its calls are not the declared ones. The message has the remedy."""


class Expectation:
    """A declared call of a mock server, as `MockServer.on` returns it.

    Args:
        method: The name of the method.
        args: The arguments by position; with `kwargs` empty too, any arguments.
        kwargs: The arguments by name.
        contract: What calls and answers are checked against; None for no check.

    Attributes:
        calls: The calls that it has answered, in their order.
    """

    def __init__(
        self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any], contract: MethodContract | None
    ) -> None:
        self._method = method
        self._contract = contract
        args, kwargs = json_of([*args]), json_of({**kwargs})
        self.has_arguments = bool(args or kwargs)
        self._text = call_text(method, args, kwargs.items()) if self.has_arguments else f"{method}(...)"
        self._wanted = self._read_arguments(args, kwargs) if self.has_arguments else ""
        self._answers: list[_CallAnswer] = [self._null]
        self._refuses_params = False
        self._times: int | None = None
        self.calls: list[MockCall] = []

    def __repr__(self) -> str:
        return f"<Expectation {self._text}: {len(self.calls)} calls>"

    @property
    def called(self) -> bool:
        """Whether there was a call."""
        return bool(self.calls)

    @property
    def call_count(self) -> int:
        """The number of calls."""
        return len(self.calls)

    def returns(self, result: Any, /, *later: Any) -> Expectation:
        """Answer with a result.

        Args:
            result: Any value that has a JSON form.
            later: The results of the second call and so on. The last one is repeated.

        Raises:
            MockError: The contract says that the method does not return it, or it has no JSON form.
        """
        results = [json_of(one) for one in (result, *later)]
        for one in results:
            self._hold(MethodContract.check_result, one, f"returns({one!r})")
        return self._answer_with([constant(one) for one in results])

    def raises(
        self, error: JsonRpcException | type[JsonRpcException] | int, message: str = "", data: Any = None
    ) -> Expectation:
        """Answer with an error.

        Args:
            error: An exception, its class, or a code.
            message: The message of a code.
            data: The data of a code.

        Raises:
            MockError: The contract says that the method has other errors.
        """
        exc = exception_of(error, message, data)
        self._hold(MethodContract.check_error, exc.get_error(), f"raises({exc.code})")

        def raise_error(call: MockCall) -> Any:
            raise JsonRpcException.exc_from_error(exc.get_error())  # a new one: threads may raise it at once

        return self._answer_with([raise_error], refuses_params=exc.code == JsonRpcInvalidParamsError.ERROR_CODE)

    def side_effect(self, function: Callable[..., Any], /) -> Expectation:
        """Answer with the result of a function, which is called with the parameters of each call.

        It may raise a `JsonRpcException`. Results and errors are checked against the contract when they come.
        """
        return self._answer_with([lambda call: self._computed(function, call)])

    def times(self, count: int, /) -> Expectation:
        """Expect exactly this number of calls. Without it, any number from 1.

        Raises:
            ValueError: The number is negative.
        """
        if count < 0:
            raise ValueError(f"times({count}): choose 0 or more")
        self._times = count
        return self

    @property
    def is_exhausted(self) -> bool:
        """Whether it has had all calls that `times` expects."""
        return self._times is not None and len(self.calls) >= self._times

    def matches(self, call: MockCall) -> bool:
        """Return whether a call is meant."""
        if call.method != self._method:
            return False
        return not self.has_arguments or self._comparable(call.params) == self._wanted

    def add(self, call: MockCall) -> int:
        """Record a call, and return its number from 0."""
        self.calls.append(call)
        return len(self.calls) - 1

    def check_call(self, call: MockCall) -> None:
        """Check the parameters of a call, unless an answer says that they are wrong.

        Raises:
            ContractError: The method does not take them.
        """
        if self._contract is not None and not self._refuses_params:
            self._contract.bind(call.params)

    def answer(self, call: MockCall, number: int) -> Any:
        """Return the result of a call, by its number.

        Raises:
            JsonRpcException: The declared error.
            ContractError: A computed result or error does not fit the contract.
        """
        return self._answers[min(number, len(self._answers) - 1)](call)

    def missing(self, has_to_be_called: bool) -> str | None:
        """Return the difference between the number of calls and the declared one; None if there is none."""
        if self._times is not None and len(self.calls) != self._times:
            called = "once" if len(self.calls) == 1 else f"{len(self.calls)} times"
            return f"{self._text} was called {called}, not {self._times}; correct times() or the caller"
        if self._times is None and has_to_be_called and not self.calls:
            return f"{self._text} was not called; remove its declaration, or pass assert_all_called=False"
        return None

    def _answer_with(self, answers: list[_CallAnswer], *, refuses_params: bool = False) -> Expectation:
        self._answers, self._refuses_params = answers, refuses_params
        return self

    def _null(self, call: MockCall) -> None:
        """Answer with null, if no answer is declared.

        Raises:
            ContractError: The method does not return null.
        """
        if self._contract is not None and not call.is_notification:
            self._contract.check_result(None)

    def _read_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return the declared arguments in the form of `_comparable`.

        Raises:
            MockError: The method takes no such arguments.
        """
        if self._contract is not None:
            try:
                return canonical(self._contract.bind(self._contract.merged(args, kwargs)))
            except ContractError as exc:
                raise MockError(f"mock.on: {self._text} does not fit the contract: {exc}") from exc
        if args and kwargs:
            raise MockError(
                f"mock.on: {self._text} has arguments by position and by name, and a call of JSON-RPC has either; "
                "give the mock a contract, which has the names of the parameters"
            )
        return canonical(args or kwargs)

    def _comparable(self, params: Params) -> str:
        """Return a text that equal parameters share; with a contract, those by name equal those by position."""
        if self._contract is not None:
            try:
                return canonical(self._contract.bind(params))
            except ContractError:  # reported when the call is answered by a declaration without arguments
                return ""
        return canonical(params or [])

    def _computed(self, function: Callable[..., Any], call: MockCall) -> Any:
        try:
            result = json_of(function(*call.args, **call.kwargs))
        except JsonRpcException as exc:
            if self._contract is not None:
                self._contract.check_error(exc.get_error())
            raise
        if self._contract is not None:
            self._contract.check_result(result)
        return result

    def _hold(self, check: Callable[[MethodContract, Any], None], answer: Any, declared: str) -> None:
        """Check a declared answer.

        Raises:
            MockError: It does not fit the contract.
        """
        try:
            if self._contract is not None:
                check(self._contract, answer)
        except ContractError as exc:
            raise MockError(f"{self._text}.{declared} does not fit the contract: {exc}") from exc


def constant(result: Any) -> _CallAnswer:
    return lambda call: result


def exception_of(error: Any, message: str, data: Any) -> JsonRpcException:
    """Return the exception of `Expectation.raises`.

    Raises:
        TypeError: It is neither an exception of JSON-RPC, nor its class, nor a code.
    """
    if isinstance(error, JsonRpcException):
        return error
    if isinstance(error, type) and issubclass(error, JsonRpcException):
        return error(message, data=data) if message else error(data=data)
    if isinstance(error, int) and not isinstance(error, bool):
        members = JsonRpcError(error, message or "error of the mock server", ABSENT if data is None else data)
        return JsonRpcException.exc_from_error(members)
    raise TypeError(f"raises({error!r}): it takes a JsonRpcException, its class, or a code, which is an integer")


def json_of(value: Any) -> Any:
    """Return a value as it arrives at the other side: a date as a text, a tuple as a list.

    Raises:
        MockError: It has no JSON form.
    """
    try:
        return json.loads(PEER.codec.dumps(value))
    except JsonRpcSerializationError as exc:
        raise MockError(f"{value!r} has no JSON form: {exc.__cause__}") from exc
