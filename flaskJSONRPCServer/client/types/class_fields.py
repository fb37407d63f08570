"""The fields of dataclasses and TypedDicts."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

__all__ = ["Field", "fields_of", "marker_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A field of a class.

    Attributes:
        name: Its name.
        hint: Its hint.
        is_required: Whether an object without it does not fit.
        key: The name of its member in an object, or its index in an array.
    """

    name: str
    hint: Any
    is_required: bool
    key: str | int


def fields_of(cls: Any) -> Iterator[Field]:
    """Yield the fields of a dataclass, or of a TypedDict."""
    hints = typing.get_type_hints(cls, include_extras=True)
    if not dataclasses.is_dataclass(cls):
        for name, hint in hints.items():
            yield Field(name, hint, is_required_key(cls, name, hint), name)
        return
    for field in dataclasses.fields(cls):
        if field.init:
            has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
            yield Field(field.name, hints[field.name], not has_default, field.name)


def is_required_key(cls: Any, name: str, hint: Any) -> bool:
    """Return whether a TypedDict requires a key.

    Under `from __future__ import annotations` the class itself cannot see `NotRequired`, so its hint decides.
    """
    marker = marker_of(hint)
    if marker in ("Required", "NotRequired"):
        return bool(marker == "Required")
    return name in cls.__required_keys__


def marker_of(hint: Any) -> str:
    """Return the name of the special form around a hint, such as Required or ClassVar; else that of its class."""
    origin = typing.get_origin(hint)
    return str(getattr(origin, "_name", None) or getattr(origin, "__name__", ""))
