"""Reload dispatchers whose files have changed: the setting ``reloadOnChange``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .dispatch.facade import ServerFacade
from .dispatch.reloadable import api_of, is_named, is_users
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


def listed(routes: Iterable[tuple[Route, FunctionSource]]) -> str:
    return ", ".join(f"{route.path}{route.name}" for route, _ in routes)
