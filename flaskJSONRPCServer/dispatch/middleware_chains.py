"""The run of calls through middleware.

A pipeline that has middleware is built with a :class:`MiddlewareInvoker` and :class:`MiddlewareBackendCalls`; one
without has the parts that these call. So a server without middleware pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..runtime.contexts import own_context
from ..sansio_jsonrpc import ABSENT, Absent, JsonRpcRequest, Params
from .connection import ServerFacts
from .exchange import Exchange
from .exec_backend import ExecBackend
from .invoker import Invoker
from .middleware import Call, Middleware, MiddlewareRegistry, Proceed, name_of
from .routes import Route
from .submission import AnyBackendCalls, AnyInvoker, Pending

__all__ = ["MiddlewareBackendCalls", "MiddlewareChains", "MiddlewareInvoker"]

Perform = Callable[[Call], Any]
"""Makes a call, after all middleware, and returns its result."""


class MiddlewareChains:
    """Runs calls through middleware.

    Args:
        registry: The middleware of the server.
        errors: Makes errors of the exceptions of middleware.
        server: The server, as connections show it.
    """

    def __init__(self, registry: MiddlewareRegistry, errors: Invoker, server: ServerFacts) -> None:
        self._errors = errors
        self._server = server
        self._entries = registry.entries
        self._by_path: dict[str, Sequence[Middleware]] = {}  # each change is one step

    def of_path(self, path: str) -> Sequence[Middleware]:
        """Return the middleware of a path, the outermost first."""
        chain = self._by_path.get(path)
        if chain is None:
            chain = [middleware for middleware, own_path in self._entries if own_path in (None, path)]
            self._by_path[path] = chain
        return chain

    def run(self, route: Route, request: JsonRpcRequest, exchange: Exchange, perform: Perform) -> Any:
        """Run a call through the middleware of its path, all in one context of its own; return the result.

        Raises:
            JsonRpcException: The error of the call.
            BaseException: As with :meth:`~flaskJSONRPCServer.dispatch.invoker.Invoker.invoke`.
        """
        event = f"in a call of {route.url}"
        call = Call(request, route, exchange, self._server)
        chain = CallChain(
            self.of_path(route.path),
            call,
            perform,
            lambda exc, who: self._errors.raise_error_of(exc, f"middleware {who} raised {event}", route, exchange),
        )
        return own_context().run(chain.run, 0)


class CallChain:
    """The middleware around one call.

    Args:
        middleware: The middleware, the outermost first.
        call: The call.
        perform: Makes the call.
        raise_error_of: Raises the error that an exception of middleware means; returns if it is to propagate. It takes
            the exception and the name of the middleware.
    """

    def __init__(
        self,
        middleware: Sequence[Middleware],
        call: Call,
        perform: Perform,
        raise_error_of: Callable[[BaseException, str], None],
    ) -> None:
        self._middleware = middleware
        self._call = call
        self._perform = perform
        self._raise_error_of = raise_error_of

    def run(self, index: int) -> Any:
        """Run the call from one of the middleware on; each gets only JSON-RPC errors from :class:`Proceed`."""
        if index == len(self._middleware):
            return self._perform(self._call)
        middleware = self._middleware[index]
        try:
            return middleware(self._call, self._proceed_to(index + 1))
        except BaseException as exc:
            self._raise_error_of(exc, name_of(middleware))
            raise

    def _proceed_to(self, index: int) -> Proceed:
        def proceed(params: Params | Absent = ABSENT) -> Any:
            if params is not ABSENT:
                self._call.params = params
            return self.run(index)

        return proceed


class MiddlewareInvoker:
    """Makes calls in the serving thread, through middleware.

    Args:
        chains: Runs calls through middleware.
        plain: Makes calls on the paths without middleware.
        inner: Makes the calls of the innermost middleware, in its context.
    """

    def __init__(
        self, chains: MiddlewareChains, plain: AnyInvoker, inner: Callable[[Route, JsonRpcRequest, Exchange], Any]
    ) -> None:
        self._chains = chains
        self._plain = plain
        self._inner = inner
        self.internal_error = plain.internal_error
        self.should_propagate = plain.should_propagate

    def invoke(self, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Any:
        """Make a call, as :meth:`~flaskJSONRPCServer.dispatch.invoker.Invoker.invoke` does."""
        if not self._chains.of_path(route.path):
            return self._plain.invoke(route, call, exchange)
        return self._chains.run(route, call, exchange, lambda seen: self._perform(route, seen, exchange))

    def _perform(self, route: Route, call: Call, exchange: Exchange) -> Any:
        exchange.connection = call.connection_if_made
        try:
            return self._inner(route, call.request, exchange)
        finally:
            exchange.connection = None


@dataclass(frozen=True, slots=True)
class Finished(Pending):
    """A call whose middleware has returned its result."""

    result: Any


class MiddlewareBackendCalls:
    """Makes calls on exec backends, through middleware, which runs in the serving thread.

    The calls of a batch that have middleware run one after the other: a middleware that waits for a result occupies the
    thread. All others still run at the same time.

    Args:
        chains: Runs calls through middleware.
        plain: Submits calls, and returns their results.
    """

    def __init__(self, chains: MiddlewareChains, plain: AnyBackendCalls) -> None:
        self._chains = chains
        self._plain = plain

    def submit(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Submit a call, as :meth:`BackendCalls.submit`; with middleware, wait for its result too."""
        if not self._chains.of_path(route.path):
            return self._plain.submit(backend, route, call, exchange)
        result = self._chains.run(route, call, exchange, lambda seen: self._perform(backend, route, seen, exchange))
        return Finished(call, backend, None, result)

    def result(self, pending: Pending, exchange: Exchange) -> Any:
        """Return the result of a call, as :meth:`BackendCalls.result`."""
        return pending.result if isinstance(pending, Finished) else self._plain.result(pending, exchange)

    def _perform(self, backend: ExecBackend, route: Route, call: Call, exchange: Exchange) -> Any:
        pending = self._plain.submit(backend, route, call.request, exchange)
        return None if call.is_notification else self._plain.result(pending, exchange)
