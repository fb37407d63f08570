"""The endpoints of one server, and their URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from ..dispatch.built_in import BuiltInUrl
from ..dispatch.exchange import Exchange
from ..dispatch.routes import RouteTable
from ..errors import RegistrationError
from ..http.refusals import NotFound
from ..http.response import Response, json_document
from ..runtime.concurrency import make_reentrant_lock
from ..runtime.logs import INFO, WARNING
from .asking.sealing import Sealer
from .asking.used_states import used_states_of
from .authorization import METADATA_SEGMENT
from .endpoint_options import EndpointOptions
from .http.foreign_requests import ForeignRequests
from .processes.processes import Processes
from .public import McpEndpoint, SharedParts
from .sessions.waiting import WaitingCalls
from .sources import Sources

__all__ = ["McpEndpoints"]

_DEFAULT_SEGMENT: Final = "mcp"
_METHODS: Final = ("POST", "GET", "DELETE", "HEAD", "OPTIONS")
_METADATA_METHODS: Final = ("GET", "HEAD", "OPTIONS")


class McpEndpoints:
    """The endpoints of one server.

    A method that is registered as a tool opens the endpoint ``/mcp``, unless an endpoint has that path or offers all
    methods that are registered as tools. It gives way to such an endpoint, if the user opens one later.

    Args:
        sources: The parts of the server.
        add_url: Adds a URL to the server.
    """

    def __init__(self, sources: Sources, add_url: Callable[[BuiltInUrl], None]) -> None:
        self._sources = sources
        self._add_url = add_url
        self._urls: set[str] = set()  # the segments that have been added
        self._changing = make_reentrant_lock()
        self._endpoints: dict[str, McpEndpoint] = {}  # replaced under _changing, read without it
        self._is_automatic = False
        self._foreign = ForeignRequests(sources.facts.log)
        self._hidden: set[str] = set()  # the URLs that the log has warned of
        sealer = Sealer.of(sources.settings.secret)
        waiting = WaitingCalls(sources.waiting_limits, sources.facts.log)
        used = used_states_of(sources.settings, sealer, sources.facts.log)
        self._shared = SharedParts(sealer, used, waiting, Processes(sources, sealer))

    def __iter__(self) -> Iterator[McpEndpoint]:
        return iter(self._endpoints.values())

    def open(self, path: str, **options: Any) -> McpEndpoint:
        """Add an endpoint with the options of ``flaskJSONRPCServer.mcp``.

        Raises:
            RegistrationError: The path is taken, or has more than one segment; or an option has an invalid value.
        """
        with self._changing:
            return self._open(checked_segment(path), EndpointOptions(**options))

    def _open(self, segment: str, chosen: EndpointOptions) -> McpEndpoint:
        replaces = chosen.expose is None or chosen.authorization is not None or segment == _DEFAULT_SEGMENT
        gives_way = self._is_automatic and replaces
        present = {name: one for name, one in self._endpoints.items() if not (gives_way and name == _DEFAULT_SEGMENT)}
        if segment in present:
            raise RegistrationError(f"path={'/' + segment!r} is refused: there is an endpoint already")
        endpoint = self._opened(segment, chosen, present)
        if gives_way:
            self._is_automatic = False
            self._sources.facts.log.write(
                INFO, f"the endpoint {endpoint.path} replaces /{_DEFAULT_SEGMENT}, which was opened automatically"
            )
        return endpoint

    def routes_changed(self, before: RouteTable, after: RouteTable) -> None:
        """Follow a change of the methods."""
        for endpoint in self:
            endpoint.routes_changed(before, after)
        with self._changing:
            if self._has_room_for_automatic() and any(route.is_tool for route in after.routes()):
                self._opened(_DEFAULT_SEGMENT, EndpointOptions(), self._endpoints)
                self._is_automatic = True

    def _has_room_for_automatic(self) -> bool:
        return _DEFAULT_SEGMENT not in self._endpoints and all(endpoint.allows_automatic_one for endpoint in self)

    def tool_counts(self) -> dict[str, int]:
        """Return the number of tools of each endpoint, by its path. Choices without a method are logged."""
        return {endpoint.path: len(endpoint.tool_definitions()) for endpoint in self}

    def shown(self, exchange: Exchange) -> list[dict[str, Any]]:
        """Return the path of each endpoint, and the methods behind the tools that a caller may see."""
        return [{"path": endpoint.path, "methods": endpoint.methods_of_tools(exchange)} for endpoint in self]

    def _opened(self, segment: str, options: EndpointOptions, present: dict[str, McpEndpoint]) -> McpEndpoint:
        endpoint = McpEndpoint(f"/{segment}", self._sources, options, self._shared)
        # The endpoint asks auth itself: its tokens may take the place of that.
        self._add_once(
            BuiltInUrl(
                segment,
                self._answer_of(segment),
                _METHODS,
                needs_auth=False,
                takes_slash=True,
                is_counted=True,
                refuses_foreign_pages=True,
                note_foreign=partial(self._foreign.note, f"/{segment}"),
                note_hidden=self._note_hidden,
            )
        )
        if options.authorization is not None:
            self._add_once(
                BuiltInUrl(
                    METADATA_SEGMENT, self._answer_metadata, _METADATA_METHODS, needs_auth=False, has_children=True
                )
            )
        self._endpoints = {**present, segment: endpoint}
        return endpoint

    def _note_hidden(self, url: str) -> None:
        """Warn once of a URL that a page of a Flask application has."""
        if url not in self._hidden:
            self._hidden.add(url)
            text = f"models cannot reach the endpoint {url}: the Flask application has another page at this URL"
            self._sources.facts.log.write(WARNING, text)

    def _add_once(self, url: BuiltInUrl) -> None:
        if url.segment not in self._urls:
            self._add_url(url)
            self._urls.add(url.segment)

    def _answer_of(self, segment: str) -> Callable[[Exchange, str], Response]:
        """Return a function that answers requests for the URL of an endpoint; NotFound if there is none any more."""

        def answer(exchange: Exchange, rest: str) -> Response:
            endpoint = self._endpoints.get(segment)
            if endpoint is None:
                raise NotFound("there is nothing at this URL")
            if exchange.head.get("wsgi.multiprocess"):
                self._shared.processes.check(exchange)
            return endpoint.answer(exchange, rest)

        return answer

    def _answer_metadata(self, exchange: Exchange, rest: str) -> Response:
        """Answer a request for the metadata of the tokens of an endpoint.

        Raises:
            NotFound: No endpoint has any at this URL.
        """
        for endpoint in self:
            metadata = endpoint.metadata(exchange, rest)
            if metadata is not None:
                return json_document(metadata)
        raise NotFound("there is nothing at this URL")


def checked_segment(path: Any) -> str:
    """Return the only segment of a path.

    Raises:
        RegistrationError: It has none, or several.
    """
    segment = path.strip("/") if isinstance(path, str) else ""
    if not segment or "/" in segment or any(char in segment for char in '<>?#%\\"') or not segment.isprintable():
        raise RegistrationError(f"path={path!r} is refused: the endpoint takes one segment, such as '/mcp'")
    return segment
