"""The texts that a parameter accepts, if its hint lists them."""

from __future__ import annotations

import json
import types
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

__all__ = ["choices_of"]

_SCALARS = (str, int, float, bool)


def choices_of(hint: Any) -> list[str]:
    """Return the texts that clients may send for a hint: those of a ``Literal``, an ``Enum``, or a ``bool``.

    Of a union, the members that list texts count. The list is empty if there is none.
    """
    return list(dict.fromkeys(text_of(value) for value in values_of(hint) if isinstance(value, _SCALARS)))


def values_of(hint: Any) -> list[Any]:
    if hint is bool:
        return [True, False]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [member.value for member in hint]
    origin = get_origin(hint)
    if origin is Literal:
        return [value.value if isinstance(value, Enum) else value for value in get_args(hint)]
    if origin is Annotated:
        return values_of(get_args(hint)[0])
    if origin in (Union, types.UnionType):
        return [value for member in get_args(hint) for value in values_of(member)]
    named = getattr(hint, "__value__", None)  # of a `type` statement
    return [] if named is None else values_of(named)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
