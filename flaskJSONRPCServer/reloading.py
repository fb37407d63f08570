"""Replace dispatchers by newer ones while the server answers calls.

Scripts are loaded into fresh modules first. Then requests are held back, running dispatchers are waited for, and one
assignment replaces the routing table. Until then a failure has nothing to undo but the names in :data:`sys.modules`.
"""

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

from .contract.options import MethodOptions
from .dispatch.facade import ServerFacade
from .dispatch.locks import lock_key
from .dispatch.rate_limits.plan import registered_rule
from .dispatch.registration import aliases_of, methods_of, names_of, public_methods
from .dispatch.routes import Route, RouteTable
from .engine import Engine
from .errors import BreakingChangeError, RegistrationError, unknown_name
from .runtime.asynchronous import in_hub
from .runtime.function_sources import owner_of, without_partials
from .runtime.interrupts import is_interrupt
from .runtime.logs import ERROR, INFO, WARNING
from .runtime.sources import FreshModules, script_file

__all__ = ["Reloader"]

ModuleOverload = Mapping[str, Any] | Callable[[Any, Any, Any], object]

_KEYS = ("dispatcher", "name", "dispatcherName", "scriptPath", "scriptName", "isInstance", "overload", "path")

_COMPATIBLE = "compatible"

_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of ``api``.

    Attributes:
        dispatcher: The dispatcher, or its name in the script.
        name: The name of the dispatcher that it replaces; empty for its own name.
        script: The script to load; None to use the dispatcher itself.
        is_instance: Whether the dispatcher is an object whose public methods are registered.
        overload: Attributes and callbacks that are applied to the module before the dispatcher is read from it.
        path: The path prefix of its URL.
    """

    dispatcher: Any
    name: str
    script: Path | None
    is_instance: bool
    overload: tuple[ModuleOverload, ...]
    path: str

    @property
    def attribute(self) -> str:
        """The name of the dispatcher in its script."""
        if isinstance(self.dispatcher, str):
            return self.dispatcher
        source = self.dispatcher
        if self.is_instance and not isinstance(source, type):
            source = type(source)
        return str(getattr(without_partials(source), "__name__", repr(source)))


class LoadedEntry:
    """An entry with the module of its dispatcher.

    Args:
        entry: The entry.
        module: The module of the dispatcher; None if it has none.
    """

    def __init__(self, entry: Entry, module: ModuleType | None) -> None:
        self.entry = entry
        self.module = module
        self._instance: Any = None

    def dispatcher(self) -> Any:
        """Return the function or the instance. A class is instantiated on the first call.

        Raises:
            RegistrationError: The module has no such attribute.
        """
        entry = self.entry
        dispatcher = entry.dispatcher if entry.script is None else attribute_of(self.module, entry.attribute)
        if not entry.is_instance:
            return dispatcher
        if self._instance is None:
            self._instance = dispatcher() if isinstance(dispatcher, type) else dispatcher
        return self._instance


@dataclass(frozen=True, slots=True)
class Change:
    """The change of the routes by one entry.

    Attributes:
        new: The routes of the new dispatcher.
        gone: The paths and names of routes that only the replaced dispatcher had.
    """

    new: list[Route]
    gone: set[tuple[str, str]] = field(default_factory=set)


class Reloader:
    """Implements the documented ``reload``.

    Args:
        engine: The engine whose routes change.
        facade: The server object.
    """

    def __init__(self, engine: Engine, facade: ServerFacade) -> None:
        self._engine = engine
        self._facade = facade
        self._reload_lock = threading.RLock()  # one reload at a time

    @in_hub
    def reload(
        self,
        api: Any,
        *,
        clear_old: bool,
        timeout_s: float,
        allowed: int,
        safely: bool,
        contract: str | None = None,
    ) -> bool:
        """Load the entries, wait for running dispatchers, and replace the routes in one step.

        Args:
            api: The entries: a dict or a list of dicts, with the documented keys.
            clear_old: Whether to remove every other dispatcher, on all paths.
            timeout_s: How long to wait for running dispatchers, in seconds. The replacement follows in any case.
            allowed: The number of dispatchers that may still run when they are replaced.
            safely: Whether to undo and log a failure instead of raising it.
            contract: ``"compatible"`` refuses dispatchers that would break callers; None accepts all.

        Returns:
            Whether the reload succeeded.

        Raises:
            RegistrationError: An entry or ``contract`` is invalid. Nothing has changed.
            BreakingChangeError: The dispatchers would break callers, if not ``safely``.
            BaseException: Any exception of a script or a callback, if not ``safely``. The routes have not changed.
        """
        if contract not in (None, _COMPATIBLE):
            raise RegistrationError(f"contract={contract!r} is refused: it takes {_COMPATIBLE!r} or None")
        entries = [self._read(entry) for entry in ([api] if isinstance(api, Mapping) else checked_list(api))]
        with self._in_turn():
            try:
                new = self._load_and_replace(entries, clear_old, timeout_s, allowed, safely, contract)
            except BaseException as exc:
                self._engine.stats.count_reload(succeeded=False)
                if not safely or is_interrupt(exc):
                    raise
                dispatchers = ", ".join(f"{entry.attribute!r} on {entry.path!r}" for entry in entries)
                self._engine.log.write(ERROR, f"reload of {dispatchers} failed; all is as before", traceback=True)
                return False
            finally:
                # A module and its functions form cycles. With controlGC, the old ones would accumulate for a long time.
                self._facade._controlGC(force=True)
        self._engine.stats.count_reload(succeeded=True)
        self._engine.lifetime.note_reload()
        self._engine.log.write(INFO, "reloaded", ", ".join(f"{route.path}{route.name}" for route in new))
        return True

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        # The running reload must not wait for dispatchers that wait here: neither would ever end.
        with ExitStack() as turn:
            with self._engine.stats.set_aside():
                turn.enter_context(self._reload_lock)
            yield

    def _load_and_replace(
        self, entries: list[Entry], clear_old: bool, timeout_s: float, allowed: int, safely: bool, contract: str | None
    ) -> list[Route]:
        # Apply overloads only when no dispatcher runs: a callback may transfer state, and live modules may change.
        with undone_on_failure(enabled=safely) as undo:
            fresh = FreshModules()
            undo.callback(fresh.restore)
            modules = [fresh.load(entry.script) if entry.script else module_of(entry.dispatcher) for entry in entries]
            with self._requests_held(timeout_s, allowed), undone_on_failure(enabled=safely) as undo_overload:
                loaded = [LoadedEntry(entry, module) for entry, module in zip(entries, modules, strict=True)]
                for loaded_entry in loaded:
                    self._overload(loaded_entry, undo_overload)
                changes = [self._change(loaded_entry.entry, loaded_entry.dispatcher()) for loaded_entry in loaded]
                return self._replace(changes, clear_old, contract)

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

    def _overload(self, loaded: LoadedEntry, undo: ExitStack) -> None:
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
        table, registrar = self._engine.router.table, self._engine.registrar
        name = entry.name or (entry.attribute if entry.script else None)
        main_name, *_ = names_of(function, name)
        replaced = table.find(registrar.formatted(entry.path), main_name)
        options = registered_options(replaced)
        routes = registrar.function_routes(function, path=entry.path, name=name, options=options)
        gone = set() if replaced is None else aliases_beside(replaced, table)
        return Change(
            [self._inherit_options(route, table.find(route.path, route.name) or replaced) for route in routes], gone
        )

    def _change_of_instance(self, entry: Entry, instance: Any) -> Change:
        table, registrar = self._engine.router.table, self._engine.registrar
        names = {name for own_name, method in methods_of(instance) for name in names_of(method, own_name)}
        path = registrar.formatted(entry.path)
        others = [route for route in table.routes() if route.path == path]
        old = [
            route
            for owner in replaced_owners(others, entry.name or type(instance).__name__, names)
            for route in routes_of(owner, others)
        ]
        sibling = old[0] if old else None
        routes = registrar.instance_routes(instance, path=entry.path, options=registered_options(sibling))
        return Change(
            [self._inherit_options(route, table.find(path, route.name) or sibling) for route in routes],
            {(route.path, route.name) for route in old},
        )

    def _inherit_options(self, route: Route, replaced: Route | None) -> Route:
        """Return a route with the options that its entry does not set: those of the replaced route, or the server's."""
        if replaced is None:
            return self._engine.with_default_backends(route)
        limit = replaced.rate_limit
        return dataclasses.replace(
            route,
            output_format=replaced.output_format,
            allows_cross_site_get=replaced.allows_cross_site_get,
            backends=replaced.backends,
            rate_limit=limit and registered_rule(route.path, route.names[0], limit.items),
        )

    def _replace(self, changes: list[Change], clear_old: bool, contract: str | None) -> list[Route]:
        new = [route for change in changes for route in change.new]
        gone = {place for change in changes for place in change.gone}

        def is_dropped(route: Route) -> bool:
            return clear_old or (route.path, route.name) in gone

        table = self._engine.router.table
        if contract is not None:
            self._refuse_breaking(table, table.with_replaced(new, is_dropped))
        replaced = [(table.find(route.path, route.name), route) for route in new]
        self._engine.router.replace(new, is_dropped)
        for old, route in replaced:
            if old is not None:
                self._engine.locks.replace_key(old.function, route.function)
        return new

    def _refuse_breaking(self, old: RouteTable, new: RouteTable) -> None:
        from .contract.diff import Verdict, compare  # few reloads ask for it, and it takes milliseconds to import

        comparison = compare(self._engine.documents.tree_of(old), self._engine.documents.tree_of(new))
        if comparison.verdict is Verdict.BREAKING:
            changes = "\n".join(comparison.lines())
            raise BreakingChangeError(f"the reload is refused, since it would break callers:\n{changes}")

    def _read(self, entry: Any) -> Entry:
        """Read an entry of ``api``.

        Raises:
            RegistrationError: The entry is invalid; the message says why.
        """
        if not isinstance(entry, Mapping):
            raise RegistrationError(f"api={entry!r} is refused: it takes a dict with 'dispatcher', or a list of these")
        for key in entry:
            if key not in _KEYS:  # the old server ignored them, and some programs use them for other purposes
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
def undone_on_failure(*, enabled: bool) -> Iterator[ExitStack]:
    """Run the callbacks of the stack if the block fails and ``enabled`` is set."""
    with ExitStack() as undo:
        try:
            yield undo
        except BaseException:
            if not enabled:
                undo.pop_all()
            raise
        undo.pop_all()


def registered_options(route: Route | None) -> MethodOptions:
    """Return the options of a route's registration, which its newer version inherits; none without a route."""
    return MethodOptions() if route is None or route.contract is None else route.contract.registered


def checked_list(api: Any) -> list[Any]:
    if not isinstance(api, (list, tuple)):
        raise RegistrationError(f"api={api!r} is refused: it takes a dict with 'dispatcher', or a list of these")
    return list(api)


def refuse_dispatcher(dispatcher: Any, *, has_script: bool, is_instance: bool) -> None:
    """Refuse an invalid dispatcher before anything is loaded.

    Raises:
        RegistrationError: The dispatcher is invalid; the message says what is accepted.
    """
    if isinstance(dispatcher, str) and not dispatcher:
        raise RegistrationError(
            "an entry of api has no 'dispatcher': give its name in the script, or the object itself"
        )
    if not has_script and not is_instance:
        checked_function(dispatcher)


def checked_function(dispatcher: Any) -> Callable[..., Any]:
    if isinstance(dispatcher, type) or not callable(dispatcher):
        kind = "a class" if isinstance(dispatcher, type) else "not a function"
        raise RegistrationError(f"dispatcher {dispatcher!r} is {kind}; for an instance, give isInstance=True")
    function: Callable[..., Any] = dispatcher
    return function


def read_text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise RegistrationError(f"{key}={value!r} is refused: it takes a string")
    return value or ""


def read_name(entry: Mapping[str, Any]) -> str:
    name, other_name = read_text(entry, "name"), read_text(entry, "dispatcherName")
    if name and other_name and name != other_name:
        raise RegistrationError(f"name={name!r} and dispatcherName={other_name!r} mean the same; give one of them")
    return name or other_name


def read_script(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise RegistrationError(f"scriptPath={path!r} is refused: it takes the path of a script")
    try:
        return script_file(path)
    except FileNotFoundError as exc:
        raise RegistrationError(
            f"scriptPath={str(path)!r} is refused: it is no file; give the path of a script"
        ) from exc


def read_overload(overload: Any) -> tuple[ModuleOverload, ...]:
    overloads = overload if isinstance(overload, (list, tuple)) else [] if overload is None else [overload]
    for item in overloads:
        if not callable(item) and not isinstance(item, Mapping):
            raise RegistrationError(
                f"overload={item!r} is refused: "
                "it takes a dict of attributes, a callback (server, module, dispatcher), or a list of these"
            )
    return tuple(overloads)


def module_of(dispatcher: Any) -> ModuleType | None:
    """Return the module of a dispatcher; for an instance, that of its class."""
    return sys.modules.get(getattr(without_partials(dispatcher), "__module__", None) or "")


def attribute_of(module: Any, name: str) -> Any:
    """Return an attribute of a freshly loaded module.

    Raises:
        RegistrationError: The module has no such attribute.
    """
    try:
        return getattr(module, name)
    except AttributeError as exc:
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise RegistrationError(f"{module.__file__}: {unknown_name('dispatcher', name, known)}") from exc


def set_or_delete(module: ModuleType, name: str, value: Any) -> None:
    if value is not _MISSING:
        setattr(module, name, value)
    else:
        vars(module).pop(name, None)


def aliases_beside(replaced: Route, table: RouteTable) -> set[tuple[str, str]]:
    """Return the paths and names of the routes that are aliases of the replaced function."""
    aliases = aliases_of(replaced.function)
    if replaced.name in aliases:
        return set()
    routes = [table.find(replaced.path, alias) for alias in aliases]
    return {(route.path, route.name) for route in routes if route is not None and route.lock_key == replaced.lock_key}


def replaced_owners(routes: Iterable[Route], class_name: str, names: set[str]) -> list[Any]:
    """Return the objects that an instance replaces: those of the named class, or else those with the same names."""
    owned = [(route, owner) for route in routes if (owner := owner_of(route.function)) is not None]
    of_class = [owner for _, owner in owned if type(owner).__name__ == class_name]
    chosen = of_class or [owner for route, owner in owned if route.name in names]
    return list({id(owner): owner for owner in chosen}.values())


def routes_of(owner: Any, routes: Iterable[Route]) -> list[Route]:
    """Return the routes of an object's methods, including static ones."""
    keys: set[Hashable] = {lock_key(method) for _, method in public_methods(owner)}
    return [route for route in routes if route.lock_key in keys]
