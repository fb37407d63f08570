"""The URLs of the console.

The files hold no data: they are the same for every server of this version, and anyone may get them. All that the page
shows comes from the documents and methods of the server, which ask ``auth``. If these URLs asked it too, a browser
could never load the page that asks for the credentials.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator

from ..dispatch.built_in import BuiltInUrl
from ..dispatch.exchange import Exchange
from ..http.caching import is_known
from ..http.gzip import accepts_gzip
from ..http.refusals import NotFound
from ..http.response import Header, Response, merged_headers, text_response
from ..servBackend.addresses import is_behind_loopback
from ..settings import Settings
from .files import INDEX, StaticFile, read_files, with_replaced

__all__ = ["console_urls", "has_console"]

SEGMENT = "console"

# The last segments of the URLs below which a path of the server is, seen from the page.
_BASE = "../"


class ConsolePages:
    """Answers requests for the files of the console.

    Args:
        settings: The settings of the server.
        answer_live: Answers the requests of the dashboard; None for any other request.
    """

    def __init__(
        self,
        settings: Settings,
        answer_live: Callable[[Exchange, str], Response | None],
    ) -> None:
        self._settings = settings
        self._answer_live = answer_live
        self._index: StaticFile | None = None  # any thread may make it again: they are equal

    def answer(self, exchange: Exchange, rest: str) -> Response:
        """Answer a request for a file.

        Args:
            exchange: The request.
            rest: The path below the console: a slash and the name of the file.

        Raises:
            NotFound: There is no such file, or no console.
        """
        if not has_console(self._settings):
            raise NotFound("this server shows no console; pass console=True to it")
        live = self._answer_live(exchange, rest)
        if live is not None:
            return live
        if exchange.method == "POST":
            return self._post_refused()
        if not rest:  # the URLs in the page are relative to the folder
            return self._redirect(f"{SEGMENT}/")
        return self._file_response(self._find(rest[1:]), exchange)

    @staticmethod
    def _post_refused() -> Response:
        response = text_response("405 Method Not Allowed", "files of the console are only read")
        response.headers.append(("Allow", "GET, HEAD"))
        return response

    def answer_root(self, exchange: Exchange, _: str) -> Response:
        """Lead to the console from the root of the server."""
        if not has_console(self._settings):
            raise NotFound("there is no page here")
        return self._redirect(f"{SEGMENT}/")

    @property
    def _headers(self) -> list[Header]:
        return security_headers(sorted(self._settings.console_origins))

    def _find(self, name: str) -> StaticFile:
        if name in ("", INDEX):
            self._index = self._index or self._made_index()
            return self._index
        file = read_files().get(name)
        if file is None:
            raise NotFound("the console has no such file")
        return file

    def _made_index(self) -> StaticFile:
        """Return the page with the URL of the document, relative to it; an empty one if the server shows none."""
        document = f"{_BASE}{self._settings.discover_url}" if self._settings.discover else ""
        return with_replaced(read_files()[INDEX], lambda text: text.replace("{document}", html.escape(document)))

    def _file_response(self, file: StaticFile, exchange: Exchange) -> Response:
        use_gzip = accepts_gzip(exchange.head.get("HTTP_ACCEPT_ENCODING", ""))
        tag = file.compressed_tag if use_gzip else file.tag
        caching = [("ETag", tag), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding")]
        headers = [*caching, *self._headers]
        if is_known(tag, exchange.head.get("HTTP_IF_NONE_MATCH", "")):
            return Response("304 Not Modified", headers)
        body = file.compressed if use_gzip else file.body
        framing = [("Content-Type", file.media_type), ("Content-Length", str(len(body)))]
        coding = [("Content-Encoding", "gzip")] if use_gzip else []
        return Response("200 OK", [*framing, *coding, *headers], body)

    def _redirect(self, location: str) -> Response:
        # Relative: only the browser knows the prefix that a proxy adds (RFC 9110, section 10.2.2).
        response = text_response("302 Found", f"the console is at {location}")
        headers = [("Location", location), ("Cache-Control", "no-cache"), *self._headers]
        response.headers = merged_headers(response.headers, headers)
        return response


def security_headers(origins: Iterable[str]) -> list[Header]:
    """Return the headers that keep the page to its own origin, and other pages out of it.

    Args:
        origins: Further origins that it may connect to.
    """
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": " ".join(["'self'", *origins]),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        # No text becomes markup, in this page's code or in a library's.
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return [
        ("Content-Security-Policy", "; ".join(f"{name} {value}" for name, value in policy.items())),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ]


def console_urls(settings: Settings, answer_live: Callable[[Exchange, str], Response | None]) -> Iterator[BuiltInUrl]:
    """Yield the URLs of the console.

    Args:
        settings: The settings of the server.
        answer_live: Answers the requests of the dashboard; None for any other request. It asks ``auth`` itself.
    """
    if not has_console(settings):
        return
    pages = ConsolePages(settings, answer_live)
    yield BuiltInUrl(SEGMENT, pages.answer, ("GET", "HEAD", "POST"), needs_auth=False, has_children=True)
    if is_behind_loopback(settings):
        yield BuiltInUrl("", pages.answer_root, needs_auth=False)


def has_console(settings: Settings) -> bool:
    """Return whether a server shows the console now: ``bindAdress`` may change before the start."""
    return bool(settings.console) or (settings.console is None and is_behind_loopback(settings))
