"""The fields of structs of msgspec, with their hints."""

from __future__ import annotations

import datetime
import decimal
import functools
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NoReturn, TypeVar, Union, get_args, get_origin

from pydantic import Field, GetCoreSchemaHandler

from ..inspection import read_annotations

__all__ = ["StructField", "constrained", "fields_of", "is_struct"]

_NUMERIC = ("gt", "ge", "lt", "le", "multiple_of")
_LENGTHS = ("min_length", "max_length")
_DESCRIPTIONS = ("title", "description", "examples")

# Lengths are those of any type but these.
_NUMBERS = (int, float, decimal.Decimal)
_WITHOUT_LENGTH = (*_NUMBERS, bool, type(None))
_WITH_TIMEZONE = (datetime.datetime, datetime.time)

# The factories of the defaults that are left out if the struct says so.
_EMPTY = (list, dict, set)


@dataclass(frozen=True, slots=True)
class Default:
    """The default of a field.

    Attributes:
        make: Returns it.
        is_made: Whether each struct has a default of its own.
    """

    make: Callable[[], Any]
    is_made: bool

    def is_equal(self, value: Any) -> bool:
        """Return whether a value is the default."""
        if self.is_made:  # as msgspec does: a factory of the user's may be dear, or have effects
            return self.make in _EMPTY and type(value) is self.make and not value
        default = self.make()
        return value is default or (type(value) is type(default) and bool(value == default))


@dataclass(frozen=True, slots=True)
class StructField:
    """A field of a struct.

    Attributes:
        name: Its name in Python.
        encoded_name: Its name in JSON.
        hint: Its type, with pydantic's constraints.
        may_be_unset: Whether it may be ``UNSET``, which JSON does not have: it is left out then.
        default: Its default; None if the field is required.
    """

    name: str
    encoded_name: str
    hint: Any
    may_be_unset: bool
    default: Default | None


def is_struct(hint: Any) -> bool:
    """Return whether a hint is a class of structs."""
    import msgspec

    return is_class(hint) and issubclass(hint, msgspec.Struct)


def is_class(hint: Any) -> bool:
    return issubclass(type(hint), type)  # list[int] is an instance of type in Python 3.10


def fields_of(struct: Any) -> list[StructField]:
    """Return the fields of a struct, in their order.

    Args:
        struct: The class, with parameters if it is generic.

    Raises:
        TypeError: A hint is text that cannot be resolved.
    """
    klass = get_origin(struct) or struct
    hints = field_hints(struct)
    defaults: list[Default | None] = [None] * (len(klass.__struct_fields__) - len(klass.__struct_defaults__))
    defaults += map(default_of, klass.__struct_defaults__)
    # Not msgspec.structs.fields: it looks for the names in hints among globals only.
    names = zip(klass.__struct_fields__, klass.__struct_encode_fields__, defaults, strict=True)
    fields = [field_of(name, encoded_name, hints[name], default) for name, encoded_name, default in names]
    return [field for field in fields if field.hint is not NoReturn]  # one that is always unset


def field_of(name: str, encoded_name: str, hint: Any, default: Default | None) -> StructField:
    set_hint = without_unset(hint)
    return StructField(name, encoded_name, set_hint, set_hint is not hint, default)


def default_of(value: Any) -> Default | None:
    """Return a default as msgspec has it in a class; None for a required field, which may follow optional ones."""
    import msgspec

    if value is msgspec.NODEFAULT:
        return None
    return Default(value.factory, True) if isinstance(value, factory_type()) else Default(lambda: value, False)


@functools.cache
def factory_type() -> Any:
    """Return the class of default factories, which msgspec does not name: it has one for an empty list."""
    import msgspec

    [factory] = msgspec.defstruct("Made", [("field", list, [])]).__struct_defaults__
    return type(factory)


def field_hints(struct: Any) -> dict[str, Any]:
    """Return the hints of a struct's fields by name, with the values of its type parameters."""
    hints: dict[str, Any] = {}
    parameters = parameters_of(struct)
    for klass in reversed((get_origin(struct) or struct).__mro__):
        own = read_annotations(klass)
        if own:
            known = resolved_hints(klass)
            hints.update({name: substituted(known[name], parameters.get(klass, {})) for name in own})
    return hints


def resolved_hints(klass: type) -> dict[str, Any]:
    """Return the hints of a class; it may be named in them itself, and be no global.

    Raises:
        TypeError: One is text that cannot be resolved.
    """
    try:
        return typing.get_type_hints(klass, localns={klass.__name__: klass}, include_extras=True)
    except NameError as exc:
        raise TypeError(f"a hint of the struct {klass.__qualname__} cannot be resolved: {exc}") from exc


def parameters_of(struct: Any) -> dict[Any, dict[Any, Any]]:
    """Return the values of the type parameters of a struct and of each generic class that it derives from."""
    klass = get_origin(struct) or struct
    values = dict(zip(getattr(klass, "__parameters__", ()), get_args(struct), strict=False))
    found = {klass: values}
    for base in vars(klass).get("__orig_bases__", klass.__bases__):
        if get_origin(base) is not Generic:
            found.update(parameters_of(substituted(base, values)))
    return found


def substituted(hint: Any, values: Mapping[Any, Any]) -> Any:
    """Return a hint with values in the place of type parameters."""
    if isinstance(hint, TypeVar):
        return values.get(hint, hint)
    parameters = () if is_class(hint) else getattr(hint, "__parameters__", ())
    return hint[tuple(values.get(parameter, parameter) for parameter in parameters)] if parameters and values else hint


def without_unset(hint: Any) -> Any:
    """Return a hint without ``UnsetType``; the hint itself if it has none."""
    import msgspec

    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        changed = without_unset(inner)
        return hint if changed is inner else annotated(changed, *metadata)
    if hint is msgspec.UnsetType:
        return NoReturn
    choices = get_args(hint)
    if get_origin(hint) not in (Union, types.UnionType) or msgspec.UnsetType not in choices:
        return hint
    return Union[tuple(choice for choice in choices if choice is not msgspec.UnsetType)]  # noqa: UP007


def constrained(hint: Any, metadata: Any) -> Any:
    """Return a hint with metadata of ``Annotated``: the constraints of msgspec as those of pydantic.

    A constraint of a union is one of the choices that can have it, as it is in msgspec.
    """
    import msgspec

    if not isinstance(metadata, msgspec.Meta):
        return annotated(hint, metadata)
    if get_origin(hint) in (Union, types.UnionType):
        hint = Union[tuple(limited(choice, metadata) for choice in get_args(hint))]  # noqa: UP007
    else:
        hint = limited(hint, metadata)
    description = given(metadata, _DESCRIPTIONS)
    return annotated(hint, Field(**description)) if description else hint


def limited(hint: Any, meta: Any) -> Any:
    """Return a hint with those limits that its type can have."""
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    limits: dict[str, Any] = {}
    if plain in _NUMBERS:
        limits.update(given(meta, _NUMERIC))
    elif plain not in _WITHOUT_LENGTH:
        limits.update(given(meta, _LENGTHS))
    if plain is str:
        limits.update(given(meta, ("pattern",)))
    if limits:
        hint = annotated(hint, Field(**limits))
    if meta.tz is not None and plain in _WITH_TIMEZONE:
        hint = annotated(hint, WithTimezone("aware" if meta.tz else "naive"))
    return hint


def annotated(hint: Any, *metadata: Any) -> Any:
    form: Any = Annotated
    arguments = (hint, *metadata)
    return form[arguments]


def given(meta: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(meta, name) for name in names if getattr(meta, name) is not None}


@dataclass(frozen=True, slots=True)
class WithTimezone:
    """Metadata of a hint, for pydantic: whether a time has a time zone."""

    constraint: Literal["aware", "naive"]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return {**handler(source), "tz_constraint": self.constraint}
