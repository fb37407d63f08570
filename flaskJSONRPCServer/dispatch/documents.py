"""The OpenRPC documents of a server: one for each path, and one for all.

A document is made once for a route table, and written as JSON with a mark in the place of the server's URL, which
differs between requests. Callers who see different methods get different documents.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..contract.errors import DeclaredError
from ..contract.openrpc import MethodFacts, document_of
from .routes import Route, RouteTable

__all__ = ["Document", "DocumentSources", "Documents", "is_shown", "main_routes"]

# How many documents are kept, for callers who see different methods; guessed.
_MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class Document:
    """A document as JSON, with a mark in the place of the server's URL."""

    text: str
    mark: str

    def encoded(self, base_url: str) -> bytes:
        """Return the document of a server at this URL, as JSON."""
        return self.text.replace(self.mark, json.dumps(base_url)[1:-1]).encode()

    def tree(self, base_url: str) -> dict[str, Any]:
        """Return the document of a server at this URL, as JSON values."""
        tree: dict[str, Any] = json.loads(self.encoded(base_url))
        return tree


@dataclass(frozen=True, slots=True)
class DocumentSources:
    """Functions that return the parts of documents, as they are now.

    Attributes:
        table: Returns the routes.
        info: Returns the Info Object.
        mapped_errors: Returns the errors that exceptions of a method are mapped to.
    """

    table: Callable[[], RouteTable]
    info: Callable[[], Mapping[str, Any]]
    mapped_errors: Callable[[Route], Sequence[DeclaredError]]


class Documents:
    """Makes and keeps the documents of a server.

    Args:
        sources: The parts of the documents.
    """

    def __init__(self, sources: DocumentSources) -> None:
        self._sources = sources
        self._making = threading.Lock()
        self._kept: dict[Any, Document] = {}  # changed under _making; the last one is the one that was asked for last
        self._table: RouteTable | None = None  # of the kept documents; changed under _making

    def of_path(self, path: str, is_visible: Callable[[Route], bool]) -> Document:
        """Return the document of a formatted path.

        Args:
            path: The path.
            is_visible: Returns whether the caller sees a method.
        """
        return self._document(path, (path,), is_visible)

    def of_server(self, paths: Sequence[str], is_visible: Callable[[Route], bool]) -> Document:
        """Return the document of all these paths, whose methods name their URLs."""
        return self._document(None, paths, is_visible)

    def tree_of(self, table: RouteTable) -> dict[str, Any]:
        """Return the document of all paths of a table, which need not be in use; for a comparison."""
        return self._made(None, [route for route in main_routes(table) if is_shown(route)]).tree("")

    def forget(self) -> None:
        """Make all documents anew, after one of their parts has changed."""
        with self._making:
            self._table = None

    def _document(self, path: str | None, paths: Sequence[str], is_visible: Callable[[Route], bool]) -> Document:
        table = self._sources.table()
        routes = [route for route in main_routes(table) if route.path in paths and is_visible(route)]
        key = path, tuple(route.url for route in routes)
        with self._making:
            if self._table is not table:
                self._kept, self._table = {}, table
            document = self._kept.pop(key, None) or self._made(path, routes)
            self._kept[key] = document
            if len(self._kept) > _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
        return document

    def _made(self, path: str | None, routes: Sequence[Route]) -> Document:
        mark = uuid.uuid4().hex
        methods = [self._facts(route, name, mark if path is None else None) for name, route in named(routes)]
        servers = [{"url": url_of(mark, path or "/")}]
        document = document_of(methods, self._sources.info(), servers)
        return Document(json.dumps(document, ensure_ascii=False, allow_nan=False), mark)

    def _facts(self, route: Route, name: str, mark: str | None) -> MethodFacts:
        assert route.contract is not None  # noqa: S101  it was registered here
        extensions = dict(extensions_of(route))
        if name != route.name:
            extensions["x-method"] = route.name
        servers = [] if mark is None else [{"url": url_of(mark, route.path)}]
        return MethodFacts(name, route.contract, self._sources.mapped_errors(route), extensions, servers)


def main_routes(table: RouteTable) -> list[Route]:
    """Return the routes by path and name, without those of aliases."""
    routes = [route for route in table.routes() if route.contract is not None and route.name == route.names[0]]
    return sorted(routes, key=lambda route: (route.path, route.name))


def is_shown(route: Route) -> bool:
    """Return whether any caller may see a method."""
    return route.contract is not None and route.contract.options.visible is not False


def named(routes: Iterable[Route]) -> list[tuple[str, Route]]:
    """Return the routes with unique names: if two paths have one name, its later methods are named by their paths."""
    taken: dict[str, Route] = {}
    for route in routes:
        name = route.name if route.name not in taken else f"{route.path[1:]}{route.name}"
        taken[name] = route
    return list(taken.items())


def extensions_of(route: Route) -> Iterable[tuple[str, Any]]:
    """Yield the members of a Method Object that OpenRPC does not know."""
    if len(route.names) > 1:
        yield "x-aliases", list(route.names[1:])
    if route.timeout_s is not None:
        yield "x-timeout", route.timeout_s
    backends = route.backends
    if backends is not None and backends.dispatcher is not None:
        yield "x-exec-backend", backends.dispatcher._id


def url_of(mark: str, path: str) -> str:
    return f"{mark}{path.rstrip('/')}" if path != "/" else f"{mark}/"
