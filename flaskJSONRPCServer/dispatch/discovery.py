"""Documents of the methods of a server: ``rpc.discover`` on every path, and the URLs of its OpenRPC documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter
from typing import Any

from ..http.caching import is_known
from ..http.request import Request
from ..http.response import Response, merged_headers
from ..runtime.interrupts import is_interrupt
from ..runtime.logs import ERROR, ServerLog
from .client_scripts import CLIENT_JS, JAVASCRIPT_TYPE, ClientScripts
from .documents import Documents, WrittenDocument
from .exchange import Exchange
from .rendering import Renderer
from .routes import Route
from .signatures import SignaturePlan

__all__ = ["DISCOVER", "Discovery", "document_response", "script_response"]

_CACHING = ("Cache-Control", "private, no-cache")

DISCOVER = "rpc.discover"
"""The method that returns the document of its path (OpenRPC 1.4.1, service discovery)."""


class Discovery:
    """Answers callers who ask for a document.

    Args:
        documents: Makes the documents.
        magic_name: The name of the magic parameter.
        log: Gets the failures of functions that decide on visibility.
        copy_request: Copies a request for these functions.
        scripts: Makes clients for JavaScript; None if the server has none.
    """

    def __init__(
        self,
        documents: Documents,
        magic_name: str,
        log: ServerLog,
        copy_request: Callable[[Request], Any],
        scripts: ClientScripts | None = None,
    ) -> None:
        self._documents = documents
        self._magic_name = magic_name
        self._log = log
        self._copy_request = copy_request
        self._scripts = scripts

    def route(self, path: str) -> Route:
        """Return the route of :data:`DISCOVER` on a formatted path. Its result is a WrittenDocument."""

        def discover(**arguments: Any) -> WrittenDocument:
            return self.document(arguments[self._magic_name]._request, path)

        plan = SignaturePlan([Parameter(self._magic_name, Parameter.KEYWORD_ONLY)], self._magic_name)
        return Route(DISCOVER, path, discover, plan, discover, None, allows_cross_site_get=False)

    def document(self, request: Request, path: str) -> WrittenDocument:
        """Return the document of a formatted path, as a caller sees it."""
        return self._documents.of_path(path, self.sight(request)).at(request.base_url)

    def document_of_server(self, request: Request, paths: Sequence[str]) -> WrittenDocument:
        """Return the document with the methods of all these paths, as a caller sees it."""
        return self._documents.of_server(paths, self.sight(request)).at(request.base_url)

    def is_script(self, request: Request) -> bool:
        """Return whether a request for a built-in URL is one for a client, and not for a document."""
        return self._scripts is not None and request.wsgi_path.rstrip("/").endswith(f"/{CLIENT_JS}")

    def script(self, request: Request, path: str) -> WrittenDocument:
        """Return the client for the document of a formatted path, as a caller sees it.

        Raises:
            NotFound: The caller sees no methods.
        """
        assert self._scripts is not None  # noqa: S101  without them, no URL leads here
        document = self._documents.of_path(path, self.sight(request))
        return self._scripts.of_document(document, path, has_slash=request.wsgi_path.endswith("/"))

    def script_of_server(self, request: Request, paths: Sequence[str]) -> WrittenDocument:
        """Return the client for all these paths, as a caller sees them.

        Raises:
            NotFound: The caller sees no methods.
        """
        assert self._scripts is not None  # noqa: S101  as above
        document = self._documents.of_server(paths, self.sight(request))
        return self._scripts.of_document(document, "/", has_slash=False)  # as no built-in URL of the server has one

    def sight(self, request: Request) -> Callable[[Route], bool]:
        """Return a function that says whether a caller sees a method."""
        copies: list[Any] = []  # one copy of the request, if any function needs it

        def is_visible(route: Route) -> bool:
            visible = None if route.contract is None else route.contract.options.visible
            if not callable(visible):
                return visible is not False
            if not copies:
                copies.append(self._copy_request(request))
            return self._decide(visible, copies[0], route)

        return is_visible

    def _decide(self, visible: Callable[[Any], bool], request: Any, route: Route) -> bool:
        try:
            return visible(request) is True
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            self._log.write(ERROR, f"visible of {route.url} raised; the method is not shown", traceback=True)
            return False


def document_response(document: WrittenDocument, exchange: Exchange, renderer: Renderer) -> Response:
    """Return the answer to a GET of a document: 304 if the client has it already."""
    headers = [("ETag", document.tag), _CACHING]
    if is_known(document.tag, exchange.head.get("HTTP_IF_NONE_MATCH", "")):
        return Response("304 Not Modified", headers)
    response = renderer.render(document.text, exchange)
    response.headers = merged_headers(response.headers, headers)
    return response


def script_response(script: WrittenDocument, exchange: Exchange, renderer: Renderer) -> Response:
    """Return the answer to a GET of a client: 304 if the caller has it already."""
    exchange.outgoing.mime_type = JAVASCRIPT_TYPE
    return document_response(script, exchange, renderer)
