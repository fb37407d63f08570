"""Structs of msgspec: their fields, and their JSON forms as our server has them.

They are recognised by their attributes, so msgspec is used only by programs that have structs, and never imported here.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator
from typing import Any

from .class_fields import Field

__all__ = ["is_struct", "is_unset", "struct_fields", "struct_value", "tag_of"]


def is_struct(cls: Any) -> bool:
    """Return whether a class is one of structs."""
    return isinstance(cls, type) and hasattr(cls, "__struct_encode_fields__")


def is_unset(hint: Any) -> bool:
    """Return whether a hint is that of a field without a value, for which JSON has no form."""
    return isinstance(hint, type) and hint.__name__ == "UnsetType" and hint.__module__.partition(".")[0] == "msgspec"


def struct_fields(cls: Any) -> Iterator[Field]:
    """Yield the fields of a class of structs. Their keys are names in JSON, or indexes of an array."""
    no_default = sys.modules["msgspec"].NODEFAULT  # it is loaded, since there is a struct
    hints = typing.get_type_hints(cls, include_extras=True)
    is_array = cls.__struct_config__.array_like
    names = list(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
    required = [True] * (len(names) - len(cls.__struct_defaults__))
    required += [default is no_default for default in cls.__struct_defaults__]
    offset = 0 if cls.__struct_config__.tag is None else 1
    for index, ((name, encoded_name), is_required) in enumerate(zip(names, required, strict=True)):
        if not is_always_unset(hints[name]):
            yield Field(name, hints[name], is_required, index + offset if is_array else encoded_name)


def is_always_unset(hint: Any) -> bool:
    return all(is_unset(choice) or choice is typing.NoReturn for choice in typing.get_args(hint) or (hint,))


def tag_of(cls: Any) -> tuple[str | int, str | int] | None:
    """Return the key and the value of the tag of a class of structs; None without a tag."""
    config = cls.__struct_config__
    if config.tag is None:
        return None
    return (0 if config.array_like else config.tag_field), config.tag


def struct_value(struct: Any) -> Any:
    """Return the JSON form of a struct: an object, or an array. Unset fields are left out, in an array at its end."""
    cls = type(struct)
    tag = tag_of(cls)
    pairs = [(field.key, getattr(struct, field.name)) for field in struct_fields(cls)]
    while pairs and cls.__struct_config__.array_like and is_unset(type(pairs[-1][1])):
        pairs.pop()
    pairs = [*([] if tag is None else [tag]), *pairs]
    if cls.__struct_config__.array_like:
        return [value for _, value in pairs]
    return {key: value for key, value in pairs if not is_unset(type(value))}
