"""The choice of the methods that are tools of an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...dispatch.documents import main_routes
from ...dispatch.locks import lock_key
from ...dispatch.routes import Route, RouteTable
from ...errors import RegistrationError

__all__ = ["Exposure"]


class Exposure:
    """The choice of an endpoint: the methods that were registered as tools, or a list of its own.

    Args:
        chosen: Paths, URLs of methods such as ``/api/add``, and functions; None for the methods that were registered
            with ``mcp``.
        format_path: Returns a path with a slash at both ends.

    Raises:
        RegistrationError: One of them is anything else.
    """

    def __init__(self, chosen: Iterable[Any] | None, format_path: Callable[[str], str]) -> None:
        self._takes_marked = chosen is None
        self._places: dict[str, str] = {}  # formatted, to those of the user
        self._functions: dict[Any, Any] = {}
        for item in checked_list(chosen):
            if isinstance(item, str):
                self._places[format_path(item)] = item
            elif callable(item):
                self._functions[lock_key(item)] = item
            else:
                raise RegistrationError(
                    f"expose={item!r} is refused: it takes a path such as '/api', the URL of a method such as "
                    "'/api/add', or a registered function"
                )

    def routes(self, table: RouteTable) -> list[Route]:
        """Return the chosen methods of a table, without aliases."""
        return [route for route in main_routes(table) if self._has(route)]

    def unmatched(self, table: RouteTable) -> list[Any]:
        """Return the paths, URLs and functions that choose no method, as the user has written them."""
        routes = main_routes(table)
        places = {place for route in routes for place in (route.path, f"{route.url}/")}
        functions = {route.lock_key for route in routes}
        unknown = [item for place, item in self._places.items() if place not in places]
        return [*unknown, *(item for key, item in self._functions.items() if key not in functions)]

    def _has(self, route: Route) -> bool:
        if route.contract is None or route.contract.options.mcp is False:
            return False
        if self._takes_marked:
            return route.is_tool
        places = (route.path, f"{route.url}/")
        return any(place in self._places for place in places) or route.lock_key in self._functions


def checked_list(chosen: Any) -> list[Any]:
    if chosen is None:
        return []
    if isinstance(chosen, str) or not isinstance(chosen, Iterable):
        raise RegistrationError(f"expose={chosen!r} is refused: it takes a list, such as ['/api', '/math/add']")
    return list(chosen)
