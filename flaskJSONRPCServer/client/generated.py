"""The base of generated clients, which import all that they need from here.

A generated class has the types of calls, and this module their behaviour. Results are JSON values as they came: the
types describe them, and nothing converts them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from copy import copy
from types import TracebackType
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, cast

from ..sansio_jsonrpc import JsonRpcApplicationError, JsonRpcException, JsonRpcReservedError
from .async_client import AsyncClient
from .callers import declared_idempotent
from .client import Client

__all__ = [
    "OMITTED",
    "AsyncClient",
    "AsyncMethods",
    "AsyncServerMethods",
    "BatchMethods",
    "Client",
    "JsonRpcApplicationError",
    "JsonRpcException",
    "JsonRpcReservedError",
    "Methods",
    "Pending",
    "ServerMethods",
    "SyncMethods",
    "joined",
    "mixed",
]

Params = Mapping[str, Any] | Sequence[Any]

_C = TypeVar("_C")
_M = TypeVar("_M", bound="Methods")
_R_co = TypeVar("_R_co", covariant=True)
_S = TypeVar("_S", bound="ServerMethods")
_A = TypeVar("_A", bound="AsyncServerMethods")
_Client = TypeVar("_Client", Client, AsyncClient)
_V = TypeVar("_V", bound="ClientMethods[Any]")
_Sync = TypeVar("_Sync", bound="SyncMethods")
_Async = TypeVar("_Async", bound="AsyncMethods")


class Omitted:
    """The type of `OMITTED`."""

    def __repr__(self) -> str:
        return "OMITTED"


OMITTED: Final[Any] = Omitted()
"""The default of a parameter that is not sent, so that the server chooses its value."""


class Pending(Protocol[_R_co]):
    """A call of a batch, whose result is there when the batch has been sent: a `PendingCall`."""

    def result(self) -> _R_co:
        """Return the result: see `PendingCall.result`."""

    def exception(self) -> Exception | None:
        """Return the exception that `result` raises; None if it returns."""


class Methods:
    """The methods of a server, or those of one prefix.

    Args:
        caller: A client, a view of one, or a batch.
    """

    __slots__ = ("_caller",)

    def __init__(self, caller: Any) -> None:
        self._caller = caller

    def _call(self, method: str, params: Params, *, idempotent: bool = False) -> Any:
        """Call a method with all parameters that are not omitted. It is repeated if it is declared idempotent."""
        caller = declared_idempotent(self._caller) if idempotent else self._caller
        if isinstance(params, Mapping):
            return caller.call(method, **given(params))
        return caller.call(method, *leading(method, params))

    def _notify(self, method: str, params: Params) -> Any:
        """Send a notification with all parameters that are not omitted."""
        if isinstance(params, Mapping):
            return self._caller.notify(method, **given(params))
        return self._caller.notify(method, *leading(method, params))


class BatchMethods(Methods):
    """The methods of a server, whose calls are collected for a batch."""

    __slots__ = ()

    def results(self, *, return_exceptions: bool = False) -> list[Any]:
        """Return the results in the order of the calls, without the notifications.

        Args:
            return_exceptions: Whether a call that failed has its exception in the list.
        """
        return cast("list[Any]", self._caller.results(return_exceptions=return_exceptions))


class ClientMethods(Methods, Generic[_Client]):
    """The methods of a client.

    Args:
        client: The client.
    """

    __slots__ = ("_client",)

    _ERRORS: ClassVar[Mapping[int, type[JsonRpcException]]] = {}

    def __init__(self, client: _Client) -> None:
        self._client: _Client = client
        super().__init__(client.options(errors=self._ERRORS))

    def options(self: _V, **changes: Any) -> _V:
        """Return a view of this client with other options, which are those of `Client.options`."""
        view = copy(self)
        view._caller = self._caller.options(**changes)
        return view


class SyncMethods(ClientMethods[Client]):
    """A client.

    Args:
        client: The URL of the methods, or a client for it.
        options: The options of a new `Client`.
    """

    __slots__ = ()

    def __init__(self, client: str | Client, **options: Any) -> None:
        super().__init__(Client(client, **options) if isinstance(client, str) else without_options(client, options))

    def __enter__(self: _Sync) -> _Sync:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _batch(self, methods: type[_M]) -> AbstractContextManager[_M]:
        return collected(self._caller, methods)


class AsyncMethods(ClientMethods[AsyncClient]):
    """An asynchronous client.

    Args:
        client: The URL of the methods, or a client for it.
        options: The options of a new `AsyncClient`.
    """

    __slots__ = ()

    def __init__(self, client: str | AsyncClient, **options: Any) -> None:
        super().__init__(
            AsyncClient(client, **options) if isinstance(client, str) else without_options(client, options)
        )

    async def __aenter__(self: _Async) -> _Async:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _batch(self, methods: type[_M]) -> AbstractAsyncContextManager[_M]:
        return collected_asynchronously(self._caller, methods)


class ServerMethods:
    """The clients of the paths of one server.

    Args:
        clients: The clients.
    """

    def __init__(self, *clients: SyncMethods) -> None:
        self._clients = clients

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all clients."""
        for client in self._clients:
            client.close()


class AsyncServerMethods:
    """The asynchronous clients of the paths of one server.

    Args:
        clients: The clients.
    """

    def __init__(self, *clients: AsyncMethods) -> None:
        self._clients = clients

    async def __aenter__(self: _A) -> _A:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections of all clients."""
        for client in self._clients:
            await client.close()


@contextmanager
def collected(caller: Any, methods: type[_M]) -> Iterator[_M]:
    """Send the calls of a block as one batch."""
    with caller.batch() as batch:
        yield methods(batch)


@asynccontextmanager
async def collected_asynchronously(caller: Any, methods: type[_M]) -> AsyncIterator[_M]:
    """Send the calls of a block as one batch."""
    async with caller.batch() as batch:
        yield methods(batch)


def given(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are not omitted."""
    return {name: value for name, value in params.items() if value is not OMITTED}


def leading(method: str, params: Sequence[Any]) -> list[Any]:
    """Return the parameters before the first omitted one.

    Raises:
        TypeError: There are others after it: a call by position cannot leave out what is in between.
    """
    count = next((place for place, value in enumerate(params) if value is OMITTED), len(params))
    if any(value is not OMITTED for value in params[count:]):
        raise TypeError(f"{method} takes parameters by position: parameter {count + 1} cannot be omitted before others")
    return list(params[:count])


def mixed(method: str, positional: Mapping[str, Any], rest: Sequence[Any], named: Mapping[str, Any]) -> Params:
    """Return the parameters of a method that takes some by position only, and others by name only.

    Args:
        method: The method.
        positional: The parameters that can be passed by position.
        rest: Further values by position.
        named: The parameters that can be passed by name.

    Raises:
        TypeError: Neither way has room for all of them.
    """
    by_position, by_name = given(positional), given(named)
    if not rest and by_position.keys() <= by_name.keys():
        return by_name
    if by_name.keys() <= by_position.keys():
        return [*positional.values(), *rest]
    alone = ", ".join(sorted(by_name.keys() - by_position.keys()))
    raise TypeError(f"{method} takes {alone} by name only, and others by position only; JSON-RPC has no call with both")


def without_options(client: _C, options: Mapping[str, Any]) -> _C:
    """Return a client that exists already.

    Raises:
        TypeError: There are options for a new one.
    """
    if options:
        raise TypeError(f"{', '.join(options)}: options of a new client; this one exists, so pass client.options(...)")
    return client


def joined(url: str, path: str) -> str:
    """Return the URL of a path of a server; a path that is a URL itself."""
    return path if "://" in path else url.rstrip("/") + path
