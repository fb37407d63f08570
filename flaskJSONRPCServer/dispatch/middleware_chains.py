"""The run of calls through middleware.

A pipeline that has middleware is built with a :class:`MiddlewareInvoker` and :class:`MiddlewareBackendCalls`; one
without has the parts that these call. So a server without middleware pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..runtime.asynchronous import AsyncCall
from ..runtime.concurrency import make_lock, start_thread
from ..runtime.contexts import own_context
from ..sansio_jsonrpc import ABSENT, Absent, JsonRpcRequest, Params
from .connection import ServerFacts
from .exchange import Exchange
from .exec_backend import CallAnswer, ExecBackend
from .invoker import Invoker
from .middleware import Call, Middleware, MiddlewareRegistry, Proceed, name_of
from .routes import Route
from .submission import AnyInvoker, InnerBackendCalls, Pending

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

    def runner(self, route: Route, request: JsonRpcRequest, exchange: Exchange, perform: Perform) -> Callable[[], Any]:
        """Return a function that runs a call through the middleware of its path, all in one context of its own.

        The context is a copy of that of this thread. The function may be called once, by any thread. It returns the
        result of the call, and raises the exceptions of
        :meth:`~flaskJSONRPCServer.dispatch.invoker.Invoker.invoke`.
        """
        chain = CallChain(
            self.of_path(route.path),
            Call(request, route, exchange, self._server),
            perform,
            lambda exc, event: self._errors.raise_error_of(exc, event, route, exchange),
        )
        return partial(own_context().run, chain.run, 0)


class CallChain:
    """The middleware around one call.

    Args:
        middleware: The middleware, the outermost first.
        call: The call.
        perform: Makes the call.
        raise_error_of: Raises the error that an exception of middleware means; returns if it is to propagate. It takes
            the exception, and the failure in words.
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
            self._raise_error_of(exc, f"middleware {name_of(middleware)} raised in a call of {self._call.url}")
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
        return self._chains.runner(route, call, exchange, lambda seen: self._perform(route, seen, exchange))()

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


@dataclass(frozen=True, slots=True)
class Running(Pending):
    """A call of a batch whose middleware runs in a thread of its own, with the answers that it has got so far."""

    run: AsyncCall
    answers: list[CallAnswer]


class MiddlewareBackendCalls:
    """Makes calls on exec backends, through middleware, which runs in the process of the server.

    A middleware that waits for a result occupies its thread. So the calls of a batch get threads of their own, to run
    at the same time on the backend. While the most are in use, further calls run one after the other in the thread that
    serves: waiting for a free one could wait for ever, if the calls that use them make calls themselves.

    Args:
        chains: Runs calls through middleware.
        plain: Submits calls, and returns their results.
        threads: The most threads for calls of batches.
    """

    def __init__(self, chains: MiddlewareChains, plain: InnerBackendCalls, threads: int) -> None:
        self._chains = chains
        self._plain = plain
        self._lock = make_lock()
        self._threads_left = threads  # guarded by _lock

    def submit(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Submit a call, as :meth:`BackendCalls.submit`; with middleware, wait for its result too."""
        if not self._chains.of_path(route.path):
            return self._plain.submit(backend, route, call, exchange)

        def perform(seen: Call) -> Any:
            pending = self._plain.submit(backend, route, seen.request, exchange)
            return None if seen.is_notification else self._plain.result(pending, exchange)

        return Finished(call, backend, None, self._chains.runner(route, call, exchange, perform)())

    def begin(self, backend: ExecBackend, route: Route, call: JsonRpcRequest, exchange: Exchange) -> Pending:
        """Submit a call of a batch, as :meth:`BackendCalls.begin`; with middleware, in a thread if one is left."""
        if not self._chains.of_path(route.path):
            return self._plain.begin(backend, route, call, exchange)
        self._plain.make_shared(exchange)
        if not self._takes_thread():
            return self.submit(backend, route, call, exchange)
        answers: list[CallAnswer] = []

        def perform(seen: Call) -> Any:
            pending = self._plain.submit(backend, route, seen.request, exchange)
            answer = self._plain.answer(pending, exchange)
            answers.append(answer)
            return self._plain.value_of(answer, route.name, exchange)

        run = self._chains.runner(route, call, exchange, perform)
        try:
            return Running(call, backend, None, AsyncCall(self._run_in_thread, [run], {}, start_thread), answers)
        except RuntimeError:  # the system has no thread left
            self._return_thread()
            return self.submit(backend, route, call, exchange)

    def result(self, pending: Pending, exchange: Exchange) -> Any:
        """Return the result of a call, as :meth:`BackendCalls.result`."""
        if isinstance(pending, Finished):
            return pending.result
        if not isinstance(pending, Running):
            return self._plain.result(pending, exchange)
        try:
            return pending.run.wait()
        finally:  # here, so that the fields are applied in the order of the batch
            for answer in pending.answers:
                self._plain.apply_fields(answer, exchange)

    def _takes_thread(self) -> bool:
        with self._lock:
            is_left = self._threads_left > 0
            self._threads_left -= is_left
            return is_left

    def _run_in_thread(self, run: Callable[[], Any]) -> Any:
        try:
            return run()
        finally:
            self._return_thread()

    def _return_thread(self) -> None:
        with self._lock:
            self._threads_left += 1
