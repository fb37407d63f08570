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

from ...runtime.concurrency import make_reentrant_lock
from ...runtime.sources import SourceOfNow
from .library import Note, fill_function, loaded_module, loaded_server, made_cached, made_code, made_function

__all__ = ["Parcel", "Parcels"]

_SHOWN = ("__file__", "__package__")
"""What a module in a child says of itself as that of the parent does."""

_CACHED = type(functools.cache(len))
"""What ``lru_cache`` makes of a function. It pickles by its name alone."""


class Space:
    """The globals of one module, as far as they have been pickled.

    Args:
        number: What the children know it by.
        module: The module.

    Attributes:
        parts: What has been pickled. It is only appended to, so that a child is sent what it lacks.
        refers_to: The spaces that its globals refer to.
    """

    def __init__(self, number: int, module: ModuleType) -> None:
        self.number = number
        self.module = module
        self.parts: list[bytes] = []
        self.refers_to: set[Space] = set()
        self._pickled: dict[str, bytes | None] = {}  # None: it cannot be, or is about to be

    def add(self, names: Iterable[str], dumps: Callable[[Any], bytes], note: Note) -> None:
        """Pickle those of its globals that have not been. What cannot be pickled is left out, and noted."""
        values = vars(self.module)
        new = {}
        for name in names:
            if name in values and name not in self._pickled:
                self._pickled[name] = None  # first: functions refer to each other
                new[name] = self._pickled[name] = self._dumped(name, values[name], dumps, note)
        self._append(new)

    def renew(self, dumps: Callable[[Any], bytes], note: Note) -> None:
        """Pickle again what has been pickled, and keep what has changed."""
        values, new = vars(self.module), {}
        for name, before in list(self._pickled.items()):
            body = self._dumped(name, values[name], dumps, note) if name in values else None
            if body != before:
                new[name] = self._pickled[name] = body
        self._append(new)

    def _append(self, new: Mapping[str, bytes | None]) -> None:
        bodies = {name: body for name, body in new.items() if body is not None}
        if bodies:
            self.parts.append(pickle.dumps((self.described(), bodies), protocol=5))

    def _dumped(self, name: str, value: Any, dumps: Callable[[Any], bytes], note: Note) -> bytes | None:
        try:
            return dumps(value)
        except Exception as exc:  # noqa: BLE001  the user's own __reduce__, among others
            note(f"global {name!r} of {self.module.__name__!r} is not there in child processes: {exc}")
            return None

    def described(self) -> tuple[int, str, dict[str, Any]]:
        """Return what a child makes the module of."""
        shown = {name: vars(self.module).get(name) for name in _SHOWN}
        return self.number, self.module.__name__, shown


@dataclass(frozen=True, slots=True)
class Parcel:
    """A function as it travels.

    Attributes:
        number: What the children know it by.
        body: It, pickled.
        function: The function, which lives as long as its parcel.
        refers_to: The spaces that it refers to.
        timeout_s: How long a call of it may take, in seconds, if it says so.
    """

    number: int
    body: bytes
    function: Callable[..., Any] = field(repr=False)
    refers_to: set[Space] = field(repr=False)
    timeout_s: float | None


class Parcels:
    """Pickles functions, each once.

    Args:
        server: The server, for which the children have one of their own.
        note: Told what is left out.
    """

    def __init__(self, server: Any, note: Note) -> None:
        self._server = server
        self._note = note
        self._router = server._engine.router
        self._lock = make_reentrant_lock()
        self._table = self._router.table  # guarded by _lock, as all below
        self._parcels: dict[int, Parcel] = {}
        self._numbers = itertools.count()
        self._met: set[Space] = set()  # what is being pickled refers to them
        self.spaces: list[Space] = []  # replaced, or appended to
        self._add_space(server._parentModule)

    def take_globals(self, names: Iterable[str]) -> None:
        """Pickle globals of the main program, as they are now."""
        with self._lock:
            self._extend(self.spaces[0], names)

    def parcel(self, function: Callable[..., Any]) -> Parcel:
        """Return the parcel of a function, made when it is asked for first.

        Raises:
            Exception: It cannot be pickled.
        """
        with self._lock:
            if self._router.table is not self._table:
                self._look_at_changes()
            known = self._parcels.get(id(function))
            if known is None:
                known = self._parcels[id(function)] = self._made(function)
            return known

    def dumps(self, value: Any) -> bytes:
        """Pickle a value."""
        file = io.BytesIO()
        Pickler(file, self, self._server).dump(value)
        return file.getvalue()

    def space_of(self, scope: Mapping[str, Any], module_name: str | None) -> Space | None:
        """Return the space of a module that children cannot import as it is here, by its globals; None for others."""
        space = self._known_space(scope) or self._space_of_reloaded(scope, module_name)
        if space is not None:
            self._met.add(space)
        return space

    def refer(self, space: Space, code: CodeType) -> None:
        """Let a space have the globals that code refers to."""
        self._extend(space, sorted(set(global_names(code))))

    def _known_space(self, scope: Mapping[str, Any]) -> Space | None:
        return next((space for space in self.spaces if vars(space.module) is scope), None)

    def _space_of_reloaded(self, scope: Mapping[str, Any], module_name: str | None) -> Space | None:
        module = sys.modules.get(module_name or "")
        if module is None or vars(module) is not scope or not is_reloaded(module):
            return None
        space = self._add_space(module)
        self._extend(space, [name for name in vars(module) if not is_dunder(name)])
        return space

    def _add_space(self, module: ModuleType) -> Space:
        if sys.modules.get(module.__name__) is module:
            cloudpickle.register_pickle_by_value(module)  # for its classes
        space = Space(next(self._numbers), module)
        self.spaces.append(space)
        return space

    def _extend(self, space: Space, names: Iterable[str]) -> None:
        with self._noting(space.refers_to):
            space.add(names, self.dumps, self._note)

    @contextmanager
    def _noting(self, met: set[Space]) -> Iterator[None]:
        outer, self._met = self._met, met
        try:
            yield
        finally:
            self._met = outer

    def _made(self, function: Callable[..., Any]) -> Parcel:
        met: set[Space] = set()
        with self._noting(met):
            body = self.dumps(function)
        return Parcel(next(self._numbers), body, function, met, timeout_of(function))

    def _look_at_changes(self) -> None:
        before, self._table = self._table, self._router.table
        if any(self._table.find(route.path, route.name) is not route for route in before.routes()):  # a reload
            living = {id(route.function) for route in self._table.routes()}
            self._parcels = {key: parcel for key, parcel in self._parcels.items() if key in living}
            self.spaces = self._used_spaces()
            for space in self.spaces:
                with self._noting(space.refers_to):
                    space.renew(self.dumps, self._note)

    def _used_spaces(self) -> list[Space]:
        """Return the spaces without those of modules that have been replaced, and which nothing refers to."""
        used: set[Space] = set()
        found = {self.spaces[0]}.union(*(parcel.refers_to for parcel in self._parcels.values()))
        while found:
            used |= found
            found = set().union(*(space.refers_to for space in found)) - used
        return [space for space in self.spaces if space in used]


class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # it is not annotated
    """Pickles what children cannot import, by reference to what they have instead.

    Args:
        file: What it writes to.
        parcels: Knows the modules that children cannot import.
        server: The server.
    """

    def __init__(self, file: io.BytesIO, parcels: Parcels, server: Any) -> None:
        super().__init__(file, protocol=5)
        self._parcels = parcels
        self._server = server

    def reducer_override(self, obj: Any) -> Any:
        """See :meth:`pickle.Pickler.reducer_override`."""
        if obj is self._server:
            return loaded_server, ()
        if type(obj) is CodeType:  # cloudpickle leaves the name of its file out
            _, made_of = self.dispatch_table[CodeType](obj)
            return made_code, (made_of, obj.co_filename)
        if type(obj) is FunctionType:
            space = self._parcels.space_of(obj.__globals__, obj.__module__)
            if space is not None:
                return self._reduced(obj, space)
        if type(obj) is _CACHED and self._is_sent(obj.__wrapped__):
            return made_cached, (obj.__wrapped__, obj.cache_parameters())
        if type(obj) is ModuleType and (space := self._parcels.space_of(vars(obj), obj.__name__)) is not None:
            return loaded_module, space.described()
        return super().reducer_override(obj)

    def _is_sent(self, function: Any) -> bool:
        """Tell whether a function goes by what it is made of."""
        if type(function) is not FunctionType:
            return False
        return (
            "<locals>" in function.__qualname__
            or self._parcels.space_of(function.__globals__, function.__module__) is not None
        )

    def _reduced(self, function: FunctionType, space: Space) -> Any:
        self._parcels.refer(space, function.__code__)
        cells = function.__closure__ or ()
        state = {
            "__defaults__": function.__defaults__,
            "__kwdefaults__": function.__kwdefaults__,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__doc__": function.__doc__,
            "__annotations__": annotations_of(function),
        }
        made_of = (*space.described(), function.__code__, len(cells))
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
    return isinstance(getattr(getattr(module, "__spec__", None), "loader", None), SourceOfNow)


def is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
