"""URLs that a server answers itself, beside its methods: the OpenRPC document of the whole server, and others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import RegistrationError
from ..http.guard import Guard
from ..http.refusals import Refusal
from ..http.request import Environ
from ..http.response import Response
from ..settings import Auth, is_segment
from .exchange import Exchange

__all__ = ["BuiltInSite", "BuiltInUrl", "BuiltInUrls", "FoundUrl"]


@dataclass(frozen=True, slots=True)
class BuiltInUrl:
    """A URL that the server answers, unless a page of the Flask application has it.

    Attributes:
        segment: The only segment of its path, such as ``openrpc.json``; empty for the root.
        answer: Answers a request, perhaps with a :class:`~flaskJSONRPCServer.http.event_streams.StreamedResponse`. It
            is called with the rest of the path: empty, or ``/`` and more segments. It checks the media type of a body
            itself.
        methods: The HTTP methods that it takes. A request with OPTIONS is answered with this list, and with the
            headers of ``cors``; ``answer`` gets all others.
        needs_auth: Whether ``auth`` is asked first, with the path of the URL and None as the method.
        has_children: Whether it has all URLs below it too.
        takes_slash: Whether it may have a slash at its end.
        is_immediate: Whether it is answered although all threads are busy and requests are held. It has neither
            ``auth`` nor rate limits, takes every Host, and must not wait for long.
        auth: A function that is asked instead of ``auth``; None for that.
        is_counted: Whether its requests count among those of methods.
        refuses_foreign_pages: Whether a page of another origin may not ask it, unless ``allowed_origins`` or ``cors``
            names that origin.
        note_foreign: Called with the refusal of a request for its Host or Origin; None for nothing.
        note_hidden: Called with the URL in a Flask application where a page has it already; None for nothing.
    """

    segment: str
    answer: Callable[[Exchange, str], Response]
    methods: tuple[str, ...] = ("GET", "HEAD")
    needs_auth: bool = True
    has_children: bool = False
    takes_slash: bool = False
    is_immediate: bool = False
    auth: Auth | None = None
    is_counted: bool = False
    refuses_foreign_pages: bool = False
    note_foreign: Callable[[Refusal], object] | None = None
    note_hidden: Callable[[str], object] | None = None

    def has_path(self, path: str) -> bool:
        """Return whether a formatted path, such as ``/api/``, is one of its URLs."""
        return path.startswith(self.path) if self.has_children else path == self.path

    @property
    def path(self) -> str:
        """The path, with a slash at its end as those of methods have it."""
        return f"/{self.segment}/" if self.segment else "/"


FoundUrl = tuple[BuiltInUrl, str]
"""A built-in URL, and the rest of the path of a request for it."""


class BuiltInUrls:
    """The built-in URLs of one server, by their segments.

    Args:
        urls: The URLs.

    Attributes:
        added: The URLs that :meth:`add` has added.
    """

    def __init__(self, *urls: BuiltInUrl) -> None:
        self._by_segment = {url.segment: url for url in urls}  # replaced under _changing, read without it
        self._changing = threading.Lock()
        self._before_add: list[Callable[[BuiltInUrl], object]] = []
        self.added: tuple[BuiltInUrl, ...] = ()

    def before_add(self, check: Callable[[BuiltInUrl], object]) -> None:
        """Call a function with each URL that is to be added; if it raises, the URL is not added."""
        self._before_add.append(check)

    def add(self, url: BuiltInUrl) -> None:
        """Add a URL, on all Flask applications that the server is mounted on. Requests may come meanwhile.

        Raises:
            RegistrationError: The segment is invalid, or a path of methods or another built-in URL has it.
        """
        if not is_segment(url.segment):
            raise RegistrationError(
                f"the URL /{url.segment} is refused: it takes one segment of letters, digits and ._~-"
            )
        with self._changing:
            if url.segment in self._by_segment:
                raise RegistrationError(f"/{url.segment} is a URL of the server itself already; choose another one")
            for check in self._before_add:
                check(url)
            self._by_segment = {**self._by_segment, url.segment: url}
            self.added = (*self.added, url)

    def __iter__(self) -> Iterator[BuiltInUrl]:
        return iter(self._by_segment.values())

    def find(self, wsgi_path: str) -> FoundUrl | None:
        """Return the built-in URL of a path and the rest of the path; None if there is none."""
        segment, slash, rest = wsgi_path[1:].partition("/")
        url = self._by_segment.get(segment)
        if url is None:
            return None
        if not slash or url.has_children:
            return url, slash + rest
        return (url, "") if url.takes_slash and not rest else None

    def find_for(self, head: Environ) -> FoundUrl | None:
        """Return the built-in URL of a request, as :meth:`find`; None also if the URL does not take its method."""
        found = self.find(head.get("PATH_INFO", ""))
        return None if found is None or head["REQUEST_METHOD"] not in found[0].methods else found

    def is_immediate(self, head: Environ) -> bool:
        """Return whether a request is for a URL that is answered immediately."""
        found = self.find_for(head)
        return found is not None and found[0].is_immediate


@dataclass(frozen=True, slots=True)
class BuiltInSite:
    """The built-in URLs of an address of their own.

    Attributes:
        urls: The URLs.
        guard: Checks the head of each request.
    """

    urls: BuiltInUrls
    guard: Guard
