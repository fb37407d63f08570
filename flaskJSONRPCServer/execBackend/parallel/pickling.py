"""Pickle dispatchers and globals of the main program for the child processes of the backend ``parallel``.

cloudpickle pickles functions of importable modules by name, and all others by value, each with globals of its own.
Functions of the main program, and of scripts that were reloaded, are pickled here: in a child, all of them share the
globals of one module, as they do in the parent. Each global is pickled alone, so one that cannot be pickled costs no
other. A function is sent after the globals that it refers to.
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

from ...dispatch.backend_context import BackendContext
from ...dispatch.facade import ServerFacade
from ...dispatch.routes import Route
from ...runtime.concurrency import make_reentrant_lock
from ...runtime.sources import UncachedLoader
from .function_cache import Warn, fill_function, load_module, load_server, make_cached, make_code, make_function

__all__ = ["FunctionPickler", "ModuleGlobals", "PickledFunction"]

_COPIED_ATTRIBUTES = ("__file__", "__package__")
"""The special attributes that a module in a child has from the parent's."""

_CACHED = type(functools.cache(len))
"""The class of a function with ``lru_cache``. Such an object pickles by name alone."""


class ModuleGlobals:
    """The globals of one module that have been pickled.

    Args:
        number: The number by which the children know the module.
        module: The module.

    Attributes:
        parts: The pickled globals. Parts are only appended, so a child lacks the parts after those that it was sent.
        refers_to: The other modules that its globals refer to.
    """

    def __init__(self, number: int, module: ModuleType) -> None:
        self.number = number
        self.module = module
        self.parts: list[bytes] = []
        self.refers_to: set[ModuleGlobals] = set()
        self._pickled: dict[str, bytes | None] = {}  # None: it cannot be pickled, or is about to be

    def add(self, names: Iterable[str], dumps: Callable[[Any], bytes], warn: Warn) -> None:
        """Pickle further globals. A global that cannot be pickled is left out, with a warning."""
        values = vars(self.module)
        new = {}
        for name in names:
            if name in values and name not in self._pickled:
                self._pickled[name] = None  # first: functions refer to each other
                new[name] = self._pickled[name] = self._pickle(name, values[name], dumps, warn)
        self._append(new)

    def refresh(self, dumps: Callable[[Any], bytes], warn: Warn) -> None:
        """Pickle the same globals again, and append those that have changed."""
        values, new = vars(self.module), {}
        for name, old_body in list(self._pickled.items()):
            body = self._pickle(name, values[name], dumps, warn) if name in values else None
            if body != old_body:
                new[name] = self._pickled[name] = body
        self._append(new)

    def _append(self, new: Mapping[str, bytes | None]) -> None:
        bodies = {name: body for name, body in new.items() if body is not None}
        if bodies:
            self.parts.append(pickle.dumps((self.arguments(), bodies), protocol=5))

    def _pickle(self, name: str, value: Any, dumps: Callable[[Any], bytes], warn: Warn) -> bytes | None:
        try:
            return dumps(value)
        except Exception as exc:  # noqa: BLE001  the user's own __reduce__, among others
            warn(f"global {name!r} of {self.module.__name__!r} is not there in child processes: {exc}")
            return None

    def arguments(self) -> tuple[int, str, dict[str, Any]]:
        """Return the arguments of :func:`~.function_cache.load_module`, which makes the module in a child."""
        attributes = {name: vars(self.module).get(name) for name in _COPIED_ATTRIBUTES}
        return self.number, self.module.__name__, attributes


@dataclass(frozen=True, slots=True)
class PickledFunction:
    """A pickled function.

    Attributes:
        number: The number by which the children know the function. A child is sent the body once.
        body: The pickle.
        function: The function. It is kept alive, because it is known by its ``id``.
        refers_to: The modules whose globals it refers to.
        timeout_s: The most seconds that a call of it may take; None if it has no limit of its own.
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
        warn: Called for each global that is left out.

    Attributes:
        namespaces: The globals of the modules that children cannot import, the main program first. The list is
            replaced, or appended to; slots read it without the lock.
    """

    def __init__(self, context: BackendContext, warn: Warn) -> None:
        self._server = context.facade
        self._warn = warn
        self._router = context.router
        self._exceptions = context.facts.exceptions
        self._lock = make_reentrant_lock()
        self._table = self._router.table  # guarded by _lock, as all below
        self._pickled: dict[int, PickledFunction] = {}
        self._numbers = itertools.count()
        self._references: set[ModuleGlobals] = set()  # of the object that is being pickled
        self.namespaces: list[ModuleGlobals] = []
        self._add_namespace(context.parent_module)

    def add_globals(self, names: Iterable[str]) -> None:
        """Pickle globals of the main program, as they are now."""
        with self._lock:
            self._extend(self.namespaces[0], names)

    def pickle_function(self, function: Callable[..., Any]) -> PickledFunction:
        """Return a function pickled; the first call pickles it.

        Raises:
            Exception: It cannot be pickled.
        """
        with self._lock:
            if self._router.table is not self._table:
                self._apply_reloads()
            pickled = self._pickled.get(id(function))
            if pickled is None:
                pickled = self._pickled[id(function)] = self._pickle(function)
            return pickled

    def pickle_mapping(self, route: Route) -> PickledFunction | None:
        """Return the mapping of the exceptions of a route, pickled as a function; None if nothing is mapped for it.

        Raises:
            PicklingError: It cannot be pickled.
        """
        mapping = self._exceptions.of_route(route)
        if mapping is None:
            return None
        try:
            return self.pickle_function(mapping)
        except Exception as exc:
            raise pickle.PicklingError(f"its mapException has a function that cannot be pickled: {exc}") from exc

    def dumps(self, value: Any) -> bytes:
        """Return a value pickled."""
        file = io.BytesIO()
        ModulePickler(file, self, self._server).dump(value)
        return file.getvalue()

    def namespace_of(self, scope: Mapping[str, Any], module_name: str | None) -> ModuleGlobals | None:
        """Return the globals of a module that children cannot import as it is here; None for any other module."""
        namespace = self._known_namespace(scope) or self._namespace_of_reloaded(scope, module_name)
        if namespace is not None:
            self._references.add(namespace)
        return namespace

    def add_globals_of_code(self, namespace: ModuleGlobals, code: CodeType) -> None:
        """Pickle the globals that code refers to."""
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
        with self._collecting(namespace.refers_to):
            namespace.add(names, self.dumps, self._warn)

    @contextmanager
    def _collecting(self, references: set[ModuleGlobals]) -> Iterator[None]:
        """Collect the modules that the block's objects refer to."""
        outer, self._references = self._references, references
        try:
            yield
        finally:
            self._references = outer

    def _pickle(self, function: Callable[..., Any]) -> PickledFunction:
        references: set[ModuleGlobals] = set()
        with self._collecting(references):
            body = self.dumps(function)
        return PickledFunction(next(self._numbers), body, function, references, timeout_of(function))

    def _apply_reloads(self) -> None:
        """Drop the functions that have been replaced, and pickle the globals again, if there was a reload."""
        old_table, self._table = self._table, self._router.table
        if any(self._table.find(route.path, route.name) is not route for route in old_table.routes()):
            registered = {id(route.function) for route in self._table.routes()}
            self._pickled = {key: pickled for key, pickled in self._pickled.items() if key in registered}
            self.namespaces = self._used_namespaces()
            for namespace in self.namespaces:
                with self._collecting(namespace.refers_to):
                    namespace.refresh(self.dumps, self._warn)

    def _used_namespaces(self) -> list[ModuleGlobals]:
        """Return the namespaces that a function, or a used namespace, refers to: no others of replaced modules."""
        used: set[ModuleGlobals] = set()
        new = {self.namespaces[0]}.union(*(pickled.refers_to for pickled in self._pickled.values()))
        while new:
            used |= new
            new = set().union(*(namespace.refers_to for namespace in new)) - used
        return [namespace for namespace in self.namespaces if namespace in used]


class ModulePickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # it is not annotated
    """Pickles objects of modules that children cannot import, by reference to the modules that children have instead.

    Args:
        file: Receives the pickle.
        functions: Knows the modules that children cannot import.
        server: The server.
    """

    def __init__(self, file: io.BytesIO, functions: FunctionPickler, server: ServerFacade) -> None:
        super().__init__(file, protocol=5)
        self._functions = functions
        self._server = server

    def reducer_override(self, obj: Any) -> Any:
        """See :meth:`pickle.Pickler.reducer_override`."""
        if obj is self._server:
            return load_server, ()
        if type(obj) is CodeType:  # cloudpickle leaves the name of its file out
            _, arguments = self.dispatch_table[CodeType](obj)
            return make_code, (arguments, obj.co_filename)
        if type(obj) is FunctionType:
            namespace = self._functions.namespace_of(obj.__globals__, obj.__module__)
            if namespace is not None:
                return self._reduce_function(obj, namespace)
        if type(obj) is _CACHED and self._goes_by_value(obj.__wrapped__):
            return make_cached, (obj.__wrapped__, obj.cache_parameters())
        if type(obj) is ModuleType and (namespace := self._functions.namespace_of(vars(obj), obj.__name__)) is not None:
            return load_module, namespace.arguments()
        return super().reducer_override(obj)

    def _goes_by_value(self, function: Any) -> bool:
        """Return whether a function is pickled by value."""
        if type(function) is not FunctionType:
            return False
        return (
            "<locals>" in function.__qualname__
            or self._functions.namespace_of(function.__globals__, function.__module__) is not None
        )

    def _reduce_function(self, function: FunctionType, namespace: ModuleGlobals) -> Any:
        self._functions.add_globals_of_code(namespace, function.__code__)
        cells = function.__closure__ or ()
        special = {
            "__defaults__": function.__defaults__,
            "__kwdefaults__": function.__kwdefaults__,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__doc__": function.__doc__,
            "__annotations__": annotations_of(function),
        }
        arguments = (*namespace.arguments(), function.__code__, len(cells))
        state = special, vars(function), [contents_of(cell) for cell in cells]
        return make_function, arguments, state, None, None, fill_function


def timeout_of(function: Callable[..., Any]) -> float | None:
    """Return the ``_timeout`` of a function, if it is a number of seconds above 0; else None."""
    timeout_s = getattr(function, "_timeout", None)
    return timeout_s if isinstance(timeout_s, (int, float)) and timeout_s > 0 else None


def contents_of(cell: CellType) -> list[Any]:
    """Return the contents of a cell in a list; an empty list for a cell that is still empty."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def annotations_of(function: FunctionType) -> dict[str, Any]:
    try:
        return function.__annotations__
    except Exception:  # noqa: BLE001  since Python 3.14, the user's hints are evaluated here
        return {}


def global_names(code: CodeType) -> Iterator[str]:
    """Yield the names that code, and the functions inside it, may look up in their globals."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from global_names(constant)


def is_reloaded(module: ModuleType) -> bool:
    return isinstance(getattr(getattr(module, "__spec__", None), "loader", None), UncachedLoader)


def is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
