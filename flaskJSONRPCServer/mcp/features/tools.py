"""Tools: methods of the server that a model calls.

Source: revision 2026-07-28, "Tools".
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...contract.tool_params import call_params
from ...dispatch.call_control import CallControl
from ...dispatch.documents import is_shown
from ...dispatch.exchange import Exchange
from ...dispatch.pipeline import Pipeline
from ...dispatch.routes import Endpoint as RpcEndpoint
from ...dispatch.routes import Route, RouteTable
from ...sansio_jsonrpc import JsonRpcException, JsonRpcRequest, JsonRpcSerializationError
from ..asking.ask import questions_in
from ..authorization import TokenGuard
from ..calls.leaving import begins_task, protocol_error_in
from ..feature import Feature, Method, Result, Scope, Subject
from ..protocol.errors import InvalidParams, MalformedRequest
from ..protocol.headers import check_parameters
from ..protocol.pages import page_of
from ..protocol.requests import ClientRequest
from ..protocol.revisions import CURRENT
from ..sources import Sources
from ..tasks.tasks import Tasks
from ..tasks.work import CalledFunction, RunLater
from ..unwritable import unwritable_error
from .catalog import Catalog, Catalogs, ToolEntry
from .functions import CALL_ID
from .tool_results import failure_of, result_of

__all__ = ["Tools"]


@dataclass(frozen=True, slots=True)
class AdmittedCall:
    """The tool and arguments of a request. Looked up once: another tool may have the name when the request is answered.

    Attributes:
        tool: The tool.
        endpoint: The path of its method.
        arguments: The arguments.
    """

    tool: ToolEntry
    endpoint: RpcEndpoint
    arguments: Mapping[str, Any]


class Tools:
    """The tools of an endpoint.

    Args:
        sources: The parts of the server.
        catalogs: Makes the lists of tools.
        page_size: The most tools on a page of the list.
        caching: Returns the members of a list that say how long a client may keep it.
        tasks: Makes tasks of long calls.
        tokens: Checks what tokens allow; None without tokens.
    """

    def __init__(
        self,
        sources: Sources,
        catalogs: Catalogs,
        page_size: int,
        caching: Callable[[Scope], Mapping[str, Any]],
        tasks: Tasks,
        tokens: TokenGuard | None = None,
    ) -> None:
        self._sources = sources
        self._catalogs = catalogs
        self._page_size = page_size
        self._caching = caching
        self._tasks = tasks
        self._tokens = tokens
        methods = {
            "tools/list": Method(self.answer_list),
            "tools/call": Method(self.answer_call, runs_function=True, admit=self.admit, failure=self._failure),
        }
        self.feature = Feature("tools", lambda: {"listChanged": True}, methods)

    def catalog(self) -> Catalog:
        """Return the tools as they are now."""
        return self._catalogs.of(self._table())

    def answer_list(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``tools/list``."""
        catalog = self.catalog()
        shown = names_shown(catalog, scope.pipeline, scope.exchange)
        names, further = page_of(shown, request.params, self._page_size)
        tools = [catalog.tools[name] for name in names]
        is_current = request.revision == CURRENT
        definitions = [tool.definition if is_current else tool.definition_in_session() for tool in tools]
        return {"tools": definitions, **further, **self._caching(scope)}

    def admit(self, request: ClientRequest, scope: Scope) -> None:
        """Check that a client may call the tool of a request, as it does.

        Raises:
            InvalidParams: There is no such tool.
            HeaderMismatch: A header field differs from an argument.
            Forbidden: The client may not call it.
            MissingClientCapability: It needs a task, which the client does not take.
        """
        called = self._called(request)
        tool = called.tool
        self._tasks.admit(tool.options.task, request)
        if request.revision == CURRENT and not scope.exchange.is_local:
            check_parameters(scope.exchange.head, tool.header_parameters, called.arguments)
        if self._tokens is not None and scope.grant is not None:
            self._tokens.require(scope.grant, tool.options.scopes, scope.exchange)
        else:
            scope.pipeline.authorise(scope.exchange, tool.route.path, tool.route.name)
        request.admitted = called

    def answer_call(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``tools/call``, for a request that has been admitted.

        Raises:
            TooManyRequests: The call exceeds a rate limit.
        """
        called = request.admitted
        assert isinstance(called, AdmittedCall)  # noqa: S101  as admit() leaves it
        tool, arguments = called.tool, called.arguments
        try:
            call = rpc_call(tool, arguments)
        except JsonRpcException as exc:
            return self._failure(exc)
        limiter = scope.pipeline.steps.limiter
        if limiter is not None:
            limiter.admit_messages(call, called.endpoint, scope.exchange)

        def run(at: Scope, control: CallControl, *, may_run_again: bool) -> Result:
            own_call = copied(call) if may_run_again else call
            return self._outcome(tool, own_call, called.endpoint, request, at, control)

        is_elsewhere = tool.route.backends is not None and tool.route.backends.dispatcher is not None
        function = CalledFunction(run, self._later_run(tool), self._failure, is_elsewhere)
        return self._tasks.result(tool.options.task, request, scope, subject_of(tool, arguments), function)

    def routes_shown(self, exchange: Exchange) -> dict[str, Route]:
        """Return the methods of the tools that a caller may see, by the names of the tools."""
        catalog = self.catalog()
        return {name: catalog.tools[name].route for name in names_shown(catalog, self._sources.pipeline(), exchange)}

    def scopes(self) -> list[str]:
        """Return what the tokens for some tools must allow."""
        return [name for tool in self.catalog().tools.values() for name in tool.options.scopes]

    def _called(self, request: ClientRequest) -> AdmittedCall:
        """Return what a request calls.

        Raises:
            MalformedRequest: The name or the arguments are malformed.
            InvalidParams: There is no such tool.
        """
        name, arguments = call_of(request)
        table = self._table()
        tool = self._catalogs.of(table).tools.get(name)
        if tool is None:
            raise InvalidParams(f"Unknown tool: {name!r}"[:200])
        return AdmittedCall(tool, table.endpoints[tool.wsgi_path], arguments)

    def _later_run(self, tool: ToolEntry) -> RunLater:
        """Return what calls a tool as a task: it keeps none of the arguments."""

        def run_later(request: ClientRequest, scope: Scope, control: CallControl) -> Result:
            _, arguments = call_of(request)
            call, endpoint = rpc_call(tool, arguments), self._present_endpoint(tool)
            return self._outcome(tool, call, endpoint, request, scope, control)

        return run_later

    def _outcome(
        self,
        tool: ToolEntry,
        call: JsonRpcRequest,
        endpoint: RpcEndpoint,
        request: ClientRequest,
        scope: Scope,
        control: CallControl,
    ) -> Result:
        """Call the function of a tool, and return the result for the model: that it has failed is one.

        Raises:
            JsonRpcException: The function asks the client, becomes a task, or lets the request fail.
            UnwritableError: Its result has no JSON form.
        """
        scope.exchange.control = control
        try:
            value = scope.pipeline.steps.answerer.result(call, endpoint, scope.exchange)
        except JsonRpcException as exc:
            if questions_in(exc) is not None or begins_task(exc):
                raise
            failure = protocol_error_in(exc)
            if failure is not None:
                raise failure from exc
            return self._failure(exc)
        codec = self._sources.codec()
        try:
            return result_of(tool, value, codec, is_in_session=request.revision != CURRENT)
        except JsonRpcSerializationError as exc:
            unwritten = exc
        raise unwritable_error(codec, {"result": value}, unwritten)

    def _failure(self, exc: JsonRpcException) -> Result:
        """Return the result for the model of a call that has failed."""
        return failure_of(exc, self._sources.codec())

    def _present_endpoint(self, tool: ToolEntry) -> RpcEndpoint:
        """Return the path of a method as it is now; without methods, if there is no such path any more."""
        path = tool.route.path
        return self._table().endpoints.get(tool.wsgi_path) or RpcEndpoint(path, {})

    def _table(self) -> RouteTable:
        return self._sources.router.table


def rpc_call(tool: ToolEntry, arguments: Mapping[str, Any]) -> JsonRpcRequest:
    """Return the call of the method of a tool.

    Raises:
        JsonRpcInvalidParamsError: No call can pass the arguments.
    """
    params = dict(arguments) if tool.takes_names else call_params(tool.contract, arguments)
    return JsonRpcRequest(tool.route.name, params, CALL_ID)


def copied(call: JsonRpcRequest) -> JsonRpcRequest:
    """Return a copy of a call that may be made again: the function may change what it is passed."""
    return JsonRpcRequest(call.method, copy.deepcopy(call.params), call.id)


def subject_of(tool: ToolEntry, arguments: Mapping[str, Any]) -> Subject:
    """Return what a call is for. It is written at once if the function could change it before it asks."""

    def texts() -> Sequence[str]:
        # Other codecs may read numbers of their own types.
        return tool.route.url, json.dumps(arguments, sort_keys=True, default=str)

    if not any(isinstance(value, (list, dict)) for value in arguments.values()):
        return texts
    written = texts()
    return lambda: written


def names_shown(catalog: Catalog, pipeline: Pipeline, exchange: Exchange) -> list[str]:
    """Return the names of the tools that the caller may see, in order."""
    discovery = pipeline.steps.discovery
    is_visible = is_shown if discovery is None else discovery.sight(exchange)
    paths = dict.fromkeys(tool.route.path for tool in catalog.tools.values())
    shown = set(pipeline.paths_shown(exchange, paths))
    return [name for name, tool in catalog.tools.items() if tool.route.path in shown and is_visible(tool.route)]


def call_of(request: ClientRequest) -> tuple[str, Mapping[str, Any]]:
    """Return the name of the tool that a request calls, and the arguments.

    Raises:
        MalformedRequest: The name is missing, or the arguments are no object.
    """
    name, arguments = request.params.get("name"), request.params.get("arguments")
    if not isinstance(name, str):
        raise MalformedRequest("Invalid params: name is not a string")
    if arguments is not None and not isinstance(arguments, dict):
        raise MalformedRequest("Invalid params: arguments is not an object")
    return name, arguments or {}
