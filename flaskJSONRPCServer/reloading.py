"""Replacing dispatchers by newer ones, while calls come."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from .dispatch.locks import lock_key
from .dispatch.rate_limits.plan import registered_rule
from .dispatch.registration import aliases_of, public_methods
from .dispatch.routes import Route, RouteTable
from .engine import Engine
from .errors import RegistrationError, unknown_name
from .runtime.asynchronous import in_hub
from .runtime.function_sources import owner_of, without_partials
from .runtime.interrupts import is_interrupt
from .runtime.logs import ERROR, INFO, WARNING
from .runtime.sources import FreshModules, script_file

__all__ = ["Reloader"]

Overload = Mapping[str, Any] | Callable[[Any, Any, Any], object]

_KEYS = ("dispatcher", "name", "dispatcherName", "scriptPath", "scriptName", "isInstance", "overload", "path")

_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of ``api``.

    Attributes:
        dispatcher: The dispatcher, or the name by which its script has it.
        name: The name of the dispatcher that it replaces; empty for its own.
        script: The script to load; None where the dispatcher is taken as it is.
        is_instance: Whether the public methods of an object are meant.
        overload: What happens to the module before the dispatcher is taken from it.
        path: The path prefix of its URL.
    """

    dispatcher: Any
    name: str
    script: Path | None
    is_instance: bool
    overload: tuple[Overload, ...]
    path: str

    @property
    def attribute(self) -> str:
        """The name by which the script has it."""
        if isinstance(self.dispatcher, str):
            return self.dispatcher
        named = self.dispatcher
        if self.is_instance and not isinstance(named, type):
            named = type(named)
        return str(getattr(without_partials(named), "__name__", repr(named)))


class Loaded:
    """The dispatcher of an entry, as its module has it.

    Args:
        entry: The entry.
        module: The module that it comes from; None where it comes from none.
    """

    def __init__(self, entry: Entry, module: ModuleType | None) -> None:
        self.entry = entry
        self.module = module
        self._instance: Any = None

    def dispatcher(self) -> Any:
        """Return the function, or the instance; a class is instantiated when it is first asked for.

        Raises:
            RegistrationError: The module has none of its name.
        """
        taken = self.entry.dispatcher if self.entry.script is None else taken_from(self.module, self.entry.attribute)
        if not self.entry.is_instance:
            return taken
        if self._instance is None:
            self._instance = taken() if isinstance(taken, type) else taken
        return self._instance


@dataclass(frozen=True, slots=True)
class Change:
    """What an entry does to the routes.

    Attributes:
        new: The routes of the new dispatcher.
        gone: Path and name of what belonged to the replaced one alone.
    """

    new: list[Route]
    gone: set[tuple[str, str]] = field(default_factory=set)


class Reloader:
    """Does what the documented ``reload`` says.

    Args:
        engine: The engine whose routes change.
        facade: The object that the user made.
    """

    def __init__(self, engine: Engine, facade: Any) -> None:
        self._engine = engine
        self._facade = facade
        self._turn = threading.RLock()

    @in_hub
    def reload(self, api: Any, *, clear_old: bool, timeout_s: float, allowed: int, safely: bool) -> bool:
        """Load what the entries say, wait for running dispatchers, and exchange the routes in one step.

        Args:
            api: The entries: a dict or a list of dicts, with the documented keys.
            clear_old: Remove every other dispatcher, on all paths.
            timeout_s: How long to wait for running dispatchers, in seconds. Then the exchange happens all the same.
            allowed: How many of them need not be waited for.
            safely: Whether a failure is undone and logged instead of raised.

        Returns:
            Whether it succeeded.

        Raises:
            RegistrationError: An entry cannot be meant. Nothing has happened then.
            BaseException: What a script or a callback raises, where not ``safely``. The routes are as they were.
        """
        entries = [self._read(entry) for entry in ([api] if isinstance(api, Mapping) else checked_list(api))]
        with self._in_turn():
            try:
                new = self._load_and_exchange(entries, clear_old, timeout_s, allowed, safely)
            except BaseException as exc:
                if not safely or is_interrupt(exc):
                    raise
                what = ", ".join(f"{entry.attribute!r} on {entry.path!r}" for entry in entries)
                self._engine.log.write(ERROR, f"reload of {what} failed; all is as before", traceback=True)
                return False
            finally:
                # A module and its functions refer to each other. With controlGC, the old ones would pile up for long.
                self._facade._controlGC(force=True)
        self._engine.log.write(INFO, "reloaded", ", ".join(f"{route.path}{route.name}" for route in new))
        return True

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        # A dispatcher that waits for its turn is not one that the other reload has to wait for.
        with ExitStack() as turn:
            with self._engine.stats.set_aside():
                turn.enter_context(self._turn)
            yield

    def _load_and_exchange(
        self, entries: list[Entry], clear_old: bool, timeout_s: float, allowed: int, safely: bool
    ) -> list[Route]:
        # Overloading waits until no dispatcher runs: a callback may hand over state, and live modules may change.
        with undone_on_failure(wanted=safely) as undo:
            fresh = FreshModules()
            undo.callback(fresh.restore)
            modules = [fresh.load(entry.script) if entry.script else module_of(entry.dispatcher) for entry in entries]
            with self._requests_held(timeout_s, allowed), undone_on_failure(wanted=safely) as undo_overload:
                loaded = [Loaded(entry, module) for entry, module in zip(entries, modules, strict=True)]
                for each in loaded:
                    self._overload(each, undo_overload)
                changes = [self._change(each.entry, each.dispatcher()) for each in loaded]
                return self._exchange(changes, clear_old)

    @contextmanager
    def _requests_held(self, timeout_s: float, allowed: int) -> Iterator[None]:
        locks = self._engine.locks
        locks.hold_requests()
        try:
            if not self._facade._waitProcessingDispatchers(timeout_s, allowed):
                self._engine.log.write(
                    WARNING, f"reloading while dispatchers run, after {timeout_s} s; they end with the old code"
                )
            yield
        finally:
            locks.release_requests()

    def _overload(self, loaded: Loaded, undo: ExitStack) -> None:
        entry, module = loaded.entry, loaded.module
        for overload in entry.overload:
            if callable(overload):
                overload(self._facade, module, loaded.dispatcher())
                continue
            if module is None:
                raise RegistrationError(f"{entry.dispatcher!r} comes from no module, so overload can set nothing there")
            for name, value in overload.items():
                undo.callback(set_or_delete, module, name, vars(module).get(name, _MISSING))
                setattr(module, name, value)

    def _change(self, entry: Entry, dispatcher: Any) -> Change:
        if not entry.is_instance:
            return self._change_of_function(entry, checked_function(dispatcher))
        return self._change_of_instance(entry, dispatcher)

    def _change_of_function(self, entry: Entry, function: Callable[..., Any]) -> Change:
        table = self._engine.router.table
        name = entry.name or (entry.attribute if entry.script else None)
        routes = self._engine.registrar.function_routes(function, path=entry.path, name=name)
        replaced = table.find(routes[0].path, routes[0].name)
        gone = set() if replaced is None else aliases_beside(replaced, table)
        return Change(
            [self._inherit_options(route, table.find(route.path, route.name) or replaced) for route in routes], gone
        )

    def _change_of_instance(self, entry: Entry, instance: Any) -> Change:
        table = self._engine.router.table
        routes = self._engine.registrar.instance_routes(instance, path=entry.path)
        path = routes[0].path
        names = {route.name for route in routes}
        beside = [route for route in table.routes() if route.path == path]
        old = [
            route
            for owner in replaced_owners(beside, entry.name or type(instance).__name__, names)
            for route in routes_of(owner, beside)
        ]
        sibling = old[0] if old else None
        return Change(
            [self._inherit_options(route, table.find(path, route.name) or sibling) for route in routes],
            {(route.path, route.name) for route in old},
        )

    def _inherit_options(self, route: Route, replaced: Route | None) -> Route:
        """Give a route what its entry does not say: it is as with the replaced one; else as the server's."""
        if replaced is None:
            return self._engine.with_default_backends(route)
        limit = replaced.rate_limit
        return dataclasses.replace(
            route,
            output_format=replaced.output_format,
            shares_secrets=replaced.shares_secrets,
            backends=replaced.backends,
            rate_limit=limit and registered_rule(route.path, route.names[0], limit.items),
        )

    def _exchange(self, changes: list[Change], clear_old: bool) -> list[Route]:
        new = [route for change in changes for route in change.new]
        gone = {place for change in changes for place in change.gone}
        table = self._engine.router.table
        replaced = [(table.find(route.path, route.name), route) for route in new]
        self._engine.router.replace(new, lambda route: clear_old or (route.path, route.name) in gone)
        for old, route in replaced:
            if old is not None:
                self._engine.locks.replace_key(old.function, route.function)
        return new

    def _read(self, entry: Any) -> Entry:
        """Read an entry of ``api``.

        Raises:
            RegistrationError: It cannot be meant; the message says why.
        """
        if not isinstance(entry, Mapping):
            raise RegistrationError(f"api={entry!r} is refused: it takes a dict with 'dispatcher', or a list of these")
        for key in entry:
            if key not in _KEYS:  # the old server ignored them, and programs have some for uses of their own
                self._engine.log.write(WARNING, f"{unknown_name('key of api', key, _KEYS)}; it is ignored")
        name, script = read_name(entry), entry.get("scriptPath")
        dispatcher = entry.get("dispatcher")
        if dispatcher is None:
            dispatcher = name
        if isinstance(dispatcher, str) and not script:
            script = self._facade._getScriptPath(full=True)
        is_instance = bool(entry.get("isInstance"))
        refuse_dispatcher(dispatcher, has_script=bool(script), is_instance=is_instance)
        return Entry(
            dispatcher,
            name=name,
            script=read_script(script) if script else None,
            is_instance=is_instance,
            overload=read_overload(entry.get("overload")),
            path=read_text(entry, "path"),
        )


@contextmanager
def undone_on_failure(*, wanted: bool) -> Iterator[ExitStack]:
    """Undo what is pushed onto the stack, if that is wanted and the block fails."""
    with ExitStack() as undo:
        try:
            yield undo
        except BaseException:
            if not wanted:
                undo.pop_all()
            raise
        undo.pop_all()


def checked_list(api: Any) -> list[Any]:
    if not isinstance(api, (list, tuple)):
        raise RegistrationError(f"api={api!r} is refused: it takes a dict with 'dispatcher', or a list of these")
    return list(api)


def refuse_dispatcher(dispatcher: Any, *, has_script: bool, is_instance: bool) -> None:
    """Refuse what can be seen to be no dispatcher before anything is loaded.

    Raises:
        RegistrationError: The message says what it takes.
    """
    if isinstance(dispatcher, str) and not dispatcher:
        raise RegistrationError(
            "an entry of api has no 'dispatcher': give its name in the script, or the object itself"
        )
    if not has_script and not is_instance:
        checked_function(dispatcher)


def checked_function(dispatcher: Any) -> Callable[..., Any]:
    if isinstance(dispatcher, type) or not callable(dispatcher):
        what = "a class" if isinstance(dispatcher, type) else "not a function"
        raise RegistrationError(f"dispatcher {dispatcher!r} is {what}; for an instance, give isInstance=True")
    function: Callable[..., Any] = dispatcher
    return function


def read_text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise RegistrationError(f"{key}={value!r} is refused: it takes a string")
    return value or ""


def read_name(entry: Mapping[str, Any]) -> str:
    name, same = read_text(entry, "name"), read_text(entry, "dispatcherName")
    if name and same and name != same:
        raise RegistrationError(f"name={name!r} and dispatcherName={same!r} mean the same; give one of them")
    return name or same


def read_script(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise RegistrationError(f"scriptPath={path!r} is refused: it takes the path of a script")
    try:
        return script_file(path)
    except FileNotFoundError as exc:
        raise RegistrationError(
            f"scriptPath={str(path)!r} is refused: it is no file; give the path of a script"
        ) from exc


def read_overload(overload: Any) -> tuple[Overload, ...]:
    given = overload if isinstance(overload, (list, tuple)) else [] if overload is None else [overload]
    for each in given:
        if not callable(each) and not isinstance(each, Mapping):
            raise RegistrationError(
                f"overload={each!r} is refused: "
                "it takes a dict of attributes, a callback (server, module, dispatcher), or a list of these"
            )
    return tuple(given)


def module_of(dispatcher: Any) -> ModuleType | None:
    """Return the module that a dispatcher comes from; for an instance, that of its class."""
    return sys.modules.get(getattr(without_partials(dispatcher), "__module__", None) or "")


def taken_from(module: Any, name: str) -> Any:
    """Return an attribute of a freshly loaded module.

    Raises:
        RegistrationError: It has none of that name.
    """
    try:
        return getattr(module, name)
    except AttributeError as exc:
        known = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise RegistrationError(f"{module.__file__}: {unknown_name('dispatcher', name, known)}") from exc


def set_or_delete(module: ModuleType, name: str, value: Any) -> None:
    if value is not _MISSING:
        setattr(module, name, value)
    else:
        vars(module).pop(name, None)


def aliases_beside(replaced: Route, table: RouteTable) -> set[tuple[str, str]]:
    """Return path and name of what the replaced function stands under by its aliases."""
    aliases = aliases_of(replaced.function)
    if replaced.name in aliases:
        return set()
    found = [table.find(replaced.path, alias) for alias in aliases]
    return {(each.path, each.name) for each in found if each is not None and each.lock_key == replaced.lock_key}


def replaced_owners(routes: Iterable[Route], class_name: str, names: set[str]) -> list[Any]:
    """Return the objects that an instance replaces: those of the named class; if there is none, those of its names."""
    owned = [(route, owner) for route in routes if (owner := owner_of(route.function)) is not None]
    of_class = [owner for _, owner in owned if type(owner).__name__ == class_name]
    chosen = of_class or [owner for route, owner in owned if route.name in names]
    return list({id(owner): owner for owner in chosen}.values())


def routes_of(owner: Any, routes: Iterable[Route]) -> list[Route]:
    """Return those routes that lead to an object's methods, its static ones too."""
    keys: set[Hashable] = {lock_key(method) for _, method in public_methods(owner)}
    return [route for route in routes if route.lock_key in keys]
