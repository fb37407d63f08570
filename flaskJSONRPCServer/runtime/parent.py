"""The main program of the server: its process, its module, its script."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from pathlib import Path
from types import FunctionType, ModuleType, NoneType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ..errors import ServerStateError

__all__ = [
    "TypeFilter",
    "copy_globals",
    "find_parent_module",
    "in_parent_only",
    "merge_globals",
    "script_folder",
    "script_name",
    "script_path",
]

_PLAIN_TYPES = (int, float, complex, NoneType, str, bytes, bool, dict, list, tuple, ModuleType, FunctionType)

TypeFilter = None | bool | type | Callable[[str, Any], Any] | Collection[type | None]
"""Selects values: all (None), those of plain types (True), those of listed types, or those that a callback accepts."""


class ForkAware(Protocol):
    def _inChild(self) -> bool: ...


_Self = TypeVar("_Self", bound=ForkAware)
_P = ParamSpec("_P")
_R = TypeVar("_R")


def in_parent_only(method: Callable[Concatenate[_Self, _P], _R]) -> Callable[Concatenate[_Self, _P], _R]:
    """Decorate a method to fail in a forked child of the process that made its object.

    A forked child has a copy of the routes, locks and counters, and none of the threads: its changes have no effect,
    and its waits never end.

    The method then raises:
        ServerStateError: It was called in a child. Call it in the parent, or make a server in the child.
    """

    @functools.wraps(method)
    def guarded(self: _Self, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        if self._inChild():
            raise ServerStateError(
                f"{method.__name__}() is called in a forked child process, which has only a copy of the server; "
                "call it in the process that made the server, or make a server of its own in the child"
            )
        return method(self, *args, **kwargs)

    return guarded


def find_parent_module() -> ModuleType:
    """Return the module of the main program; in a process spawned by :mod:`multiprocessing`, its parent's."""
    return sys.modules.get("__mp_main__") or sys.modules["__main__"]


def copy_globals(
    module: ModuleType,
    scope: MutableMapping[str, Any] | None,
    type_of: TypeFilter,
    names: Iterable[str] | None,
    *,
    reverse_names: bool,
) -> MutableMapping[str, Any]:
    """Copy the selected globals of a module into a scope, and return the scope.

    Args:
        module: The module.
        scope: The mapping to update; None makes a new dict.
        type_of: See :func:`merge_globals`.
        names: See :func:`merge_globals`.
        reverse_names: See :func:`merge_globals`.
    """
    scope = {} if scope is None else scope
    scope.update(select(vars(module), type_of, names, reverse_names=reverse_names))
    return scope


def merge_globals(
    module: ModuleType,
    scope: Mapping[str, Any],
    type_of: TypeFilter,
    names: Iterable[str] | None,
    *,
    reverse_names: bool,
) -> None:
    """Set the selected values of a scope as globals of a module.

    Names such as ``__name__``, which describe the module itself, are selected only if ``names`` lists them.

    Args:
        module: The module.
        scope: The values by their names.
        type_of: None selects every value. True selects numbers, texts, bytes, booleans, None, dicts, lists, tuples,
            modules and functions. A callback ``(name, value)`` decides for each value. A type or a collection of types
            selects their instances; None selects its own type.
        names: The selected names; None for all.
        reverse_names: Select all names but ``names``.

    Raises:
        TypeError: ``type_of`` is none of these.
    """
    vars(module).update(select(scope, type_of, names, reverse_names=reverse_names))


def select(
    scope: Mapping[str, Any], type_of: TypeFilter, names: Iterable[str] | None, *, reverse_names: bool
) -> dict[str, Any]:
    passes_type = type_test(type_of)
    passes_name = name_test(names, reverse_names=reverse_names)
    # Copy first: another thread may bind a global during the iteration.
    return {name: value for name, value in dict(scope).items() if passes_name(name) and passes_type(name, value)}


def name_test(names: Iterable[str] | None, *, reverse_names: bool) -> Callable[[str], bool]:
    listed = frozenset([names] if isinstance(names, str) else names or ())
    if names is not None and not reverse_names:
        return listed.__contains__
    return lambda name: name not in listed and not (name.startswith("__") and name.endswith("__"))


def type_test(type_of: TypeFilter) -> Callable[[str, Any], Any]:
    if type_of is None or type_of is False:
        return lambda name, value: True
    types = plain_types(type_of)
    if types is not None:
        return lambda name, value: isinstance(value, types)
    if callable(type_of):
        return type_of
    raise TypeError(f"typeOf={type_of!r} is refused: it takes None, True, a callback (name, value), or a list of types")


def plain_types(type_of: TypeFilter) -> tuple[type, ...] | None:
    """Return the types that a filter lists; None if it is not a list of types."""
    if type_of is True:
        return _PLAIN_TYPES
    if isinstance(type_of, type):
        return (type_of,)
    if not isinstance(type_of, (list, tuple, set, frozenset)):
        return None
    types = tuple(NoneType if kind is None else kind for kind in type_of)
    return types if all(isinstance(kind, type) for kind in types) else None


def script_path(module: ModuleType, *, real: bool) -> Path | None:
    """Return the absolute path of a module's file; None if it has none. ``real`` resolves symbolic links."""
    file = getattr(module, "__file__", None)
    if not file:  # an interactive session, or `python -c`
        return None
    return Path(file).resolve() if real else Path(file).absolute()


def script_folder(module: ModuleType, *, full: bool, real: bool) -> str:
    """Return the folder of a module's file, or with ``full`` the file. Without a file, return the working directory."""
    path = script_path(module, real=real)
    if path is None:
        return str(Path.cwd())
    return str(path if full else path.parent)


def script_name(module: ModuleType, *, with_extension: bool) -> str:
    """Return the name of a module's file; empty if it has none."""
    path = script_path(module, real=True)
    if path is None:
        return ""
    return path.name if with_extension else path.stem
