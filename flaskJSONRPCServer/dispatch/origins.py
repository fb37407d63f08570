"""Where a registered function comes from: its file, and the name that it has there."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Origin", "origin_of", "owner_of", "without_partials"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a function.

    Attributes:
        file: The absolute path of the source.
        name: The global name of the function, or of the instance or its class; None where it has none.
        owner: The instance whose method it is; None for a function.
    """

    file: Path
    name: str | None
    owner: Any


def origin_of(function: Callable[..., Any]) -> Origin | None:
    """Return the origin of a function; None where it comes from no source file."""
    owner = owner_of(function)
    if owner is not None:
        return origin_of_instance(owner)
    plain = inspect.unwrap(without_partials(function))
    code = getattr(plain, "__code__", None)
    return None if code is None else made(code.co_filename, global_name(plain.__globals__, function), None)


def origin_of_instance(owner: Any) -> Origin | None:
    """Return the origin of an object: its own global name, else that of its class."""
    kind = type(owner)
    module = sys.modules.get(kind.__module__)
    if module is None:
        return None
    name = global_name(vars(module), owner) or global_name(vars(module), kind)
    return made(getattr(module, "__file__", None), name, owner)


def made(file: str | None, name: str | None, owner: Any) -> Origin | None:
    if not file or file.startswith("<"):  # as in "<stdin>"
        return None
    return Origin(Path(file).resolve(), name, owner)


def global_name(names: Mapping[str, Any], value: Any) -> str | None:
    """Return the name that leads to this very object; its own where several do."""
    own = getattr(value, "__name__", "")
    if names.get(own) is value:
        return str(own)
    return next((name for name, each in list(names.items()) if each is value), None)


def owner_of(function: Callable[..., Any]) -> Any:
    """Return the object of a bound method; None for a function, a class method, or a function of a built-in module."""
    owner = getattr(function, "__self__", None)
    return None if isinstance(owner, (type, ModuleType)) else owner


def without_partials(function: Any) -> Any:
    """Return what is called in the end by partials of partials."""
    while isinstance(function, functools.partial):
        function = function.func
    return function
