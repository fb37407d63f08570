"""Resources: texts and data that a client reads by URI.

Source: revision 2026-07-28, "Resources".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...contract.option_checks import checked_icons, refuse_unless
from ...dispatch.call_control import CallControl
from ...errors import RegistrationError
from ...sansio_jsonrpc import JsonRpcApplicationError
from ..feature import Feature, Method, Result, Scope
from ..protocol.errors import MalformedRequest, ResourceNotFound, resource_not_found
from ..protocol.pages import page_of
from ..protocol.requests import ClientRequest
from ..sources import Sources
from .descriptions import checked_annotations, checked_ttl, known_members, refuse_unless_text
from .entries import Entries
from .functions import Functions, ServedFunction, name_of
from .resource_contents import contents_of
from .uris import UriTemplate, checked_uri, is_template

__all__ = ["ResourceEntry", "ResourceNotFoundError", "ResourceOptions", "Resources"]


class ResourceNotFoundError(JsonRpcApplicationError, registered=False):
    """The function of a template raises it if there is no resource with these values. The client gets the URI."""

    ERROR_CODE = -31998
    ERROR_MESSAGE = ResourceNotFound.MESSAGE


@dataclass(frozen=True, slots=True)
class ResourceOptions:
    """The options of a resource; ``McpEndpoint.resource`` documents them."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None
    size: int | None = None
    icons: Any = ()
    annotations: Mapping[str, Any] | None = None
    ttl: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ResourceEntry:
    """One resource, or all of a template.

    Attributes:
        definition: What clients see.
        function: Returns its contents.
        template: The template; None for a single resource.
        mime_type: Its media type; None for the usual one of what the function returns.
        ttl_s: How long clients may keep its contents, in seconds; None for the time of the endpoint.
    """

    definition: Mapping[str, Any]
    function: ServedFunction
    template: UriTemplate | None
    mime_type: str | None
    ttl_s: float | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names in its template."""
        return () if self.template is None else self.template.names


class Resources:
    """The resources of an endpoint.

    Args:
        sources: The parts of the server.
        functions: Makes and calls functions.
        page_size: The most resources on a page of a list.
        caching: Returns the members of a result that say how long a client may keep it.
        on_change: Called after each addition.

    Attributes:
        templates: The templates by their texts.
        feature: The resources as a part of the endpoint.
    """

    def __init__(
        self,
        sources: Sources,
        functions: Functions,
        page_size: int,
        caching: Callable[[Scope], Mapping[str, Any]],
        on_change: Callable[[], object],
    ) -> None:
        self._sources = sources
        self._functions = functions
        self._page_size = page_size
        self._caching = caching
        self._single: Entries[ResourceEntry] = Entries("a resource", on_change)
        self.templates: Entries[ResourceEntry] = Entries("a template", on_change)
        methods = {
            "resources/list": Method(lambda *args: self._list("resources", self._single, *args)),
            "resources/templates/list": Method(lambda *args: self._list("resourceTemplates", self.templates, *args)),
            "resources/read": Method(self.read, runs_function=True),
        }
        self.feature = Feature("resources", self._capability, methods)

    def add(self, function: Any, uri: Any, options: ResourceOptions) -> None:
        """Add a resource, or those of a template.

        Raises:
            RegistrationError: The URI is invalid or taken, the function does not fit it, or an option is invalid.
        """
        name = name_of(function, options.name)
        served = self._functions.make(function, f"resources/{name}")
        template = UriTemplate(uri) if is_template(uri) else None
        served.refuse_names(() if template is None else template.names, f"uri={uri!r}")
        definition = {**place_of(uri, template), "name": name, **shown(options, served)}
        entry = ResourceEntry(definition, served, template, options.mime_type, checked_ttl(options.ttl))
        if template is None:
            self._single.add(uri, entry)
        else:
            refuse_size(options)
            self.templates.add(uri, entry)

    def has(self, uri: Any) -> bool:
        """Return whether a URI is that of a resource, or fits a template."""
        return isinstance(uri, str) and self._find(uri)[0] is not None

    def read(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``resources/read``."""
        uri = request.params.get("uri")
        if not isinstance(uri, str):
            raise MalformedRequest("Invalid params: uri is not a string")
        entry, texts = self._find(uri)
        if entry is None:
            raise resource_not_found(uri, request.revision)
        return scope.rounds.result(
            request,
            scope,
            lambda: (uri,),
            lambda request, scope, control: self._contents(entry, uri, texts, request, scope, control),
        )

    def _contents(
        self,
        entry: ResourceEntry,
        uri: str,
        texts: Mapping[str, str],
        request: ClientRequest,
        scope: Scope,
        control: CallControl,
    ) -> Result:
        params = entry.function.params_of(texts)  # anew for each run, which may change them
        try:
            value = self._functions.call(entry.function, params, scope, control)
        except ResourceNotFoundError as exc:
            raise resource_not_found(uri, request.revision) from exc
        contents = contents_of(value, uri, entry.mime_type, entry.function, self._sources.codec())
        return {"contents": contents, **self._caching_of(entry, scope)}

    def _caching_of(self, entry: ResourceEntry, scope: Scope) -> Mapping[str, Any]:
        """Return how long a client may keep the contents; those of a function that sees the request are private."""
        ttl = {} if entry.ttl_s is None else {"ttlMs": round(entry.ttl_s * 1000)}
        private = {"cacheScope": "private"} if entry.function.takes_connection else {}
        return {**self._caching(scope), **ttl, **private}

    def _find(self, uri: str) -> tuple[ResourceEntry | None, Mapping[str, str]]:
        """Return the resource with a URI, and the values in it: a single one, or else the first template's."""
        single = self._single.all().get(uri)
        if single is not None:
            return single, {}
        for entry in self.templates.all().values():
            values = None if entry.template is None else entry.template.match(uri)
            if values is not None:
                return entry, values
        return None, {}

    def _list(self, member: str, entries: Entries[ResourceEntry], request: ClientRequest, scope: Scope) -> Result:
        shown, further = page_of(entries.keys(), request, self._page_size)
        by_uri = entries.all()
        return {member: [by_uri[uri].definition for uri in shown], **further, **self._caching(scope)}

    def _capability(self) -> Mapping[str, Any] | None:
        has_any = self._single.all() or self.templates.all()
        return {"subscribe": True, "listChanged": True} if has_any else None


def place_of(uri: Any, template: UriTemplate | None) -> dict[str, str]:
    return {"uri": checked_uri(uri)} if template is None else {"uriTemplate": template.text}


def shown(options: ResourceOptions, function: ServedFunction) -> dict[str, Any]:
    """Return the members of a definition that the options and the docstring make.

    Raises:
        RegistrationError: An option has an invalid value.
    """
    refuse_unless_text(title=options.title, description=options.description, mime_type=options.mime_type)
    refuse_unless("size", options.size, int, "a number of bytes, or None")
    if options.size is not None and (isinstance(options.size, bool) or options.size < 0):
        raise RegistrationError(f"size={options.size!r} is refused: it takes a number of bytes, or None")
    return known_members(
        title=options.title,
        description=function.description if options.description is None else options.description,
        mimeType=options.mime_type,
        size=options.size,
        icons=list(checked_icons(options.icons)),
        annotations=checked_annotations(options.annotations),
    )


def refuse_size(options: ResourceOptions) -> None:
    if options.size is not None:
        raise RegistrationError(f"size={options.size!r} is refused: the resources of a template have no common size")
