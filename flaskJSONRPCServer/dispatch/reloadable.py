"""The dispatchers that can be loaded again by their names: those of the user's scripts, found through a global.

Imported only where something is reloaded: finding where Python installs packages takes long.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any

from ..runtime.function_sources import FunctionSource, source_of
from .locks import lock_key
from .registration import aliases_of, public_methods
from .routes import Route, RouteTable

__all__ = ["api_of", "is_named", "is_users", "reloadable_api"]

_OURS = Path(__file__).resolve().parents[1]
_INSTALLED = [Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")]


def reloadable_api(table: RouteTable) -> list[dict[str, Any]]:
    """Return the entries of a reload of all dispatchers that come from the user's scripts."""
    sources = [(route, source) for route in table.routes() if (source := source_of(route.function)) is not None]
    own = [(route, source) for route, source in sources if is_users(source.file)]
    return api_of([(route, source) for route, source in own if is_named(route, source, table)], table)


def is_users(file: Path) -> bool:
    """Return whether a file belongs to the user, and not to Python, an installed package or this package."""
    return not any(file.is_relative_to(folder) for folder in (_OURS, *_INSTALLED))


def is_named(route: Route, source: FunctionSource, table: RouteTable) -> bool:
    """Return whether a reload by name gives the same routes. For a method, its whole instance must be registered."""
    if source.name is None:
        return False
    if source.owner is None:
        return True
    routes = ((table.find(route.path, name), method) for name, method in public_methods(source.owner))
    return all(same is not None and same.lock_key == lock_key(method) for same, method in routes)


def api_of(named: list[tuple[Route, FunctionSource]], table: RouteTable) -> list[dict[str, Any]]:
    """Return the entries of a reload: one for each function and name, and one for each instance."""
    entries: dict[Any, dict[str, Any]] = {}
    for route, source in named:
        entry = {"dispatcher": source.name, "scriptPath": str(source.file), "path": route.path}
        if source.owner is not None:
            entries[route.path, id(source.owner)] = {**entry, "isInstance": True, "name": type(source.owner).__name__}
        elif not is_alias(route, table):
            entries[route.path, route.name] = {**entry, "name": route.name}
    return list(entries.values())


def is_alias(route: Route, table: RouteTable) -> bool:
    """Return whether a route is an alias that the reload of another route adds too."""
    aliases = aliases_of(route.function)
    same = (other for other in table.routes() if other.path == route.path and other.lock_key == route.lock_key)
    return route.name in aliases and any(other.name not in aliases for other in same)
