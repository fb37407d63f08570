"""Documents of the methods of a server: ``rpc.discover`` on every path, and the URLs of its OpenRPC documents."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import Parameter
from typing import Any

from ..http.caching import is_known
from ..http.request import Request
from ..http.response import Response, merged_headers
from .client_scripts import CLIENT_JS, JAVASCRIPT_TYPE, ClientScripts
from .documents import Documents, WrittenDocument
from .exchange import Exchange
from .rendering import Renderer
from .routes import Route
from .signatures import SignaturePlan
from .visibility import Visibility

__all__ = ["DISCOVER", "Discovery", "document_response", "script_response"]

_CACHING = ("Cache-Control", "private, no-cache")

DISCOVER = "rpc.discover"
"""The method that returns the document of its path (OpenRPC 1.4.1, service discovery)."""


class Discovery:
    """Answers callers who ask for a document.

    Args:
        documents: Makes the documents.
        magic_name: The name of the magic parameter.
        visibility: Decides which methods a caller sees.
        scripts: Makes clients for JavaScript; None if the server has none.
    """

    def __init__(
        self,
        documents: Documents,
        magic_name: str,
        visibility: Visibility,
        scripts: ClientScripts | None = None,
    ) -> None:
        self._documents = documents
        self._magic_name = magic_name
        self._visibility = visibility
        self._scripts = scripts

    def route(self, path: str) -> Route:
        """Return the route of :data:`DISCOVER` on a formatted path. Its result is a WrittenDocument."""

        def discover(**arguments: Any) -> WrittenDocument:
            return self.document(arguments[self._magic_name]._request, path)

        plan = SignaturePlan([Parameter(self._magic_name, Parameter.KEYWORD_ONLY)], self._magic_name)
        return Route(DISCOVER, path, discover, plan, discover, None, allows_cross_site_get=False)

    def document(self, request: Request, path: str) -> WrittenDocument:
        """Return the document of a formatted path, as a caller sees it."""
        return self._documents.of_path(path, self._visibility.sight(request)).at(request.base_url)

    def document_of_server(self, request: Request, paths: Sequence[str]) -> WrittenDocument:
        """Return the document with the methods of all these paths, as a caller sees it."""
        return self._documents.of_server(paths, self._visibility.sight(request)).at(request.base_url)

    def is_script(self, request: Request) -> bool:
        """Return whether a request for a built-in URL is one for a client, and not for a document."""
        return self._scripts is not None and request.wsgi_path.rstrip("/").endswith(f"/{CLIENT_JS}")

    def script(self, request: Request, path: str) -> WrittenDocument:
        """Return the client for the document of a formatted path, as a caller sees it.

        Raises:
            NotFound: The caller sees no methods.
        """
        assert self._scripts is not None  # noqa: S101  without them, no URL leads here
        document = self._documents.of_path(path, self._visibility.sight(request))
        return self._scripts.of_document(document, path, has_slash=request.wsgi_path.endswith("/"))

    def script_of_server(self, request: Request, paths: Sequence[str]) -> WrittenDocument:
        """Return the client for all these paths, as a caller sees them.

        Raises:
            NotFound: The caller sees no methods.
        """
        assert self._scripts is not None  # noqa: S101  as above
        document = self._documents.of_server(paths, self._visibility.sight(request))
        return self._scripts.of_document(document, "/", has_slash=False)  # as no built-in URL of the server has one


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
