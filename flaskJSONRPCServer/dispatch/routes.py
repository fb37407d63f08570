"""Which function a URL and a method name lead to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..errors import RegistrationError
from .callables import Plan
from .rate_limits.plan import Rule

__all__ = ["Backends", "Endpoint", "Route", "RouteTable", "Router", "format_path", "wsgi_encoded"]


@dataclass(frozen=True, slots=True)
class Backends:
    """The exec backends of a route; None stands for the serving thread.

    Attributes:
        dispatcher: Where its calls run.
        notif: Where its notifications run.
    """

    dispatcher: Any
    notif: Any


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One registered function under one name and path.

    Attributes:
        name: The method's name in a request.
        path: The formatted path, such as ``/api/``.
        function: What is called.
        plan: How its parameters are bound.
        lock_key: What the locks know it by.
        output_format: The format of its JSONP answers; None refuses every GET.
        shares_secrets: Whether it was registered to answer GET, so that a page of another site may call it, by JSONP
            and with the user's cookies.
        backends: Where it runs; None where all of it runs in the serving thread.
        names: All names that it was registered under, this one among them; empty where nobody asks.
        rate_limit: How often each client may call it, under whichever of its names; None: as the server says.
        url: The path and the name, by which the statistics know it.
    """

    name: str
    path: str
    function: Callable[..., Any]
    plan: Plan
    lock_key: Hashable
    output_format: str | None
    shares_secrets: bool
    backends: Backends | None = None
    names: tuple[str, ...] = ()
    rate_limit: Rule | None = None
    url: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", self.path + self.name)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and the routes below it, by name.

    Attributes:
        has_backends: Whether a route among them has exec backends.
        find: Returns the route of a name, or None: ``routes.get`` of the dict itself, which takes half the time of the
            read-only view's.
    """

    path: str
    routes: Mapping[str, Route]
    has_backends: bool = False
    find: Callable[[str], Route | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "find", self.routes.get)
        object.__setattr__(self, "routes", MappingProxyType(self.routes))


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All routes at one moment. A change makes a new table, so a request sees one from start to end."""

    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    """By the path as WSGI gives it, with and without the final slash."""

    def with_routes(self, routes: Iterable[Route]) -> RouteTable:
        """Return a table that has the routes too.

        Raises:
            RegistrationError: Another function already stands under one of the names.
        """
        by_path = {endpoint.path: dict(endpoint.routes) for endpoint in self.endpoints.values()}
        for route in routes:
            names = by_path.setdefault(route.path, {})
            refuse_other(names.get(route.name), route)
            names[route.name] = route
        return RouteTable(endpoints_of(by_path))

    def with_replaced(self, new: Iterable[Route], is_dropped: Callable[[Route], bool]) -> RouteTable:
        """Return a table without the routes that are dropped, and with the new ones, whatever stands in their place.

        Raises:
            RegistrationError: Two new routes have the same name and path, and lead to different functions.
        """
        new = list(new)
        RouteTable().with_routes(new)
        by_path: dict[str, dict[str, Route]] = {}
        for route in [*(each for each in self.routes() if not is_dropped(each)), *new]:
            by_path.setdefault(route.path, {})[route.name] = route
        return RouteTable(endpoints_of(by_path))

    def find(self, path: str, name: str) -> Route | None:
        """Return the route of a formatted path and a name."""
        endpoint = self.endpoints.get(wsgi_encoded(path))
        return None if endpoint is None else endpoint.routes.get(name)

    def routes(self) -> list[Route]:
        """Return all routes, each once."""
        endpoints = {endpoint.path: endpoint for endpoint in self.endpoints.values()}
        return [route for endpoint in endpoints.values() for route in endpoint.routes.values()]

    def endpoint_of_method(self, wsgi_path: str) -> tuple[Endpoint | None, str]:
        """Split ``/path/method`` and ``/path/method/``; the endpoint is None where the path is unknown."""
        if "//" in wsgi_path:  # Flask redirects these
            return None, ""
        parent, _, wsgi_name = wsgi_path.removesuffix("/").rpartition("/")
        return self.endpoints.get(parent or "/"), wsgi_decoded(wsgi_name)

    def paths(self) -> list[str]:
        """Return the formatted paths, each once."""
        return list(dict.fromkeys(endpoint.path for endpoint in self.endpoints.values()))


def endpoints_of(by_path: Mapping[str, dict[str, Route]]) -> Mapping[str, Endpoint]:
    endpoints = {}
    for path, names in by_path.items():
        endpoint = Endpoint(path, names, any(route.backends for route in names.values()))
        for form in (path, path.rstrip("/") or "/"):
            endpoints[wsgi_encoded(form)] = endpoint
    return endpoints


def refuse_other(present: Route | None, new: Route) -> None:
    if present is not None and present.lock_key != new.lock_key:
        raise RegistrationError(
            f"{new.name!r} on {new.path!r} is already {present.function!r}; choose another name= or path="
        )


def wsgi_encoded(path: str) -> str:
    """Return the path as WSGI gives it: the bytes of UTF-8 read as Latin-1 (PEP 3333)."""
    return path.encode().decode("latin-1")


def wsgi_decoded(path: str) -> str:
    return path.encode("latin-1").decode(errors="replace")


def format_path(path: str = "") -> str:
    """Return the path with a slash at both ends.

    >>> format_path(""), format_path("api"), format_path("/a/b")
    ('/', '/api/', '/a/b/')
    """
    stripped = path.strip("/")
    return f"/{stripped}/" if stripped else "/"


class Router:
    """Holds the current :class:`RouteTable`.

    Args:
        on_paths: Told the formatted paths of every new table, before it is used.
        on_paths_left: Told them once a table has been exchanged for one that may have fewer.
    """

    def __init__(
        self, on_paths: Callable[[list[str]], None], on_paths_left: Callable[[list[str]], None] = lambda paths: None
    ) -> None:
        self.table = RouteTable()  # replaced under _changing, read without it
        self._changing = threading.Lock()
        self._on_paths = on_paths
        self._on_paths_left = on_paths_left

    def add(self, routes: Iterable[Route]) -> None:
        """Add all the routes, or none.

        Raises:
            RegistrationError: As :meth:`RouteTable.with_routes`.
        """
        with self._changing:
            table = self.table.with_routes(routes)
            self._on_paths(table.paths())
            self.table = table

    def replace(self, new: Iterable[Route], is_dropped: Callable[[Route], bool]) -> None:
        """Drop routes and add others, in one step: a request sees all of it or nothing.

        Raises:
            RegistrationError: As :meth:`RouteTable.with_replaced`.
        """
        with self._changing:
            table = self.table.with_replaced(new, is_dropped)
            self._on_paths(table.paths())
            self.table = table
            self._on_paths_left(table.paths())
