"""Reload dispatchers whose files have changed: the setting ``reloadOnChange``."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .dispatch.facade import ServerFacade
from .dispatch.locks import lock_key
from .dispatch.registration import aliases_of, public_methods
from .dispatch.routes import Route, RouteTable
from .engine import Engine
from .errors import SettingsError
from .runtime.function_sources import FunctionSource, source_of
from .runtime.interrupts import is_interrupt
from .runtime.logs import ERROR, INFO, WARNING
from .runtime.sources import script_file
from .runtime.watching import FileWatch

__all__ = ["AutoReload"]

# Dispatchers that run longer end with the old code. The timeout is short, since stop() waits for a running reload.
_TIMEOUT_S = 20

_OURS = Path(__file__).resolve().parent
_INSTALLED = [Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")]


class AutoReload:
    """Watches scripts and reloads the dispatchers of a changed one.

    Args:
        engine: The engine whose routes change.
        facade: The server object, whose ``reload`` is called.

    Raises:
        SettingsError: A script of the setting does not exist.
        MissingExtraError: watchfiles is not installed.
    """

    def __init__(self, engine: Engine, facade: ServerFacade) -> None:
        self._engine = engine
        self._facade = facade
        paths = engine.settings.reloadOnChange
        self._scripts = None if isinstance(paths, bool) else {existing(path) for path in paths}
        self._table: RouteTable | None = None  # the table that _own_files was read from
        self._own_files: set[Path] = set()
        self._watch = FileWatch(self._files, self._changed)

    def start(self) -> None:
        """Start watching."""
        self._watch.start()

    def stop(self) -> None:
        """Stop watching, after a running reload has ended."""
        self._watch.stop()

    def _files(self) -> set[Path]:
        if self._scripts is not None:
            return self._scripts
        table = self._engine.router.table
        if self._table is not table:
            sources = [source_of(route.function) for route in table.routes()]
            self._own_files = {source.file for source in sources if source is not None and is_users(source.file)}
            self._table = table
        return self._own_files

    def _changed(self, file: Path) -> None:
        try:
            self._reload(file)
        except BaseException as exc:  # a failure must not stop the watching
            if is_interrupt(exc):
                raise
            self._engine.log.write(ERROR, f"reloadOnChange: {file} could not be reloaded", traceback=True)

    def _reload(self, file: Path) -> None:
        log, table = self._engine.log, self._engine.router.table
        sources = [(route, source) for route in table.routes() if (source := source_of(route.function)) is not None]
        changed = [(route, source) for route, source in sources if source.file == file]
        named = [(route, source) for route, source in changed if is_named(route, source, table)]
        if unnamed := [pair for pair in changed if pair not in named]:
            log.write(
                WARNING,
                f"{file} has changed; {listed(unnamed)} stay as they are: no global name leads to them; reload() them",
            )
        if named:
            log.write(INFO, f"{file} has changed; reloading {listed(named)}")
            self._facade.reload(api_of(named, table), timeout=_TIMEOUT_S)
        elif not unnamed:
            log.write(WARNING, f"{file} has changed; no dispatcher comes from it")


def existing(path: str | os.PathLike[str]) -> Path:
    try:
        return script_file(path)
    except FileNotFoundError as exc:
        raise SettingsError(f"reloadOnChange names {str(path)!r}, which is no file; give paths of scripts") from exc


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


def listed(routes: Iterable[tuple[Route, FunctionSource]]) -> str:
    return ", ".join(f"{route.path}{route.name}" for route, _ in routes)
