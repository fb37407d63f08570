"""The OpenRPC documents of a server: one for each path, and one for all.

A document is made once for a route table, and written as JSON with a mark in the place of the server's URL, which
differs between requests. It is kept as bytes for the URLs that were asked for last. Callers who see different methods
get different documents.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..contract.errors import DeclaredError
from .routes import Route, RouteTable
from .visibility import is_conditional, is_shown

if TYPE_CHECKING:
    from ..contract.openrpc import MethodFacts

__all__ = ["Document", "DocumentSources", "Documents", "WrittenDocument", "main_routes"]

# How many documents are kept, for callers who see different methods; guessed.
_MOST_KEPT = 64

# How many URLs of the server a document is kept for. Clients choose the host of the URL, so there must be a limit.
_MOST_URLS = 4


@dataclass(frozen=True, slots=True)
class WrittenDocument:
    """The document of a server at one URL.

    Attributes:
        text: The document as JSON.
        tag: Its entity tag (RFC 9110, section 8.8.3). It is weak, since a compressed answer has other bytes.
    """

    text: bytes
    tag: str

    def tree(self) -> dict[str, Any]:
        """Return the document as JSON values."""
        tree: dict[str, Any] = json.loads(self.text)
        return tree


class Document:
    """A document for any URL of the server.

    Args:
        text: The document as JSON, with a mark in the place of the server's URL.
        mark: The mark.
    """

    def __init__(self, text: str, mark: str) -> None:
        self._text = text
        self._mark = mark
        self._by_url: dict[str, WrittenDocument] = {}  # any thread may write an entry again: they are equal

    def at(self, base_url: str) -> WrittenDocument:
        """Return the document of a server at this URL."""
        written = self._by_url.get(base_url)
        if written is None:
            written = self._written(base_url)
            if len(self._by_url) >= _MOST_URLS:
                self._by_url = {}
            self._by_url[base_url] = written
        return written

    def _written(self, base_url: str) -> WrittenDocument:
        text = self._text.replace(self._mark, json.dumps(base_url)[1:-1])
        encoded = text.encode(errors="backslashreplace")  # a lone surrogate becomes its escape in JSON
        return WrittenDocument(encoded, f'W/"{hashlib.sha256(encoded).hexdigest()[:32]}"')


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


@dataclass(frozen=True, slots=True)
class Listing:
    """The methods of a table.

    Attributes:
        routes: The routes that documents may show, in their order.
        conditional: Those that only some callers see.
    """

    routes: tuple[Route, ...] = ()
    conditional: tuple[Route, ...] = ()

    @classmethod
    def of(cls, table: RouteTable) -> Listing:
        """Return the methods of a table."""
        routes = tuple(route for route in main_routes(table) if is_shown(route))
        return cls(routes, tuple(route for route in routes if is_conditional(route)))


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
        self._listing = Listing()  # of the table; changed under _making

    def of_path(self, path: str, is_visible: Callable[[Route], bool]) -> Document:
        """Return the document of a formatted path.

        Args:
            path: The path.
            is_visible: Returns whether the caller sees a method that only some callers see.
        """
        return self._document(path, (path,), is_visible)

    def of_server(self, paths: Sequence[str], is_visible: Callable[[Route], bool]) -> Document:
        """Return the document of all these paths, whose methods name their URLs."""
        return self._document(None, paths, is_visible)

    def tree_of(self, table: RouteTable) -> dict[str, Any]:
        """Return the document of all paths of a table, which need not be in use; for a comparison.

        It has all methods, visible or not, since callers may know them all. Each alias is a method of its own: it may
        have been replaced apart from the others.
        """
        tree = self._made(None, sorted_routes(table)).at("").tree()
        for method in tree["methods"]:
            method.pop("x-aliases", None)
        return tree

    def forget(self) -> None:
        """Make all documents anew, after one of their parts has changed."""
        with self._making:
            self._table = None

    def _document(self, path: str | None, paths: Sequence[str], is_visible: Callable[[Route], bool]) -> Document:
        table = self._sources.table()
        listing = self._listing_of(table)
        shown = frozenset(paths)
        hidden = frozenset(
            route for route in listing.conditional if route.path in shown and not is_visible(route)
        )  # without the lock: the user's functions decide
        with self._making:
            kept = self._kept if self._table is table else {}
            key = path, shown, hidden
            document = kept.pop(key, None)
            if document is None:
                routes = [route for route in listing.routes if route.path in shown and route not in hidden]
                document = self._made(path, routes)
            kept[key] = document
            if len(kept) > _MOST_KEPT:
                kept.pop(next(iter(kept)))
        return document

    def _listing_of(self, table: RouteTable) -> Listing:
        with self._making:
            if self._table is not table:
                self._kept, self._table, self._listing = {}, table, Listing.of(table)
            return self._listing

    def _made(self, path: str | None, routes: Sequence[Route]) -> Document:
        from ..contract.openrpc import document_of  # with the first document: a server that shows none needs no parser

        mark = uuid.uuid4().hex
        methods = [self._facts(route, name, mark if path is None else None) for name, route in named(routes)]
        servers = [{"url": url_of(mark, path or "/")}]
        document = document_of(methods, self._sources.info(), servers)
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return Document(text, mark)

    def _facts(self, route: Route, name: str, mark: str | None) -> MethodFacts:
        from ..contract.openrpc import MethodFacts

        assert route.contract is not None  # noqa: S101  it was registered here
        extensions = dict(extensions_of(route))
        if name != route.name:
            extensions["x-method"] = route.name
        servers = [] if mark is None else [{"url": url_of(mark, route.path)}]
        return MethodFacts(name, route.contract, self._sources.mapped_errors(route), extensions, servers)


def main_routes(table: RouteTable) -> list[Route]:
    """Return the routes by path and name, without those of aliases."""
    return [route for route in sorted_routes(table) if route.name == route.names[0]]


def sorted_routes(table: RouteTable) -> list[Route]:
    routes = [route for route in table.routes() if route.contract is not None]
    return sorted(routes, key=lambda route: (route.path, route.name))


def named(routes: Iterable[Route]) -> list[tuple[str, Route]]:
    """Return the routes with unique names: those of one name on several paths are all named by their paths.

    So the names do not depend on the order of the paths. A name that looks like one with a path has its path too.
    """
    routes = list(routes)
    counts = Counter(route.name for route in routes)
    with_paths = {name_with_path(route): route for route in routes}
    return [
        (route.name if counts[route.name] == 1 and with_paths.get(route.name, route) is route else name, route)
        for name, route in with_paths.items()
    ]


def name_with_path(route: Route) -> str:
    """Return a name that no other route of a table has: after the last slash is the name, whose slashes are quoted."""
    return f"{route.path[1:]}{route.name.replace('%', '%25').replace('/', '%2F')}"


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
    return f"{mark}{quote(path.rstrip('/') or '/')}"
