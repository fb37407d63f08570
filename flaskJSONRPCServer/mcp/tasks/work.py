"""The work of a call that may outlast its request: its function, and its request as text."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Protocol

from ...dispatch.call_control import CallControl, PlainControl
from ...dispatch.exchange import Exchange
from ...http.request import ARRIVED_AT, without_client
from ...runtime.contexts import own_context
from ...sansio_jsonrpc import JsonRpcException, JsonRpcRequest, encode_request
from ..feature import Result, Scope
from ..protocol.messages import read_body
from ..protocol.requests import ClientRequest, name_of, read_request
from ..sources import Sources

__all__ = ["CalledFunction", "RunLater", "TaskWork"]


RunLater = Callable[[ClientRequest, Scope, CallControl], Result]
"""Runs the function of a request in another thread; raises what the function asks. It keeps nothing of the request."""


class CalledFunction(Protocol):
    """The function of a call that may become a task."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on an exec backend."""

    @property
    def run_later(self) -> RunLater:
        """Runs it for a request that may have been answered."""

    @property
    def failure(self) -> Callable[[JsonRpcException], Result]:
        """Returns the result that tells a model that the call has failed. It keeps nothing of the request."""

    def subject(self) -> Sequence[str]:
        """Return what it is run for; see :data:`~..feature.Subject`."""

    def run(self, request: ClientRequest, scope: Scope, control: CallControl) -> Result:
        """Run it in the thread that serves the request, and return the result; raise what it asks.

        Args:
            request: The request.
            scope: What surrounds the request.
            control: The control of this run.
        """


class TaskWork:
    """The work of a call. It keeps the request as text, which takes far less memory than its values.

    Make it in the thread that serves the request.

    Args:
        sources: The parts of the server.
        function: The function.
        request: The request.
        scope: What surrounds it.

    Attributes:
        failure: Returns the result that tells a model that the call has failed.
        name: The request and what it names, for the log.
        id_bytes: The size of its id.
        size_bytes: The size of what is kept.
    """

    def __init__(self, sources: Sources, function: CalledFunction, request: ClientRequest, scope: Scope) -> None:
        self.failure = function.failure
        self.name = name_of(request)
        self.id_bytes = len(sources.codec().dumps(request.id))
        self._sources = sources
        self._run_later = function.run_later
        self._rounds = scope.rounds
        self._grant = scope.grant
        exchange = scope.exchange
        self._body = exchange.body(sources.settings.max_body_bytes)
        self._line = b""
        if exchange.is_local:  # only an HTTP request has a body
            self._line = encode_request(sources.codec(), request.id, request.method, request.params)
        self._environ = without_client(exchange.environ)
        self._context = own_context()
        self._client_key = exchange.client_key
        self._unique_id = exchange.unique_id
        self._trace = exchange.trace
        self._is_local = exchange.is_local
        for key in ("wsgi.input", ARRIVED_AT):
            self._environ.pop(key, None)
        self.size_bytes = len(self._body) + len(self._line)

    def request(self) -> ClientRequest:
        """Return the request, parsed anew: a run may change what it is passed."""
        text = self._line or self._sources.pipeline().body_of(self._exchange())
        message = read_body(text, self._sources.codec())
        assert isinstance(message, JsonRpcRequest)  # noqa: S101  it has been read before
        return read_request(message)

    def run(self, request: ClientRequest, control: CallControl) -> Result:
        """Run the function in this thread, and return its result.

        Args:
            request: A request of :meth:`request`.
            control: The control of this run.

        Raises:
            Exception: What the function raises.
        """
        exchange = self._exchange()
        exchange.carrier = request.meta
        scope = Scope(self._sources.pipeline(), exchange, PlainControl, self._rounds, self._grant)
        return self._context.copy().run(self._run_later, request, scope, control)

    def _exchange(self) -> Exchange:
        """Return an exchange of this thread for the request, without the connection of the client."""
        environ = {**self._environ, "wsgi.input": io.BytesIO(self._body), "CONTENT_LENGTH": str(len(self._body))}
        exchange = self._sources.pipeline().make_exchange(environ, None)
        exchange.client_key = self._client_key
        exchange.unique_id = self._unique_id
        exchange.is_local = self._is_local
        exchange.trace = self._trace
        exchange.grant = self._grant
        return exchange
