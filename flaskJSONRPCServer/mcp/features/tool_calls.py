"""The call of a tool, from the request that was admitted to the result for the model."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...contract.tool_params import call_params
from ...dispatch.call_control import CallControl
from ...dispatch.routes import Endpoint
from ...sansio_jsonrpc import JsonRpcException, JsonRpcRequest, JsonRpcSerializationError
from ..asking.ask import questions_in
from ..calls.leaving import begins_task, protocol_error_in
from ..feature import Result, Scope
from ..protocol.errors import MalformedRequest
from ..protocol.requests import ClientRequest
from ..protocol.revisions import CURRENT
from ..sources import Sources
from ..tasks.work import RunLater
from ..unwritable import unwritable_error
from .catalog import ToolEntry
from .functions import CALL_ID
from .tool_results import SCALARS, failure_of, result_of

__all__ = ["ToolCall", "call_of"]


class ToolCall:
    """The call of a tool by a request, for :class:`~..tasks.work.CalledFunction`.

    The tool is looked up once: another one may have the name when the request is answered.

    Args:
        sources: The parts of the server.
        tool: The tool.
        endpoint: The path of its method.
        arguments: The arguments.

    Attributes:
        tool, endpoint, arguments: As given.
    """

    __slots__ = ("_call", "_sources", "_subject", "arguments", "endpoint", "tool")

    def __init__(self, sources: Sources, tool: ToolEntry, endpoint: Endpoint, arguments: Mapping[str, Any]) -> None:
        self._sources = sources
        self.tool = tool
        self.endpoint = endpoint
        self.arguments = arguments

    def prepare(self) -> JsonRpcRequest:
        """Return the call of the method. Call this once, before all others.

        Raises:
            JsonRpcInvalidParamsError: No call can pass the arguments.
        """
        tool, arguments = self.tool, self.arguments
        params = dict(arguments) if tool.takes_names else call_params(tool.contract, arguments)
        self._call = JsonRpcRequest(tool.route.name, params, CALL_ID)
        # The function may change values of all other types.
        self._subject = None if SCALARS.issuperset(map(type, arguments.values())) else subject_of(tool, arguments)
        return self._call

    def subject(self) -> Sequence[str]:
        """Return what the call is for. It was written before the run if the function could change it."""
        return subject_of(self.tool, self.arguments) if self._subject is None else self._subject

    @property
    def is_elsewhere(self) -> bool:
        """Whether the function runs on an exec backend."""
        backends = self.tool.route.backends
        return backends is not None and backends.dispatcher is not None

    def run(self, request: ClientRequest, scope: Scope, control: CallControl) -> Result:
        """Call the function, and return the result for the model: that it has failed is one.

        Args:
            request: As with :meth:`.tasks.work.CalledFunction.run`, and so the others.
            scope: As there.
            control: As there.

        Raises:
            JsonRpcException: The function asks the client, becomes a task, or lets the request fail.
            UnwritableError: Its result has no JSON form.
        """
        call = copied(self._call) if scope.keeps_arguments else self._call
        exchange, steps = scope.exchange, scope.pipeline.steps
        exchange.control = control
        try:
            value = steps.answerer.result(call, self.endpoint, exchange)
        except JsonRpcException as exc:
            if questions_in(exc) is not None or begins_task(exc):
                raise
            failure = protocol_error_in(exc)
            if failure is not None:
                raise failure from exc
            return self.failure(exc)
        codec = steps.codec
        try:
            return result_of(self.tool, value, codec, request.revision != CURRENT)
        except JsonRpcSerializationError as exc:
            unwritten = exc
        raise unwritable_error(codec, {"result": value}, unwritten)

    @property
    def failure(self) -> Callable[[JsonRpcException], Result]:
        """Returns the result for the model of a call that has failed. It keeps none of the arguments."""
        sources = self._sources
        return lambda exc: failure_of(exc, sources.codec())

    @property
    def run_later(self) -> RunLater:
        """Runs the function as a task. It keeps none of the arguments."""
        sources, tool = self._sources, self.tool

        def run_later(request: ClientRequest, scope: Scope, control: CallControl) -> Result:
            _, arguments = call_of(request)
            called = ToolCall(sources, tool, present_endpoint(sources, tool), arguments)
            called.prepare()
            return called.run(request, scope, control)

        return run_later


def present_endpoint(sources: Sources, tool: ToolEntry) -> Endpoint:
    """Return the path of a method as it is now; without methods, if there is no such path any more."""
    return sources.router.table.endpoints.get(tool.wsgi_path) or Endpoint(tool.route.path, {})


def copied(call: JsonRpcRequest) -> JsonRpcRequest:
    """Return a copy of a call that may be made again: the function may change what it is passed."""
    return JsonRpcRequest(call.method, copy.deepcopy(call.params), call.id)


def subject_of(tool: ToolEntry, arguments: Mapping[str, Any]) -> Sequence[str]:
    """Return what a call is for."""
    # Other codecs may read numbers of their own types.
    return tool.route.url, json.dumps(arguments, sort_keys=True, default=str)


def call_of(request: ClientRequest) -> tuple[str, Mapping[str, Any]]:
    """Return the name of the tool that a request calls, and the arguments.

    Raises:
        MalformedRequest: The name is missing, or the arguments are no object.
    """
    params = request.params
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str):
        raise MalformedRequest("Invalid params: name is not a string")
    if isinstance(arguments, dict):
        return name, arguments
    if arguments is not None:
        raise MalformedRequest("Invalid params: arguments is not an object")
    return name, {}
