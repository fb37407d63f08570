"""Read JSON values as the types of hints: containers, unions, enums and classes with fields."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import ResultError
from .class_fields import marker_of
from .fields_reader import FieldsReader, StructReader
from .scalars import SCALARS, Mismatch, Reader, checked_array, checked_object
from .structs import is_struct, is_unset

__all__ = ["result_reader"]

_ARRAYS: Final[dict[Any, Callable[[list[Any]], Any]]] = {
    **dict.fromkeys(
        (list, *(getattr(collections.abc, name) for name in ("Sequence", "MutableSequence", "Collection", "Iterable"))),
        list,
    ),
    **dict.fromkeys((set, collections.abc.Set, collections.abc.MutableSet), set),
    frozenset: frozenset,
    collections.deque: collections.deque,
}
_OBJECTS: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_UNIONS: Final = (typing.Union, types.UnionType)
_INTEGER: Final = re.compile(r"-?[0-9]+")
_NO_VARIABLES: Final[Mapping[Any, Reader]] = types.MappingProxyType({})
_WRAPPERS: Final = {"Required", "NotRequired", "ReadOnly", "Final", "ClassVar"}


def result_reader(hint: Any) -> Reader:
    """Return the function that converts results to the type of a hint.

    The function raises a `ResultError` with the path of the first value that does not fit.

    Raises:
        TypeError: Values of this type have no JSON form that is known.
    """
    read = reader_for(hint)

    def read_result(value: Any) -> Any:
        try:
            return read(value)
        except Mismatch as exc:
            path = "".join(f"[{step!r}]" for step in reversed(exc.path))
            raise ResultError(f"result{path}: {exc.message}") from None

    return read_result


def reader_for(hint: Any, variables: Mapping[Any, Reader] = _NO_VARIABLES) -> Reader:
    """Return the reader for a hint.

    Args:
        hint: The hint, without forward references.
        variables: The readers of type variables.

    Raises:
        TypeError: There is none.
    """
    hint = unwrapped(hint)
    if isinstance(hint, typing.TypeVar):
        return variables.get(hint) or reader_for(hint.__bound__ or Any)
    origin = typing.get_origin(hint) or hint
    arguments = typing.get_args(hint)
    scalar = SCALARS.get(origin) if is_hashable(origin) else None
    if scalar is not None:
        return scalar
    if origin in _UNIONS:
        members = sorted((member for member in arguments if not is_unset(member)), key=is_float)
        return union_reader([reader_for(member, variables) for member in members])
    if origin is typing.Literal:
        return literal_reader(arguments)
    return container_reader(origin, arguments, variables) or class_reader(origin, arguments, variables)


def unwrapped(hint: Any) -> Any:
    """Return a hint without Annotated and the like, aliases and new types."""
    while True:
        if hasattr(hint, "__metadata__"):  # Annotated
            hint = hint.__origin__
        elif hasattr(hint, "__supertype__"):  # NewType
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        elif marker_of(hint) in _WRAPPERS:
            hint = typing.get_args(hint)[0]
        else:
            return hint


def is_hashable(value: Any) -> bool:
    return getattr(type(value), "__hash__", None) is not None


def is_float(hint: Any) -> bool:
    """Return whether a member of a union is to be tried last: it would take an integer from the others."""
    return hint is float


def union_reader(members: list[Reader]) -> Reader:
    def read(value: Any) -> Any:
        reasons = []
        for member in members:
            try:
                return member(value)
            except Mismatch as exc:  # noqa: PERF203  the next member may fit
                reasons.append(exc)
        raise max(reasons, key=lambda exc: len(exc.path))  # the one that fits best

    return read


def literal_reader(choices: tuple[Any, ...]) -> Reader:
    by_value = {(type(value), value): choice for choice in choices for value in [plain(choice)]}

    def read(value: Any) -> Any:
        try:
            return by_value[type(value), value]
        except (KeyError, TypeError):
            raise Mismatch(f"expected one of {', '.join(map(repr, choices))}") from None

    return read


def plain(choice: Any) -> Any:
    return choice.value if isinstance(choice, enum.Enum) else choice


def container_reader(origin: Any, arguments: tuple[Any, ...], variables: Mapping[Any, Reader]) -> Reader | None:
    if origin in _ARRAYS:
        return array_reader(_ARRAYS[origin], reader_for(arguments[0] if arguments else Any, variables))
    if origin is tuple:
        return tuple_reader(arguments, variables)
    if origin in _OBJECTS:
        key, value = arguments or (str, Any)
        return mapping_reader(reader_for(key, variables), key is int, reader_for(value, variables))
    return None


def array_reader(make: Callable[[list[Any]], Any], read_item: Reader) -> Reader:
    def read(value: Any) -> Any:
        items = read_items(value, [read_item] * len(checked_array(value)))
        try:
            return make(items)
        except TypeError:  # of a set
            raise Mismatch("an item is an array or an object, which a set cannot have") from None

    return read


def tuple_reader(arguments: tuple[Any, ...], variables: Mapping[Any, Reader]) -> Reader:
    if not arguments:
        arguments = (Any, ...)
    if len(arguments) == 2 and arguments[1] is ...:
        return array_reader(tuple, reader_for(arguments[0], variables))
    readers = [] if arguments == ((),) else [reader_for(argument, variables) for argument in arguments]
    return lambda value: tuple(read_items(checked_array(value, len(readers)), readers))


def read_items(items: list[Any], readers: list[Reader]) -> list[Any]:
    result = []
    for index, (item, read) in enumerate(zip(items, readers, strict=True)):
        try:
            result.append(read(item))
        except Mismatch as exc:  # noqa: PERF203  the index belongs to the message
            exc.path.append(index)
            raise
    return result


def mapping_reader(read_key: Reader, has_int_keys: bool, read_value: Reader) -> Reader:
    def read(value: Any) -> Any:
        result = {}
        for name, item in checked_object(value).items():
            try:
                result[read_key(int_of(name) if has_int_keys else name)] = read_value(item)
            except Mismatch as exc:  # noqa: PERF203  the key belongs to the message
                exc.path.append(name)
                raise
        return result

    return read


def int_of(name: str) -> Any:
    """Return the integer that the name of a member is; the name itself if it is none, or too long for one."""
    try:
        return int(name) if _INTEGER.fullmatch(name) else name
    except ValueError:
        return name


def class_reader(cls: Any, arguments: tuple[Any, ...], variables: Mapping[Any, Reader]) -> Reader:
    if not isinstance(cls, type):
        raise TypeError(f"{cls!r} is no type that results can have")
    if issubclass(cls, enum.Enum):
        return enum_reader(cls)
    if hasattr(cls, "model_validate"):  # a model of pydantic, which the user has then
        return model_reader(cls)
    if is_named_tuple(cls):
        return named_tuple_reader(cls)
    names = getattr(cls, "__parameters__", ())
    own = {name: reader_for(argument, variables) for name, argument in zip(names, arguments, strict=False)}
    if is_struct(cls):
        return StructReader(cls, lambda hint: reader_for(hint, own))
    if dataclasses.is_dataclass(cls) or typing.is_typeddict(cls) or hasattr(cls, "__total__"):
        return FieldsReader(cls, lambda hint: reader_for(hint, own))
    raise TypeError(f"{cls.__qualname__} is no type that results can have; convert them yourself")


def enum_reader(cls: type[enum.Enum]) -> Reader:
    by_value = {(type(member.value), member.value): member for member in cls if is_hashable(member.value)}

    def read(value: Any) -> Any:
        try:
            return by_value[type(value), value]
        except (KeyError, TypeError):
            raise Mismatch(f"{value!r:.80} is not a value of {cls.__name__}") from None

    return read


def model_reader(cls: Any) -> Reader:
    def read(value: Any) -> Any:
        try:
            # As JSON, so that strict models take dates and base64 as they come.
            return cls.model_validate_json(json.dumps(value))
        except ValueError as exc:
            raise Mismatch(str(exc)) from exc

    return read


def is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def named_tuple_reader(cls: Any) -> Reader:
    hints = typing.get_type_hints(cls)
    readers = [reader_for(hints.get(name, Any)) for name in cls._fields]
    return lambda value: cls(*read_items(checked_array(value, len(readers)), readers))
