"""Call methods by name: what clients, their views and batches have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, ParamSpec, Protocol, TypeVar, overload

from ..sansio_jsonrpc import JsonRpcException
from .options import UNCHANGED, CallOptions, checked_key
from .parameters import Signature
from .retries import Retry
from .transports.headers import checked_headers, merged_headers
from .types.readers import result_reader
from .types.views import typed_view

__all__ = ["Caller", "Function", "Method", "Notifier", "Runner"]

_Interface = TypeVar("_Interface")
_Result_co = TypeVar("_Result_co", covariant=True)
_P = ParamSpec("_P")

# The header Request-Timeout takes at most 9 digits.
_NO_LIMIT_S: Final = 999_999_999

Invoke = Callable[[CallOptions, str, Sequence[Any], Mapping[str, Any]], Any]


class Function(Protocol[_P, _Result_co]):
    """A function: a class, which can be called too, has no globals."""

    @property
    def __globals__(self) -> dict[str, Any]: ...

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _Result_co:
        """Call it."""


class Runner(Protocol):
    """Runs calls: at once, as coroutines, or together as a batch."""

    def call(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> Any:
        """Call a method. Return its result, an awaitable of it, or a `PendingCall`."""

    def notify(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> Any:
        """Send a notification. Return None, or an awaitable of it."""

    def batch(self, options: CallOptions) -> Any:
        """Return the context manager of a batch."""


class Method:
    """A method of the server: `client.add`, or with a dotted name `client.math.add`."""

    __slots__ = ("_invoke", "_name", "_options")

    def __init__(self, invoke: Invoke, options: CallOptions, name: str) -> None:
        self._invoke = invoke
        self._options = options
        self._name = name

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method with these arguments."""
        return self._invoke(self._options, self._name, args, kwargs)

    def __getattr__(self, name: str) -> Method:
        refuse_private(self, name)
        return Method(self._invoke, self._options, f"{self._name}.{name}")

    def __repr__(self) -> str:
        return f"<Method {self._name!r}>"


class Notifier:
    """Sends notifications: `client.notify("log", "x")`, or `client.notify.log("x")`."""

    __slots__ = ("_options", "_runner")

    def __init__(self, runner: Runner, options: CallOptions) -> None:
        self._runner = runner
        self._options = options

    def __call__(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Send a notification."""
        return self._runner.notify(self._options, method, args, kwargs)

    def __getattr__(self, name: str) -> Method:
        refuse_private(self, name)
        return Method(self._runner.notify, self._options, name)


class Caller:
    """Calls the methods of a server, as attributes or by name.

    The names of this class hide methods of the server with the same names: use `call("batch")` for these.
    """

    def __init__(self, runner: Runner, options: CallOptions) -> None:
        self._runner = runner
        self._options = options

    def __getattr__(self, name: str) -> Method:
        refuse_private(self, name)
        method = Method(self._runner.call, self._options, name)
        # The next access finds it without this function, which takes as long as the rest of a call in a batch.
        self.__dict__[name] = method
        return method

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method.

        Args:
            method: Its name.
            args: Arguments by position.
            kwargs: Arguments by name. With both, the names come from the signature of a typed view, else from the
                OpenRPC document of the server, which is read once.

        Returns:
            The result; of an `AsyncClient`, an awaitable of it; of a batch, a `PendingCall`.

        Raises:
            JsonRpcException: The server answered with an error.
            TransportError: There is no answer.
            HttpStatusError: The server answered with an HTTP status in place of JSON-RPC.
            ProtocolError: The answer is not one to this call.
            TypeError: The arguments have no JSON form, or their names are not known.
        """
        return self._runner.call(self._options, method, args, kwargs)

    @property
    def notify(self) -> Notifier:
        """Send notifications, by `notify("log", "x")` or `notify.log("x")`. They return when the server has them."""
        return Notifier(self._runner, self._options)

    def batch(self) -> Any:
        """Return a batch, to be used in a `with` block. It is sent at the end of the block.

        In the block it is used as a client is, and calls return a `PendingCall`. If the block raises, nothing is sent.
        """
        return self._runner.batch(self._options)

    @overload
    def typed(self, interface: type[_Interface], *, prefix: str = "") -> _Interface: ...

    @overload
    def typed(self, interface: Function[_P, _Result_co], *, prefix: str = "") -> Callable[_P, _Result_co]: ...

    # A Protocol, which mypy refuses as a type[...].
    @overload
    def typed(  # type: ignore[overload-cannot-match]  # it is, by each Protocol
        self, interface: Callable[..., _Interface], *, prefix: str = ""
    ) -> _Interface: ...

    def typed(self, interface: Any, *, prefix: str = "") -> Any:
        """Return a view of this client with the methods of a Protocol or a class, or with the signature of a function.

        Arguments are checked against the signature, results are converted to the types of the hints, and the errors
        that a method declares are raised as its exceptions.

        Args:
            interface: The Protocol, the class or the function. The names of parameters and methods are those of the
                server.
            prefix: What the names of the methods begin with on the server, such as "math.".

        Raises:
            TypeError: The interface is none of these.
        """
        return typed_view(self._runner.call, self._options, interface, prefix)

    def options(
        self,
        *,
        timeout: float | None = UNCHANGED,
        retry: Retry | None = UNCHANGED,
        idempotency_key: str | bool | None = UNCHANGED,
        idempotent: bool = UNCHANGED,
        result_type: Any = UNCHANGED,
        headers: Mapping[str, str] | None = UNCHANGED,
        errors: Mapping[int, type[JsonRpcException]] | None = UNCHANGED,
    ) -> Caller:
        """Return a view of this client with other options. It shares the connections.

        Args:
            timeout: The seconds that a call may take, with its retries; None for no limit. Requests tell the server.
            retry: How calls are repeated; None for never.
            idempotency_key: Marks repetitions of one call, also your own. True makes a new key for each call.
            idempotent: Whether the methods may be run twice with the same effect as once, so that calls are repeated
                without a key. False also of those that the server declares idempotent.
            result_type: The type of the results, as a hint: they are converted, and what does not fit is a
                `ResultError`. Any turns this off.
            headers: Header fields, in addition to those of the client.
            errors: Classes of exceptions by the codes of errors. They come before the subclasses of
                `JsonRpcApplicationError` that exist in the program.

        Raises:
            ValueError: An option has a value that is not allowed.
        """
        changes: dict[str, Any] = {
            "timeout_s": checked_timeout("timeout", timeout) if timeout is not UNCHANGED else UNCHANGED,
            "tells_deadline": True if timeout is not UNCHANGED else UNCHANGED,
            "retry": Retry(attempts=1) if retry is None else retry,
            "idempotency_key": UNCHANGED if idempotency_key is UNCHANGED else checked_key(idempotency_key),
            "is_idempotent": idempotent,
            "read_result": UNCHANGED if result_type is UNCHANGED else result_reader(result_type),
            "headers": headers
            if headers is UNCHANGED
            else merged_headers(self._options.headers, checked_headers(headers or {})),
            "errors": {} if errors is None else errors,
        }
        changed = {name: value for name, value in changes.items() if value is not UNCHANGED}
        return Caller(self._runner, replace(self._options, **changed))


def declared_idempotent(caller: Caller) -> Caller:
    """Return a view for a method that is declared idempotent: what the user says about it comes first."""
    return caller if caller._options.is_idempotent is not None else caller.options(idempotent=True)


def refuse_private(owner: Any, name: str) -> None:
    """Keep copy, pickle and the like from calling methods of the server.

    Raises:
        AttributeError: The name begins with an underscore.
    """
    if name.startswith("_"):
        raise AttributeError(f"{type(owner).__name__!r} has no attribute {name!r}; call({name!r}) calls such a method")


def checked_timeout(name: str, timeout: float | None) -> float | None:
    """Return a timeout in seconds; None for no limit, as which decades count too: sockets and servers refuse them.

    Raises:
        ValueError: It is not a positive number.
    """
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0):
        raise ValueError(f"{name}={timeout!r}; it takes a positive number of seconds, or None for no limit")
    return timeout if timeout is None or timeout < _NO_LIMIT_S else None
