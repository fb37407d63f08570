"""Clients for JavaScript, which a server generates from its OpenRPC documents: ``GET <path>/client.js``."""

from __future__ import annotations

import hashlib
import threading
from typing import Final

from ..errors import SettingsError
from ..http.refusals import NotFound
from ..settings import Settings
from .documents import Document, WrittenDocument

__all__ = ["CLIENT_JS", "JAVASCRIPT_TYPE", "ClientScripts", "refuse_client_js"]

CLIENT_JS: Final = "client.js"
"""The last segment of the URLs."""

JAVASCRIPT_TYPE: Final = "text/javascript; charset=utf-8"

# As many as documents for callers who see different methods.
_MOST_KEPT: Final = 64


class ClientScripts:
    """Makes and keeps the clients of a server.

    They have no URL of the server: each computes it from its own, so that it is right behind any proxy.

    Args:
        version: The version of the package.
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._making = threading.Lock()
        self._kept: dict[tuple[str, str, bool], WrittenDocument] = {}  # changed under _making

    def of_document(self, document: Document, path: str, *, has_slash: bool) -> WrittenDocument:
        """Return the client for a document.

        Args:
            document: The document.
            path: The formatted path whose document it is; ``/`` for that of the server.
            has_slash: Whether the URL of the client ends with a slash: a relative URL then has one step more to go.

        Raises:
            NotFound: The caller sees no methods in the document.
        """
        written = document.at("")
        key = written.tag, path, has_slash
        with self._making:
            script = self._kept.pop(key, None) or self._made(written, path, has_slash=has_slash)
            self._kept[key] = script
            if len(self._kept) > _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
        return script

    def _made(self, document: WrittenDocument, path: str, *, has_slash: bool) -> WrittenDocument:
        from ..client.generate import DocumentError, generate_served  # with the first client: few servers need it

        depth = path.strip("/").count("/") + 1 if path != "/" else 0
        base = "/".join([".."] * (depth + has_slash)) or "."
        try:
            text = generate_served(document.tree(), self._version, base)
        except DocumentError as exc:
            raise NotFound("this document has no methods") from exc
        encoded = text.encode()
        return WrittenDocument(encoded, f'W/"{hashlib.sha256(encoded).hexdigest()[:32]}"')


def refuse_client_js(settings: Settings) -> None:
    """Refuse a client that could not be made, or whose URL is taken.

    Raises:
        SettingsError: The other settings do not fit it.
    """
    if settings.client_js and not settings.discover:
        raise SettingsError("client_js=True is refused: the client is made from the documents; pass discover=True")
    if settings.client_js and settings.discover_url == CLIENT_JS:
        raise SettingsError(f"client_js=True is refused: discover_url has its URL, {CLIENT_JS!r}; choose another one")
