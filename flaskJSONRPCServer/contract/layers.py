"""The callables below a callable: in partials, methods and callable objects, and below decorators."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from types import FunctionType, MappingProxyType, MethodType
from typing import Any

__all__ = ["attribute_of", "choices_of", "layers_of"]

# The most layers. An object whose __getattr__ answers every name has an endless chain of __wrapped__.
_MOST_LAYERS = 1000


def layers_of(function: Any, *, follow_wrapped: bool = True) -> Iterator[Any]:
    """Yield a callable and the callables below it, the outermost first.

    Below a partial is its function, below a method its function, below an object its ``__call__``, and below a
    decorated function the ``__wrapped__`` of ``functools.wraps``. Nothing is below a class.

    Args:
        function: Any callable.
        follow_wrapped: Whether decorated functions are below their decorators.
    """
    seen: dict[int, Any] = {}  # by id, and kept alive: another object could have the id of one that is gone
    while function is not None and id(function) not in seen and len(seen) < _MOST_LAYERS:
        seen[id(function)] = function
        yield function
        function = layer_below(function, follow_wrapped=follow_wrapped)


def layer_below(function: Any, *, follow_wrapped: bool) -> Any:
    if isinstance(function, functools.partial):
        return function.func
    if isinstance(function, MethodType):
        return function.__func__
    if follow_wrapped and (wrapped := attribute_of(function, "__wrapped__")) is not None:
        return wrapped
    if isinstance(function, (FunctionType, type)):  # the __call__ of a class is for its instances
        return None
    call = attribute_of(function, "__call__")
    is_plain = isinstance(call, (FunctionType, MethodType))
    # A decorator that is an object may bind itself to the object by a partial.
    is_decorated = isinstance(call, functools.partial) or attribute_of(call, "__wrapped__") is not None
    return call if is_plain or (follow_wrapped and is_decorated) else None


def attribute_of(candidate: Any, name: str) -> Any:
    """Return an attribute; None if it is missing, or if reading it fails."""
    try:
        return getattr(candidate, name, None)
    except Exception:  # noqa: BLE001  a property of a user's class
        return None


def choices_of(function: Any) -> Iterable[Any]:
    """Return the functions that ``functools.singledispatch`` chooses from; none of any other function."""
    choices = getattr(function, "registry", None)
    return choices.values() if isinstance(choices, MappingProxyType) else ()
