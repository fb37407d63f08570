"""The source of a function: its file, and its name in there."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["FunctionSource", "owner_of", "source_of", "without_partials"]


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """The place where a function is defined.

    Attributes:
        file: The absolute path of the source file.
        name: The global name of the function, or of the instance or its class; None if it has none.
        owner: The instance of a bound method; None for a function.
    """

    file: Path
    name: str | None
    owner: Any


def source_of(function: Callable[..., Any]) -> FunctionSource | None:
    """Return the source of a function; None if it has no source file."""
    owner = owner_of(function)
    if owner is not None:
        return source_of_instance(owner)
    plain = inspect.unwrap(without_partials(function))
    code = getattr(plain, "__code__", None)
    return None if code is None else make_source(code.co_filename, global_name(plain.__globals__, function), None)


def source_of_instance(owner: Any) -> FunctionSource | None:
    """Return the source of an object: under its own global name, else under that of its class."""
    cls = type(owner)
    module = sys.modules.get(cls.__module__)
    if module is None:
        return None
    name = global_name(vars(module), owner) or global_name(vars(module), cls)
    return make_source(getattr(module, "__file__", None), name, owner)


def make_source(file: str | None, name: str | None, owner: Any) -> FunctionSource | None:
    if not file or file.startswith("<"):  # as in "<stdin>"
        return None
    return FunctionSource(Path(file).resolve(), name, owner)


def global_name(namespace: Mapping[str, Any], value: Any) -> str | None:
    """Return the name of this very object in a namespace; of several names, the object's own."""
    own_name = getattr(value, "__name__", "")
    if namespace.get(own_name) is value:
        return str(own_name)
    return next((name for name, other in list(namespace.items()) if other is value), None)


def owner_of(function: Callable[..., Any]) -> Any:
    """Return the object of a bound method; None for a function, a class method or a function of a built-in module."""
    owner = getattr(function, "__self__", None)
    return None if isinstance(owner, (type, ModuleType)) else owner


def without_partials(function: Any) -> Any:
    """Return the function below any number of partials."""
    while isinstance(function, functools.partial):
        function = function.func
    return function
