"""A mock server: it answers the calls that a test declares, and holds both sides to a contract."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Final

from ..client import Client, Transport
from ..errors import ContractError
from ..sansio_jsonrpc import (
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidParamsError,
    JsonRpcMethodNotFoundError,
    JsonRpcRequest,
)
from .answering import AnsweringTransport
from .api_contract import ApiContract, ContractSource, MethodContract, document_from
from .calls import MockCall, declaration_of
from .expectations import Expectation, MockError
from .live import LiveServer

__all__ = ["MockError", "MockServer"]

_DISCOVER: Final = "rpc.discover"


class MockServer:
    """Answers the calls that `on` declares: without a socket to `client`, and over HTTP at `url`.

    As a context manager, it checks at the end of the block that the calls were the declared ones.

    Args:
        contract: What calls and declared answers are checked against: an OpenRPC document as a dict or a JSON file, a
            server, or an interface, which is an object, a class, a Protocol or a function. None for no check.
        path: For a server with several paths: the one whose methods are mocked.
        assert_all_called: Whether each declared call has to come.

    Raises:
        ContractError: The contract cannot be read.
        MissingExtraError: There is a contract, and the extra ``testing`` is not installed.
    """

    def __init__(
        self, contract: ContractSource = None, *, path: str | None = None, assert_all_called: bool = True
    ) -> None:
        self._contract = None if contract is None else ApiContract(document_from(contract, path))
        self._assert_all_called = assert_all_called
        self._transport: Transport = AnsweringTransport(self._answer)
        self._live: LiveServer | None = None
        self._client: Client | None = None
        self._lock = threading.Lock()
        # Requests come from any thread: the lock guards these three.
        self._expectations: list[Expectation] = []
        self._calls: list[MockCall] = []
        self._problems: list[str] = []

    def __enter__(self) -> MockServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            self.verify()

    @property
    def client(self) -> Client:
        """A client of the mock, without a socket."""
        if self._client is None:
            self._client = Client("http://mock.invalid/", transport=self._transport)
        return self._client

    @property
    def transport(self) -> Transport:
        """The transport for a client of your own, without a socket: `Client(url, transport=mock.transport)`."""
        return self._transport

    @property
    def url(self) -> str:
        """The URL of the mock, for any client. The first use starts an HTTP server on a free port of 127.0.0.1."""
        with self._lock:
            if self._live is None:
                self._live = LiveServer(self._transport, self._add_problem)
            return self._live.url

    @property
    def calls(self) -> list[MockCall]:
        """The calls and notifications that have come, in their order, with the undeclared ones."""
        with self._lock:
            return [*self._calls]

    def on(self, method: str, /, *args: Any, **kwargs: Any) -> Expectation:
        """Declare a call.

        Args:
            method: The name of the method.
            args: The arguments by position that the call has to have.
            kwargs: Those by name. With a contract, arguments by name and by position are the same; without any
                arguments, all calls of the method are meant. A declaration with arguments comes before one without.

        Returns:
            The declaration, whose answer is null until `returns`, `raises` or `side_effect` gives another.

        Raises:
            MockError: The contract has no such method, or the method takes no such arguments.
        """
        expectation = Expectation(method, args, kwargs, self._method_contract(method))
        with self._lock:
            self._expectations.append(expectation)
        return expectation

    def verify(self) -> None:
        """Check that the calls were the declared ones, and fit the contract.

        Raises:
            MockError: They were not. The message lists all differences.
        """
        problems = self.problems()
        if problems:
            raise MockError("\n".join(["the calls of the mock server differ from the declared ones:", *problems]))

    def problems(self) -> list[str]:
        """Return the differences between the calls and the declared ones, each with its remedy."""
        with self._lock:
            missing = [one.missing(self._assert_all_called) for one in self._expectations]
            return [*self._problems, *filter(None, missing)]

    def passed(self) -> None:
        """Do nothing after a test that has passed."""

    def reset(self) -> None:
        """Forget all calls and declarations."""
        with self._lock:
            for mutable in (self._expectations, self._calls, self._problems):
                mutable.clear()

    def close(self) -> None:
        """Stop the HTTP server, if there is one."""
        with self._lock:
            live, self._live = self._live, None
        if live is not None:
            live.close()

    def _method_contract(self, method: str) -> MethodContract | None:
        try:
            return None if self._contract is None else self._contract.method(method)
        except ContractError as exc:
            raise MockError(f"mock.on({method!r}) does not fit the contract: {exc}") from exc

    def _answer(self, request: JsonRpcRequest) -> Any:
        call = MockCall.of(request)
        if call.method == _DISCOVER:  # clients ask it on their own
            return self._discovered()
        with self._lock:
            self._calls.append(call)
            expectation = self._find(call)
            number = 0 if expectation is None else expectation.add(call)
        if expectation is None:
            raise self._undeclared(call)
        return self._answer_of(expectation, call, number)

    def _discovered(self) -> Any:
        if self._contract is None:
            raise JsonRpcMethodNotFoundError
        return self._contract.document

    def _find(self, call: MockCall) -> Expectation | None:
        """Return the declaration of a call: with these arguments first, and then one that has not had all its calls."""
        found = [one for one in self._expectations if one.matches(call)]
        return min(found, key=lambda one: (one.is_exhausted, not one.has_arguments), default=None)

    def _undeclared(self, call: MockCall) -> JsonRpcException:
        """Report a call that is not declared. Return the error for the caller: that of the server, if it has one."""
        try:
            if self._contract is not None:
                self._contract.method(call.method).bind(call.params)
        except ContractError as exc:
            self._add_problem(f"unexpected call {call}, which does not fit the contract: {exc}; correct the caller")
            is_known = self._contract is not None and self._contract.has_method(call.method)
            return JsonRpcInvalidParamsError(f"Invalid params: {exc}") if is_known else JsonRpcMethodNotFoundError()
        self._add_problem(f"unexpected call {call}; declare it with {declaration_of(call)}")
        return JsonRpcMethodNotFoundError(f"Method not found: {call} is not declared on the mock server")

    def _answer_of(self, expectation: Expectation, call: MockCall, number: int) -> Any:
        try:
            expectation.check_call(call)
        except ContractError as exc:
            self._add_problem(f"{call} does not fit the contract: {exc}; correct the caller")
            raise JsonRpcInvalidParamsError(f"Invalid params: {exc}") from exc
        try:
            return expectation.answer(call, number)
        except ContractError as exc:
            self._add_problem(f"the answer to {call} does not fit the contract: {exc}; correct its declaration")
            raise JsonRpcInternalError(
                "Internal error: the answer of the mock server does not fit the contract"
            ) from exc
        except JsonRpcException:
            raise
        except Exception as exc:  # of side_effect: the test reports it, since the client may hide it
            self._add_problem(f"side_effect of {call} raised {exc!r}")
            raise JsonRpcInternalError(f"Internal error: side_effect raised {type(exc).__name__}") from exc

    def _add_problem(self, problem: str) -> None:
        with self._lock:
            self._problems.append(problem)
