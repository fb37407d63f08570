"""Tools: methods of the server that a model calls.

Source: revision 2026-07-28, "Tools".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...dispatch.exchange import Exchange
from ...dispatch.pipeline import Pipeline
from ...dispatch.routes import Route
from ...dispatch.visibility import is_conditional
from ...sansio_jsonrpc import JsonRpcException
from ..authorization import TokenGuard
from ..feature import Feature, Method, Result, Scope
from ..protocol.errors import InvalidParams
from ..protocol.headers import check_parameters
from ..protocol.pages import page_of
from ..protocol.requests import ClientRequest
from ..protocol.revisions import CURRENT
from ..sources import Sources
from ..tasks.tasks import Tasks, require_tasks, takes_tasks
from .catalog import Catalog, Catalogs
from .tool_calls import ToolCall, call_of
from .tool_results import failure_of

__all__ = ["Tools"]

_CAPABILITY: Final[Mapping[str, Any]] = {"listChanged": True}


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
        self._router = sources.router
        self._catalogs = catalogs
        self._page_size = page_size
        self._caching = caching
        self._tasks = tasks
        self._tokens = tokens
        methods = {
            "tools/list": Method(self.answer_list),
            "tools/call": Method(self.answer_call, runs_function=True, admit=self.admit, failure=self._failure),
        }
        self.feature = Feature("tools", lambda: _CAPABILITY, methods)

    def catalog(self) -> Catalog:
        """Return the tools as they are now."""
        return self._catalogs.of(self._router.table)

    def answer_list(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``tools/list``."""
        catalog = self.catalog()
        shown = names_shown(catalog, scope.pipeline, scope.exchange)
        names, further = page_of(shown, request, self._page_size)
        tools = [catalog.tools[name] for name in names]
        is_current = request.revision == CURRENT
        definitions = [tool.definition if is_current else tool.definition_in_session() for tool in tools]
        caching = self._caching(scope)
        if any(is_conditional(tool.route) for tool in catalog.tools.values()):
            caching = {**caching, "cacheScope": "private"}
        return {"tools": definitions, **further, **caching}

    def admit(self, request: ClientRequest, scope: Scope) -> None:
        """Check that a client may call the tool of a request, as it does.

        Raises:
            MalformedRequest: The name or the arguments are malformed.
            InvalidParams: There is no such tool.
            HeaderMismatch: A header field differs from an argument.
            Forbidden: The client may not call it.
            MissingClientCapability: It needs a task, which the client does not take.
        """
        name, arguments = call_of(request)
        table, exchange = self._router.table, scope.exchange
        tool = self._catalogs.of(table).tools.get(name)
        if tool is None:
            raise InvalidParams(f"Unknown tool: {name!r}"[:200])
        if tool.options.task == "required":
            require_tasks(request)
        if tool.header_parameters and request.revision == CURRENT and not exchange.is_local:
            check_parameters(exchange.head, tool.header_parameters, arguments)
        if self._tokens is not None and scope.grant is not None:
            self._tokens.require(scope.grant, tool.options.scopes, exchange)
        elif scope.pipeline.has_auth:
            scope.pipeline.authorise(exchange, tool.route.path, tool.route.name)
        request.admitted = ToolCall(self._sources, tool, table.endpoints[tool.wsgi_path], arguments)

    def answer_call(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``tools/call``, for a request that has been admitted.

        Raises:
            TooManyRequests: The call exceeds a rate limit.
        """
        called: ToolCall = request.admitted  # as admit() leaves it
        try:
            call = called.prepare()
        except JsonRpcException as exc:
            return self._failure(exc)
        limiter = scope.pipeline.steps.limiter
        if limiter is not None:
            limiter.admit_messages(call, called.endpoint, scope.exchange)
        mode = called.tool.options.task
        if mode is not False and "extensions" in request.capabilities and takes_tasks(request):
            return self._tasks.calls.result(mode, request, scope, called)
        return scope.rounds.result(request, scope, called.subject, called.run)

    def routes_shown(self, exchange: Exchange) -> dict[str, Route]:
        """Return the methods of the tools that a caller may see, by the names of the tools."""
        catalog = self.catalog()
        return {name: catalog.tools[name].route for name in names_shown(catalog, self._sources.pipeline(), exchange)}

    def scopes(self) -> list[str]:
        """Return what the tokens for some tools must allow."""
        return [name for tool in self.catalog().tools.values() for name in tool.options.scopes]

    def _failure(self, exc: JsonRpcException) -> Result:
        """Return the result for the model of a call that has failed."""
        return failure_of(exc, self._sources.codec())


def names_shown(catalog: Catalog, pipeline: Pipeline, exchange: Exchange) -> list[str]:
    """Return the names of the tools that the caller may see, in order."""
    is_visible = pipeline.steps.visibility.sight(exchange)
    paths = dict.fromkeys(tool.route.path for tool in catalog.tools.values())
    shown = set(pipeline.paths_shown(exchange, paths))
    return [name for name, tool in catalog.tools.items() if tool.route.path in shown and is_visible(tool.route)]
