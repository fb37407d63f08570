"""Middleware: the calls that it gets, and the list of it that the documented ``use`` fills."""

from __future__ import annotations

import dataclasses
import inspect
import threading
from collections.abc import Callable, Collection
from typing import Any, Protocol

from ..errors import RegistrationError
from ..inspection import read_signature
from ..sansio_jsonrpc import ABSENT, Absent, JsonRpcRequest, Params, RequestId
from .connection import Connection, ServerFacts
from .exchange import Exchange
from .routes import Route

__all__ = ["Call", "Middleware", "MiddlewareRegistry", "Proceed", "checked_middleware", "name_of"]


class Call:
    """One call, as middleware sees it.

    Args:
        request: The call as it was received.
        route: The route of its method.
        exchange: The HTTP request that it belongs to.
        server: The server, as connections show it.

    Attributes:
        connection_if_made: The :attr:`connection`, if middleware has used it.
    """

    __slots__ = ("_exchange", "_request", "_route", "_server", "connection_if_made")

    def __init__(self, request: JsonRpcRequest, route: Route, exchange: Exchange, server: ServerFacts) -> None:
        self._request = request
        self._route = route
        self._exchange = exchange
        self._server = server
        self.connection_if_made: Connection | None = None

    def __repr__(self) -> str:
        return f"<Call {self.url}>"

    @property
    def method(self) -> str:
        """The name that was called; a method may have several."""
        return self._route.name

    @property
    def path(self) -> str:
        """The path that was called, such as ``/api/``."""
        return self._route.path

    @property
    def url(self) -> str:
        """The path and the name: its key in the statistics."""
        return self._route.url

    @property
    def function(self) -> Callable[..., Any]:
        """The registered function."""
        return self._route.function

    @property
    def id(self) -> RequestId:
        """The id of the call; None also for a notification."""
        return None if self._request.id is ABSENT else self._request.id

    @property
    def is_notification(self) -> bool:
        """Whether the client awaits no answer."""
        return self._request.is_notification

    @property
    def unique_id(self) -> str:
        """The id of the HTTP request, which is in the log too; the calls of a batch share it."""
        return self._exchange.unique_id

    @property
    def ip(self) -> str | None:
        """The client's address; None over a Unix socket."""
        return self._exchange.remote_addr

    @property
    def params(self) -> Params:
        """The parameters as they were received: a list, a dict or None. Assign others to change them."""
        return self._request.params

    @params.setter
    def params(self, params: Params) -> None:
        if params is not None and not isinstance(params, (list, dict)):
            raise TypeError(f"params={params!r} is refused: the parameters of a call are a list, a dict or None")
        self._request = dataclasses.replace(self._request, params=params)

    @property
    def connection(self) -> Connection:
        """The magic variable of the call: the one that the function gets, if it runs in the serving thread."""
        if self.connection_if_made is None:
            # Not by make_connection(): this may be another thread than that of the exchange and its `connection`.
            self.connection_if_made = Connection(
                self._exchange, self._exchange.outgoing, self._route, self._server, notify=self.is_notification
            )
        return self.connection_if_made

    @property
    def request(self) -> JsonRpcRequest:
        """The call with its present parameters."""
        return self._request


class Proceed(Protocol):
    """Runs the rest of a call: the next middleware, and at the end the function."""

    def __call__(self, params: Params | Absent = ABSENT) -> Any:
        """Run it, and return its result; for a notification on an exec backend None, once the backend has taken it.

        It may be called again, to try once more, or not at all.

        Args:
            params: Other parameters for the call, as if they were assigned to :attr:`Call.params`.

        Raises:
            JsonRpcException: The error that the client would get.
        """


Middleware = Callable[[Call, Proceed], Any]
"""A function that gets a call, and returns its result."""


class MiddlewareRegistry:
    """Holds the middleware of a server, in the order of its use."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self.entries: tuple[tuple[Middleware, str | None], ...] = ()  # replaced under _changing, read without it

    def add(self, middleware: Middleware, path: str | None) -> None:
        """Add a middleware for a formatted path, or for all paths."""
        with self._changing:
            self.entries = (*self.entries, (middleware, path))

    def unmatched(self, routes: Collection[Route]) -> list[str]:
        """Describe the middleware that sees no call of these routes."""
        paths = {route.path for route in routes}
        return [
            f"middleware {name_of(middleware)} sees nothing on {path}"
            for middleware, path in self.entries
            if path is not None and path not in paths
        ]


def checked_middleware(middleware: Any) -> Middleware:
    """Return a middleware that a call can run through.

    Raises:
        RegistrationError: It cannot be called with a call and ``proceed``, or it does not run to its end when called.
    """
    if isinstance(middleware, type):
        raise RegistrationError(
            f"{middleware!r} is a class; use an instance with a method __call__(self, call, proceed)"
        )
    if not callable(middleware):
        raise RegistrationError(f"{middleware!r} is no middleware: use takes a function of (call, proceed)")
    for function in (middleware, type(middleware).__call__):
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise RegistrationError(f"middleware {middleware!r} is asynchronous; use a plain function, without async")
        if inspect.isgeneratorfunction(function):
            raise RegistrationError(
                f"middleware {middleware!r} is a generator function; call proceed() in place of yield"
            )
    refuse_other_parameters(middleware)
    checked: Middleware = middleware
    return checked


def refuse_other_parameters(middleware: Callable[..., Any]) -> None:
    try:
        signature = read_signature(middleware)
    except (TypeError, ValueError):  # it is not written in Python
        return
    try:
        signature.bind("call", "proceed")
    except TypeError as exc:
        raise RegistrationError(f"middleware {middleware!r} takes (call, proceed), not {signature}: {exc}") from exc


def name_of(middleware: Middleware) -> str:
    """Return the name of a middleware for the log."""
    return getattr(middleware, "__qualname__", None) or type(middleware).__qualname__
