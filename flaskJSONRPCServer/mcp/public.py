"""The object that ``server.mcp()`` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import flask

from ..dispatch.exchange import Exchange
from ..dispatch.idempotency.callers import Callers, CookieUse, digest, identity_of
from ..dispatch.routes import RouteTable
from ..errors import RegistrationError
from ..http.credentials import credentials_of
from ..http.refusals import Refusal
from .asking.rounds import SealedRounds
from .asking.sealing import Sealer
from .asking.used_states import AnyUsedStates
from .authorization import Grant, TokenGuard
from .endpoint_options import EndpointOptions
from .feature import Feature, Scope
from .features.catalog import Catalogs
from .features.completion import Completions
from .features.exposure import Exposure
from .features.functions import Functions
from .features.prompts import PromptOptions, Prompts
from .features.resources import ResourceOptions, Resources
from .features.tools import Tools
from .http.endpoint import Endpoint
from .http.session_endpoint import SessionEndpoint
from .processes.processes import Processes
from .protocol.revisions import SERVER_INFO
from .service import Identity, Service
from .sessions.service import SessionService
from .sessions.store import Sessions
from .sessions.waiting import WaitingCalls
from .sources import Sources
from .subscriptions import PROMPTS, RESOURCES, TOOLS, Subscriptions
from .tasks.task import TaskTimes
from .tasks.tasks import Tasks

__all__ = ["McpEndpoint", "SharedParts"]

_F = TypeVar("_F", bound=Callable[..., Any])

_STATE_TTL_S: Final = 600.0
_KEEP_ALIVE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What all endpoints of a server share.

    Attributes:
        sealer: Signs what clients bring back.
        used: What they have brought back.
        waiting: Counts the calls of the server that wait for answers.
        processes: The processes that have sessions and tasks.
    """

    sealer: Sealer
    used: AnyUsedStates
    waiting: WaitingCalls
    processes: Processes


class McpEndpoint:
    """One URL at which models find tools, resources and prompts. ``server.mcp()`` makes it.

    Args:
        path: Its path, such as ``/mcp``.
        sources: The parts of the server.
        options: Its options.
        shared: What it shares with other endpoints.

    Attributes:
        path: As given.
        answer: Answers a request for its URL; see :meth:`.http.endpoint.Endpoint.answer`.
        allows_automatic_one: Whether the automatic endpoint may be beside it: it has a choice of its own, and no tokens
            that the other would not ask for.
    """

    def __init__(self, path: str, sources: Sources, options: EndpointOptions, shared: SharedParts) -> None:
        self.path = path
        self.allows_automatic_one = options.expose is not None and options.authorization is None
        self._sources = sources
        self._options = options
        exposure = Exposure(options.expose, sources.registrar.formatted)
        self._catalogs = Catalogs(exposure, sources.codec, sources.facts.log)
        self._subscriptions = Subscriptions(sources.codec, sources.facts.log)
        self._processes = shared.processes
        shared.processes.on_notice(path, self._take_notice)
        self._tokens = self._token_guard()
        times = TaskTimes(float(options.task_ttl), float(options.task_poll_interval))
        self._tasks = Tasks(
            sources, self._subscriptions, self._caller_of, times, self._server_info, self._processes.new_id
        )
        self._tools = Tools(sources, self._catalogs, options.page_size, self._caching, self._tasks, self._tokens)
        self._add_parts(Functions(sources, path))
        self._service = Service(sources, self._identity, self._features(), self._subscriptions)
        place = (sources.settings.name or "", path)
        self._rounds = SealedRounds(place, shared.sealer, shared.used, self._caller_of, _STATE_TTL_S, sources.facts.log)
        self._session_service = SessionService(sources, self._service, self._resources.has, shared.waiting)
        table = Sessions()
        sources.background.on_tick(table.purge)
        sessions = SessionEndpoint(
            self._session_service,
            table,
            self._subscriptions,
            lambda caller: self._caller(caller.exchange, caller.grant),
            _KEEP_ALIVE_S,
            sources.facts.log,
            self._processes.new_id,
            sources.streams.are_possible,
        )
        sources.background.on_end(sessions.end_all)
        endpoint = Endpoint(
            path, sources, self._service, self._rounds, sessions, self._processes, _KEEP_ALIVE_S, self._tokens
        )
        self.answer = endpoint.answer

    def serve_lines(
        self,
        lines: Iterable[bytes],
        write: Callable[[bytes], object],
        context: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> bool:
        """Answer one client over the standard streams of this process, until there are no more lines.

        Args:
            lines: Its messages.
            write: Writes a line to it.
            context: Returns what surrounds each request, such as the context of a Flask application.

        Returns:
            Whether the client has got all messages: it may have stopped reading.
        """
        from .stdio.requests import SelfContained
        from .stdio.server import StdioServer

        without_session = SelfContained(self._sources, self._service, self._rounds)
        server = StdioServer(
            self._sources, self.path, self._service, self._session_service, without_session, write, context
        )
        return server.serve(lines)

    def metadata(self, exchange: Exchange, rest: str) -> dict[str, Any] | None:
        """Return the metadata of its tokens at a URL; None if it has none, or none at this URL."""
        if self._tokens is None or not self._tokens.is_metadata(rest):
            return None
        return self._tokens.metadata(exchange, self._tools.scopes())

    def tool_definitions(self) -> list[Mapping[str, Any]]:
        """Return the tools as clients see them."""
        return self._tools.catalog().definitions()

    def methods_of_tools(self, exchange: Exchange) -> dict[str, tuple[str, str]]:
        """Return the methods behind the tools that a caller may see, each as its path in a URL and its name."""
        if self._tokens is not None:
            try:
                self._tokens.check(exchange)
            except Refusal:  # it may not list the tools
                return {}
        routes = self._tools.routes_shown(exchange)
        return {tool: (quote(route.path.rstrip("/") or "/"), route.name) for tool, route in routes.items()}

    def tools_changed(self) -> None:
        """Notify clients of a changed list of tools. The server does so itself when it registers or reloads."""
        self._subscriptions.list_changed(TOOLS)
        self._processes.notify(self.path)

    def routes_changed(self, before: RouteTable, after: RouteTable) -> None:
        """Notify clients of a changed list of tools, if it has changed."""
        if not self._subscriptions:
            return
        if self._catalogs.of(before).definitions() != self._catalogs.of(after).definitions():
            self._subscriptions.list_changed(TOOLS)  # other processes notice their own changes

    def resource(
        self,
        uri: str,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        mime_type: str | None = None,
        size: int | None = None,
        icons: Iterable[Mapping[str, Any]] = (),
        annotations: Mapping[str, Any] | None = None,
        ttl: float | None = None,
    ) -> Callable[[_F], _F]:
        """Decorate a function that returns a resource: a string, bytes, a JSON value, or contents with URIs.

        Args:
            uri: The URI, such as ``config://app``; or a template, such as ``users://{user_id}``, whose names are the
                parameters of the function.
            name: The name for programs; None for that of the function.
            title: A title for people.
            description: What it is; None for the text of the docstring.
            mime_type: Its media type; None for ``text/plain``, ``application/octet-stream`` or ``application/json``, as
                the function returns a string, bytes or anything else.
            size: Its size in bytes, if that is known; not for a template.
            icons: Icons, each a dict with ``src``.
            annotations: Whom it is for, and how important it is: ``audience``, ``priority``, ``lastModified``.
            ttl: How long clients may keep its contents, in seconds; None for the time of the endpoint.

        Raises:
            RegistrationError: The URI is invalid or taken, its names are not the parameters, or an option is invalid.
        """
        if callable(uri):
            raise RegistrationError(f"{uri!r} has no URI: write @endpoint.resource('config://app')")
        options = ResourceOptions(name, title, description, mime_type, size, icons, annotations, ttl)
        return decorator(lambda function: self._resources.add(function, uri, options))

    def resource_updated(self, uri: str) -> None:
        """Notify the clients that have subscribed to a resource of its new contents.

        Raises:
            RegistrationError: The endpoint has no resource with this URI.
        """
        if not self._resources.has(uri):
            raise RegistrationError(f"uri={uri!r} is refused: {self.path} has no such resource, and no template for it")
        self._subscriptions.resource_updated(uri)
        self._processes.notify(self.path, uri)

    def _take_notice(self, uri: str | None) -> None:
        """Notify the clients of this process of what has changed in another one."""
        if uri is None:
            self._subscriptions.list_changed(TOOLS)
        else:
            self._subscriptions.resource_updated(uri)

    def prompt(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        icons: Iterable[Mapping[str, Any]] = (),
    ) -> Callable[[_F], _F]:
        """Decorate a function that returns a prompt: a string, a part such as ``Image``, or a list of messages.

        Its parameters are the arguments of the prompt.

        Args:
            function: Nothing: it is there to refuse the decorator without parentheses.
            name: The name; None for that of the function.
            title: A title for people.
            description: What it does; None for the text of the docstring.
            icons: Icons, each a dict with ``src``.

        Raises:
            RegistrationError: The name is taken, the function takes ``*args`` or ``**kwargs``, or an option is invalid.
        """
        if function is not None:
            raise RegistrationError(f"{function!r} is refused: write @endpoint.prompt(), with parentheses")
        options = PromptOptions(name, title, description, icons)
        return decorator(lambda function: self._prompts.add(function, options))

    def completion(self, target: str, argument: str) -> Callable[[_F], _F]:
        """Decorate a function that completes an argument: from the value so far to a list, or a ``Completion``.

        Args:
            target: The name of a prompt, or a URI template, that has been added before.
            argument: The argument. The function may take the values of the others as a second parameter, a dict.

        Raises:
            RegistrationError: There is no such argument, it has a completion, or the function has other parameters.
        """
        return decorator(lambda function: self._completions.add(function, target, argument))

    def _token_guard(self) -> TokenGuard | None:
        authorization, sources = self._options.authorization, self._sources
        if authorization is None:
            return None
        return TokenGuard(authorization, self.path, sources.settings, sources.facts.log)

    def _add_parts(self, functions: Functions) -> None:
        """Make the parts that are functions of their own, rather than methods of the server."""
        page_size, changed = self._options.page_size, self._subscriptions.list_changed
        self._resources = Resources(self._sources, functions, page_size, self._caching, lambda: changed(RESOURCES))
        self._prompts = Prompts(functions, page_size, self._caching, lambda: changed(PROMPTS))
        self._completions = Completions(functions, self._prompts, self._resources)

    def _features(self) -> list[Feature]:
        parts = (self._tools, self._resources, self._prompts, self._completions, self._tasks)
        return [part.feature for part in parts]

    def _server_info(self) -> Mapping[str, Any]:
        return self._service.identity(self._sources.pipeline()).info

    def _identity(self) -> Identity:
        options, settings = self._options, self._sources.settings
        members = {
            "name": options.name or settings.name or "flaskJSONRPCServer",
            "version": options.version or self._sources.version,
            "title": options.title,
            "description": options.description,
            "websiteUrl": options.website,
            "icons": [dict(icon) for icon in options.icons],
        }
        known = {name: value for name, value in members.items() if value}
        return Identity(known, {SERVER_INFO: known}, options.instructions, self._caching_of("public"))

    def _caching(self, scope: Scope) -> Mapping[str, Any]:
        """Return how a result may be kept: by everyone only if nothing can tell one caller from another."""
        asks = self._sources.settings.auth is not None or self._tokens is not None
        has_credentials = any(credentials_of(scope.exchange.head))
        is_private = asks or has_credentials or flask.has_app_context()  # which may have a login
        return self._caching_of("private" if is_private else "public")

    def _caching_of(self, cache_scope: str) -> Mapping[str, Any]:
        return {"ttlMs": round(self._options.ttl * 1000), "cacheScope": cache_scope}

    def _caller_of(self, scope: Scope) -> bytes:
        return self._caller(scope.exchange, scope.grant)

    def _caller(self, exchange: Exchange, grant: Grant | None) -> bytes:
        if grant is not None:
            return digest("subject", grant.subject)
        settings = self._sources.settings
        copy_request = self._sources.pipeline().steps.copy_request
        log, identity = self._sources.facts.log, identity_of(settings)
        cookies: CookieUse = "never" if settings.auth is None else "alone"
        return Callers(identity, copy_request, log, has_auth=False, cookies=cookies).caller_of(exchange)


def decorator(add: Callable[[Any], None]) -> Callable[[_F], _F]:
    """Return a decorator that adds a function, and returns it."""

    def decorate(function: _F) -> _F:
        add(function)
        return function

    return decorate
