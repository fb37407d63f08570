"""The routes: from a URL and a method name to a function.

Routes are immutable. A registration makes a new :class:`RouteTable` and replaces one reference, so a request sees one
table from start to end, and reading it takes no lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..contract.method import Contract
from ..contract.results import result_writer, with_written_result
from ..errors import RegistrationError
from .checked_plan import Plan
from .exec_backend import ExecBackend
from .rate_limits.plan import Rule

__all__ = ["Backends", "BuiltIn", "Endpoint", "Route", "RouteTable", "Router", "format_path", "wsgi_encoded"]


@dataclass(frozen=True, slots=True)
class Backends:
    """The exec backends of a route; None means the serving thread.

    Attributes:
        dispatcher: The backend of its calls.
        notif: The backend of its notifications.
        timeout_s: How long its calls may take, in seconds from the arrival of the request; None for no limit.
        timed: The backend in place of the serving thread for a route with a timeout, so that this thread can answer at
            the deadline; None without a timeout.
    """

    dispatcher: ExecBackend | None
    notif: ExecBackend | None
    timeout_s: float | None = None
    timed: ExecBackend | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One registered function under one name and path.

    Attributes:
        name: The method name in a request.
        path: The formatted path, such as ``/api/``.
        function: The registered function.
        plan: Binds the parameters, and checks those with hints.
        lock_key: The key of the function in the locks.
        output_format: The format of its JSONP answers; None refuses every GET.
        allows_cross_site_get: Whether it was registered to answer GET, so that a page of another site may call it by
            JSONP with the user's cookies.
        backends: Its exec backends and its timeout; None if everything runs in the serving thread, without a timeout.
        names: All names of the registration, this one included; empty in a child process, which does not need them.
        rate_limit: The rate limit of each client, for all names together; None for the server's limits only.
        contract: The types, documentation and errors of the function; None in a child process, where they are not used.
        caller: The function itself, or for a coroutine function the :class:`~.coroutines.CoroutineCaller` that waits
            for it.
        url: The path and the name: its key in the statistics.
        write_result: Returns the JSON form of a result; None if results are written as they are.
        target: The callable that the invoker calls: the caller, with its result written.
    """

    name: str
    path: str
    function: Callable[..., Any]
    plan: Plan
    lock_key: Hashable
    output_format: str | None
    allows_cross_site_get: bool
    backends: Backends | None = None
    names: tuple[str, ...] = ()
    rate_limit: Rule | None = None
    contract: Contract | None = None
    caller: Callable[..., Any] = None  # type: ignore[assignment]  # the function, unless it is passed
    url: str = field(init=False)
    write_result: Callable[[Any], Any] | None = field(init=False)
    target: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        if self.caller is None:
            object.__setattr__(self, "caller", self.function)
        write = None if self.contract is None else result_writer(self.contract)
        target = self.caller if write is None else with_written_result(self.caller, write)
        object.__setattr__(self, "url", self.path + self.name)
        object.__setattr__(self, "write_result", write)
        object.__setattr__(self, "target", target)

    @property
    def timeout_s(self) -> float | None:
        """How long its calls may take, in seconds from the arrival of the request; None for no limit."""
        return None if self.backends is None else self.backends.timeout_s

    @property
    def is_tool(self) -> bool:
        """Whether it was registered as a tool for language models."""
        return self.contract is not None and bool(self.contract.options.mcp)


BuiltIn = Callable[[str], Route]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and the routes below it, by name.

    Attributes:
        has_backends: Whether one of the routes has exec backends.
        built_in: The route of the server's own method; None without one.
        find: Returns the route of a name, or None. It is ``get`` of the dict itself, which takes half the time of
            ``get`` of the read-only ``routes``.
    """

    path: str
    routes: Mapping[str, Route]
    has_backends: bool = False
    built_in: Route | None = None
    find: Callable[[str], Route | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "find", self.routes.get)
        object.__setattr__(self, "routes", MappingProxyType(self.routes))


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All routes at one moment. A change makes a new table, so a request sees one from start to end."""

    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    """The endpoints by path, as WSGI encodes it; with and without the final slash."""
    built_in: BuiltIn | None = None
    """Returns the route of the server's own method on a path."""

    def with_routes(self, routes: Iterable[Route]) -> RouteTable:
        """Return a table with further routes.

        Raises:
            RegistrationError: Another function already has one of the names.
        """
        by_path = {endpoint.path: dict(endpoint.routes) for endpoint in self.endpoints.values()}
        for route in routes:
            names = by_path.setdefault(route.path, {})
            refuse_other(names.get(route.name), route)
            names[route.name] = route
        return RouteTable(endpoints_of(by_path, self.built_in), self.built_in)

    def with_replaced(self, new: Iterable[Route], is_dropped: Callable[[Route], bool]) -> RouteTable:
        """Return a table without the dropped routes, and with the new ones, which replace routes of the same name.

        Raises:
            RegistrationError: Two new routes have the same name and path, and lead to different functions.
        """
        new = list(new)
        RouteTable().with_routes(new)
        by_path: dict[str, dict[str, Route]] = {}
        for route in [*(route for route in self.routes() if not is_dropped(route)), *new]:
            by_path.setdefault(route.path, {})[route.name] = route
        return RouteTable(endpoints_of(by_path, self.built_in), self.built_in)

    def find(self, path: str, name: str) -> Route | None:
        """Return the route of a formatted path and a name."""
        endpoint = self.endpoints.get(wsgi_encoded(path))
        return None if endpoint is None else endpoint.find(name)

    def routes(self) -> list[Route]:
        """Return all routes, each once."""
        endpoints = {endpoint.path: endpoint for endpoint in self.endpoints.values()}
        return [route for endpoint in endpoints.values() for route in endpoint.routes.values()]

    def endpoint_of_method(self, wsgi_path: str) -> tuple[Endpoint | None, str]:
        """Split ``/path/method`` or ``/path/method/``; the endpoint is None for an unknown path."""
        if "//" in wsgi_path:  # Flask redirects these paths
            return None, ""
        parent, _, wsgi_name = wsgi_path.removesuffix("/").rpartition("/")
        return self.endpoints.get(parent or "/"), wsgi_decoded(wsgi_name)

    def paths(self) -> list[str]:
        """Return the formatted paths, each once."""
        return list(dict.fromkeys(endpoint.path for endpoint in self.endpoints.values()))


def endpoints_of(by_path: Mapping[str, dict[str, Route]], built_in: BuiltIn | None) -> Mapping[str, Endpoint]:
    endpoints = {}
    for path, names in by_path.items():
        has_backends = any(route.backends for route in names.values())
        endpoint = Endpoint(path, names, has_backends, None if built_in is None else built_in(path))
        for form in (path, path.rstrip("/") or "/"):
            endpoints[wsgi_encoded(form)] = endpoint
    return endpoints


def refuse_other(present: Route | None, new: Route) -> None:
    if present is not None and present.lock_key != new.lock_key:
        raise RegistrationError(
            f"{new.name!r} on {new.path!r} is already {present.function!r}; choose another name= or path="
        )


def wsgi_encoded(path: str) -> str:
    """Return a path as WSGI encodes it: the bytes of UTF-8 read as Latin-1 (PEP 3333)."""
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
        on_paths: Called with the formatted paths of each new table, before the table is used.
        on_paths_left: Called with the formatted paths of a table that has replaced another, and may have fewer.
        built_in: Returns the route of the server's own method on a path; None without one.
        on_change: Called with the table that was in use, and the one that has replaced it.
    """

    def __init__(
        self,
        on_paths: Callable[[list[str]], None],
        on_paths_left: Callable[[list[str]], None] = lambda paths: None,
        built_in: BuiltIn | None = None,
        on_change: Callable[[RouteTable, RouteTable], None] = lambda before, after: None,
    ) -> None:
        self.table = RouteTable({}, built_in)  # replaced under _changing, read without it
        self._changing = threading.Lock()
        self._on_paths = on_paths
        self._on_paths_left = on_paths_left
        self._on_change = on_change

    def add(self, routes: Iterable[Route]) -> None:
        """Add all of the routes, or none.

        Raises:
            RegistrationError: As :meth:`RouteTable.with_routes`.
        """
        with self._changing:
            table = self.table.with_routes(routes)
            self._on_paths(table.paths())
            self.table, before = table, self.table
        self._on_change(before, table)

    def replace(self, new: Iterable[Route], is_dropped: Callable[[Route], bool]) -> None:
        """Drop routes and add others in one step: a request sees either the old table or the new one.

        Raises:
            RegistrationError: As :meth:`RouteTable.with_replaced`.
        """
        with self._changing:
            table = self.table.with_replaced(new, is_dropped)
            self._on_paths(table.paths())
            self.table, before = table, self.table
            self._on_paths_left(table.paths())
        self._on_change(before, table)
