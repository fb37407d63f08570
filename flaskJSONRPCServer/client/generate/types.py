"""The types of parameters and results, whatever the language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = [
    "ANY",
    "NULL",
    "AliasType",
    "Declaration",
    "Field",
    "ListType",
    "LiteralType",
    "MapType",
    "NamedType",
    "ObjectType",
    "Primitive",
    "TupleType",
    "Type",
    "UnionType",
    "union_of",
]


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type without parts.

    Attributes:
        name: ``any``, ``null``, ``string``, ``integer``, ``number`` or ``boolean``.
    """

    name: str


ANY = Primitive("any")
NULL = Primitive("null")


@dataclass(frozen=True, slots=True)
class LiteralType:
    """Some values: strings, integers, booleans.

    Attributes:
        values: Their JSON texts: as Python values, 1 and True would be equal.
    """

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListType:
    """An array of any length."""

    item: Type


@dataclass(frozen=True, slots=True)
class TupleType:
    """An array of which each place has a type.

    Attributes:
        items: The types of the first places.
        required: How many of these there are at least.
        rest: The type of further items; None if there are none.
    """

    items: tuple[Type, ...]
    required: int
    rest: Type | None


@dataclass(frozen=True, slots=True)
class MapType:
    """An object with any names."""

    value: Type


@dataclass(frozen=True, slots=True)
class UnionType:
    """One of several types."""

    choices: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class NamedType:
    """A type that is declared."""

    name: str


Type = Primitive | LiteralType | ListType | TupleType | MapType | UnionType | NamedType


@dataclass(frozen=True, slots=True)
class Field:
    """A member of an object.

    Attributes:
        name: Its name in JSON.
        type: Its type.
        is_required: Whether it is always there.
        text: Its description.
    """

    name: str
    type: Type
    is_required: bool
    text: str = ""


@dataclass(slots=True)
class ObjectType:
    """The declaration of an object with known members.

    Attributes:
        name: The identifier.
        fields: The members.
        text: The description.
    """

    name: str
    fields: Sequence[Field] = ()
    text: str = ""


@dataclass(slots=True)
class AliasType:
    """The declaration of a name for any other type."""

    name: str
    type: Type = field(default=ANY)
    text: str = ""


Declaration = ObjectType | AliasType


def union_of(choices: Iterable[Type]) -> Type:
    """Return the type of values that have one of some types: flat, each type once, null last."""
    flat: dict[Type, None] = {}
    for choice in choices:
        flat.update(dict.fromkeys(choice.choices if isinstance(choice, UnionType) else (choice,)))
    if ANY in flat or not flat:
        return ANY
    ordered = [choice for choice in flat if choice != NULL]
    ordered += [NULL] if NULL in flat else []
    return ordered[0] if len(ordered) == 1 else UnionType(tuple(ordered))
