"""The main program: its process, its module, its script."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from pathlib import Path
from types import FunctionType, ModuleType, NoneType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ..errors import ServerStateError

__all__ = [
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
"""Which values pass: all (None), those of plain types (True), those of given types, or what a callback lets pass."""


class KnowsItsProcess(Protocol):
    def _inChild(self) -> bool: ...


_Self = TypeVar("_Self", bound=KnowsItsProcess)
_P = ParamSpec("_P")
_R = TypeVar("_R")


def in_parent_only(method: Callable[Concatenate[_Self, _P], _R]) -> Callable[Concatenate[_Self, _P], _R]:
    """Make a method refuse to run in a forked child of the process in which its object was made.

    A child has a copy of the routes, locks and counters, and none of the threads: what it changes reaches nobody, and
    what it waits for never comes.

    The method then raises:
        ServerStateError: It is called in a child. Call it in the parent, or make a server in the child.
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
    """Return the module of the main program; in a spawned process of :mod:`multiprocessing`, that of its parent."""
    return sys.modules.get("__mp_main__") or sys.modules["__main__"]


def copy_globals(
    module: ModuleType,
    scope: MutableMapping[str, Any] | None,
    type_of: TypeFilter,
    names: Iterable[str] | None,
    *,
    reverse_names: bool,
) -> MutableMapping[str, Any]:
    """Copy the globals of a module that pass the filters into a scope, and return it.

    Args:
        module: The module.
        scope: What they are added to; None makes a new dict.
        type_of: See :func:`merge_globals`.
        names: See :func:`merge_globals`.
        reverse_names: See :func:`merge_globals`.
    """
    scope = {} if scope is None else scope
    scope.update(selected(vars(module), type_of, names, reverse_names=reverse_names))
    return scope


def merge_globals(
    module: ModuleType,
    scope: Mapping[str, Any],
    type_of: TypeFilter,
    names: Iterable[str] | None,
    *,
    reverse_names: bool,
) -> None:
    """Make what passes the filters in a scope globals of a module.

    Names such as ``__name__``, which say what a module is, pass only where ``names`` lists them.

    Args:
        module: The module.
        scope: Names with their values.
        type_of: None lets every value pass. True lets numbers, texts, bytes, booleans, None, dicts, lists, tuples,
            modules and functions pass. A callback ``(name, value)`` answers for each. A type or a collection of types
            lets their instances pass, None standing for its own type.
        names: The names that pass; None for all.
        reverse_names: ``names`` are those that do not pass.

    Raises:
        TypeError: ``type_of`` is none of these.
    """
    vars(module).update(selected(scope, type_of, names, reverse_names=reverse_names))


def selected(
    scope: Mapping[str, Any], type_of: TypeFilter, names: Iterable[str] | None, *, reverse_names: bool
) -> dict[str, Any]:
    passes_type = type_test(type_of)
    passes_name = name_test(names, reverse_names=reverse_names)
    # A copy first: another thread may bind a global meanwhile.
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
    """Return the types that a filter lists; None where it lists none."""
    if type_of is True:
        return _PLAIN_TYPES
    if isinstance(type_of, type):
        return (type_of,)
    if not isinstance(type_of, (list, tuple, set, frozenset)):
        return None
    types = tuple(NoneType if each is None else each for each in type_of)
    return types if all(isinstance(each, type) for each in types) else None


def script_path(module: ModuleType, *, real: bool) -> Path | None:
    """Return the absolute path of a module's file, with ``real`` free of symbolic links; None where it has no file."""
    file = getattr(module, "__file__", None)
    if not file:  # an interactive session, or `python -c`
        return None
    return Path(file).resolve() if real else Path(file).absolute()


def script_folder(module: ModuleType, *, full: bool, real: bool) -> str:
    """Return the folder of a module's file, with ``full`` the file; without a file, the working directory."""
    path = script_path(module, real=real)
    if path is None:
        return str(Path.cwd())
    return str(path if full else path.parent)


def script_name(module: ModuleType, *, with_extension: bool) -> str:
    """Return the name of a module's file; empty where it has none."""
    path = script_path(module, real=True)
    if path is None:
        return ""
    return path.name if with_extension else path.stem
