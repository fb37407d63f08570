"""How dispatchers and globals of the main program travel to the child processes of the backend ``parallel``.

cloudpickle sends functions of importable modules by their names, and all others by what they are made of. Functions of
the main program, and of scripts that were reloaded, are sent here: in a child, all of them share the globals of one
module, as they do in the parent. What a function refers to is sent at the latest with it.
"""

from __future__ import annotations

import functools
import io
import itertools
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

from ...dispatch.context import BackendContext
from ...dispatch.facade import ServerFacade
from ...runtime.concurrency import make_reentrant_lock
from ...runtime.sources import UncachedLoader
from .function_cache import Warn, fill_function, loaded_module, loaded_server, made_cached, made_code, made_function

__all__ = ["FunctionPickler", "PickledFunction"]

_SHOWN = ("__file__", "__package__")
"""What a module in a child says of itself as that of the parent does."""

_CACHED = type(functools.cache(len))
"""What ``lru_cache`` makes of a function. It pickles by its name alone."""


class ModuleGlobals:
    """The globals of one module, as far as they have been pickled.

    Args:
        number: What the children know it by.
        module: The module.

    Attributes:
        parts: What has been pickled. It is only appended to, so that a child is sent what it lacks.
        refers_to: The namespaces that its globals refer to.
    """

    def __init__(self, number: int, module: ModuleType) -> None:
        self.number = number
        self.module = module
        self.parts: list[bytes] = []
        self.refers_to: set[ModuleGlobals] = set()
        self._pickled: dict[str, bytes | None] = {}  # None: it cannot be, or is about to be

    def add(self, names: Iterable[str], dumps: Callable[[Any], bytes], warn: Warn) -> None:
        """Pickle those of its globals that have not been. What cannot be pickled is left out, and noted."""
        values = vars(self.module)
        new = {}
        for name in names:
            if name in values and name not in self._pickled:
                self._pickled[name] = None  # first: functions refer to each other
                new[name] = self._pickled[name] = self._dumped(name, values[name], dumps, warn)
        self._append(new)

    def renew(self, dumps: Callable[[Any], bytes], warn: Warn) -> None:
        """Pickle again what has been pickled, and keep what has changed."""
        values, new = vars(self.module), {}
        for name, before in list(self._pickled.items()):
            body = self._dumped(name, values[name], dumps, warn) if name in values else None
            if body != before:
                new[name] = self._pickled[name] = body
        self._append(new)

    def _append(self, new: Mapping[str, bytes | None]) -> None:
        bodies = {name: body for name, body in new.items() if body is not None}
        if bodies:
            self.parts.append(pickle.dumps((self.described(), bodies), protocol=5))

    def _dumped(self, name: str, value: Any, dumps: Callable[[Any], bytes], warn: Warn) -> bytes | None:
        try:
            return dumps(value)
        except Exception as exc:  # noqa: BLE001  the user's own __reduce__, among others
            warn(f"global {name!r} of {self.module.__name__!r} is not there in child processes: {exc}")
            return None

    def described(self) -> tuple[int, str, dict[str, Any]]:
        """Return what a child makes the module of."""
        shown = {name: vars(self.module).get(name) for name in _SHOWN}
        return self.number, self.module.__name__, shown


@dataclass(frozen=True, slots=True)
class PickledFunction:
    """A function as it travels.

    Attributes:
        number: What the children know it by.
        body: It, pickled.
        function: The function, which lives as long as its pickled.
        refers_to: The namespaces that it refers to.
        timeout_s: How long a call of it may take, in seconds, if it says so.
    """

    number: int
    body: bytes
    function: Callable[..., Any] = field(repr=False)
    refers_to: set[ModuleGlobals] = field(repr=False)
    timeout_s: float | None


class FunctionPickler:
    """Pickles functions, each once.

    Args:
        context: The parts of the server.
        warn: Told what is left out.
    """

    def __init__(self, context: BackendContext, warn: Warn) -> None:
        self._server = context.facade
        self._warn = warn
        self._router = context.router
        self._lock = make_reentrant_lock()
        self._table = self._router.table  # guarded by _lock, as all below
        self._pickled: dict[int, PickledFunction] = {}
        self._numbers = itertools.count()
        self._met: set[ModuleGlobals] = set()  # what is being pickled refers to them
        self.namespaces: list[ModuleGlobals] = []  # replaced, or appended to
        self._add_namespace(context.parent_module)

    def take_globals(self, names: Iterable[str]) -> None:
        """Pickle globals of the main program, as they are now."""
        with self._lock:
            self._extend(self.namespaces[0], names)

    def pickled(self, function: Callable[..., Any]) -> PickledFunction:
        """Return the pickled of a function, made when it is asked for first.

        Raises:
            Exception: It cannot be pickled.
        """
        with self._lock:
            if self._router.table is not self._table:
                self._look_at_changes()
            known = self._pickled.get(id(function))
            if known is None:
                known = self._pickled[id(function)] = self._made(function)
            return known

    def dumps(self, value: Any) -> bytes:
        """Pickle a value."""
        file = io.BytesIO()
        Pickler(file, self, self._server).dump(value)
        return file.getvalue()

    def namespace_of(self, scope: Mapping[str, Any], module_name: str | None) -> ModuleGlobals | None:
        """Return the globals of a module that children cannot import as it is here; None for others."""
        namespace = self._known_namespace(scope) or self._namespace_of_reloaded(scope, module_name)
        if namespace is not None:
            self._met.add(namespace)
        return namespace

    def refer(self, namespace: ModuleGlobals, code: CodeType) -> None:
        """Let a namespace have the globals that code refers to."""
        self._extend(namespace, sorted(set(global_names(code))))

    def _known_namespace(self, scope: Mapping[str, Any]) -> ModuleGlobals | None:
        return next((namespace for namespace in self.namespaces if vars(namespace.module) is scope), None)

    def _namespace_of_reloaded(self, scope: Mapping[str, Any], module_name: str | None) -> ModuleGlobals | None:
        module = sys.modules.get(module_name or "")
        if module is None or vars(module) is not scope or not is_reloaded(module):
            return None
        namespace = self._add_namespace(module)
        self._extend(namespace, [name for name in vars(module) if not is_dunder(name)])
        return namespace

    def _add_namespace(self, module: ModuleType) -> ModuleGlobals:
        if sys.modules.get(module.__name__) is module:
            cloudpickle.register_pickle_by_value(module)  # for its classes
        namespace = ModuleGlobals(next(self._numbers), module)
        self.namespaces.append(namespace)
        return namespace

    def _extend(self, namespace: ModuleGlobals, names: Iterable[str]) -> None:
        with self._noting(namespace.refers_to):
            namespace.add(names, self.dumps, self._warn)

    @contextmanager
    def _noting(self, met: set[ModuleGlobals]) -> Iterator[None]:
        outer, self._met = self._met, met
        try:
            yield
        finally:
            self._met = outer

    def _made(self, function: Callable[..., Any]) -> PickledFunction:
        met: set[ModuleGlobals] = set()
        with self._noting(met):
            body = self.dumps(function)
        return PickledFunction(next(self._numbers), body, function, met, timeout_of(function))

    def _look_at_changes(self) -> None:
        before, self._table = self._table, self._router.table
        if any(self._table.find(route.path, route.name) is not route for route in before.routes()):  # a reload
            living = {id(route.function) for route in self._table.routes()}
            self._pickled = {key: pickled for key, pickled in self._pickled.items() if key in living}
            self.namespaces = self._used_namespaces()
            for namespace in self.namespaces:
                with self._noting(namespace.refers_to):
                    namespace.renew(self.dumps, self._warn)

    def _used_namespaces(self) -> list[ModuleGlobals]:
        """Return the namespaces without those of modules that have been replaced, and which nothing refers to."""
        used: set[ModuleGlobals] = set()
        found = {self.namespaces[0]}.union(*(pickled.refers_to for pickled in self._pickled.values()))
        while found:
            used |= found
            found = set().union(*(namespace.refers_to for namespace in found)) - used
        return [namespace for namespace in self.namespaces if namespace in used]


class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # it is not annotated
    """Pickles what children cannot import, by reference to what they have instead.

    Args:
        file: What it writes to.
        pickler: Knows the modules that children cannot import.
        server: The server.
    """

    def __init__(self, file: io.BytesIO, pickler: FunctionPickler, server: ServerFacade) -> None:
        super().__init__(file, protocol=5)
        self._pickled = pickler
        self._server = server

    def reducer_override(self, obj: Any) -> Any:
        """See :meth:`pickle.Pickler.reducer_override`."""
        if obj is self._server:
            return loaded_server, ()
        if type(obj) is CodeType:  # cloudpickle leaves the name of its file out
            _, made_of = self.dispatch_table[CodeType](obj)
            return made_code, (made_of, obj.co_filename)
        if type(obj) is FunctionType:
            namespace = self._pickled.namespace_of(obj.__globals__, obj.__module__)
            if namespace is not None:
                return self._reduced(obj, namespace)
        if type(obj) is _CACHED and self._is_sent(obj.__wrapped__):
            return made_cached, (obj.__wrapped__, obj.cache_parameters())
        if type(obj) is ModuleType and (namespace := self._pickled.namespace_of(vars(obj), obj.__name__)) is not None:
            return loaded_module, namespace.described()
        return super().reducer_override(obj)

    def _is_sent(self, function: Any) -> bool:
        """Tell whether a function goes by what it is made of."""
        if type(function) is not FunctionType:
            return False
        return (
            "<locals>" in function.__qualname__
            or self._pickled.namespace_of(function.__globals__, function.__module__) is not None
        )

    def _reduced(self, function: FunctionType, namespace: ModuleGlobals) -> Any:
        self._pickled.refer(namespace, function.__code__)
        cells = function.__closure__ or ()
        state = {
            "__defaults__": function.__defaults__,
            "__kwdefaults__": function.__kwdefaults__,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__doc__": function.__doc__,
            "__annotations__": annotations_of(function),
        }
        made_of = (*namespace.described(), function.__code__, len(cells))
        filled_with = state, vars(function), [contents_of(cell) for cell in cells]
        return made_function, made_of, filled_with, None, None, fill_function


def timeout_of(function: Callable[..., Any]) -> float | None:
    """Return what a function's attribute ``_timeout`` says, if it is a number of seconds."""
    timeout_s = getattr(function, "_timeout", None)
    return timeout_s if isinstance(timeout_s, (int, float)) and timeout_s > 0 else None


def contents_of(cell: CellType) -> list[Any]:
    """Return what a cell holds, in a list; an empty list where it holds nothing yet."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def annotations_of(function: FunctionType) -> dict[str, Any]:
    try:
        return function.__annotations__
    except NameError:  # evaluated when asked for, since Python 3.14
        return {}


def global_names(code: CodeType) -> Iterator[str]:
    """Yield the names that code and the functions inside it may take from their globals."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from global_names(constant)


def is_reloaded(module: ModuleType) -> bool:
    return isinstance(getattr(getattr(module, "__spec__", None), "loader", None), UncachedLoader)


def is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
