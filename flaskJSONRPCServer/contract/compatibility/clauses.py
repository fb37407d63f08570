"""Clauses: sets of JSON values of one type, which schemas are expanded into.

A schema accepts a value if one of its clauses does. Each class says whether it accepts a value, and returns its
intersection with another clause. ``further`` names the checks that JSON Schema does not know, of ``x-checks``; they may
refuse any value. Schemas of items and members stay unexpanded, so a recursive schema has finitely many
clauses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from .json_values import canonical, kind_of
from .schema_documents import Schema, combined

__all__ = [
    "ArrayClause",
    "Bound",
    "Clause",
    "NumberClause",
    "ObjectClause",
    "StringClause",
    "ValuesClause",
    "conditions_of",
    "intersection",
]

Number = int | float


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of numbers.

    Attributes:
        value: The limit.
        is_exclusive: Whether the limit itself is refused.
    """

    value: Number
    is_exclusive: bool = False


@dataclass(frozen=True, slots=True)
class ValuesClause:
    """The listed values, of any type.

    Attributes:
        values: The values by their canonical text.
        conditions: For some of the texts, clauses that may refuse the value: it is in this set only if they all accept
            it, which nobody has checked.
    """

    values: Mapping[str, Any]
    conditions: Mapping[str, tuple[Clause, ...]] = field(default_factory=dict)
    further: frozenset[str] = frozenset()

    def accepts(self, value: Any) -> bool | None:
        """Return whether this is one of the values; None if that depends on its conditions."""
        text = canonical(value)
        return text in self.values and (None if text in self.conditions else True)

    def intersection(self, other: Clause) -> ValuesClause:
        """Return the values that another clause, of any type, accepts or may accept."""
        accepted = {text: other.accepts(value) for text, value in self.values.items()}
        values = {text: value for text, value in self.values.items() if accepted[text] is not False}
        conditions = {
            text: (*self.conditions.get(text, ()), *(conditions_of(other, text) if accepted[text] is None else ()))
            for text in values
        }
        return ValuesClause(values, {text: clauses for text, clauses in conditions.items() if clauses})


@dataclass(frozen=True, slots=True)
class NumberClause:
    """Numbers within bounds.

    Attributes:
        is_integer: Whether fractions are refused.
        multiples: Each number is a multiple of all of these.
    """

    is_integer: bool = False
    lower: Bound = Bound(-math.inf)
    upper: Bound = Bound(math.inf)
    multiples: frozenset[Fraction] = frozenset()
    further: frozenset[str] = frozenset()

    def accepts(self, value: Any) -> bool:
        """Return whether this is such a number."""
        if kind_of(value) != "number" or (self.is_integer and value != math.floor(value)):
            return False
        is_above = value > self.lower.value or (value == self.lower.value and not self.lower.is_exclusive)
        is_below = value < self.upper.value or (value == self.upper.value and not self.upper.is_exclusive)
        return is_above and is_below and all(exact(value) % multiple == 0 for multiple in self.multiples)

    def intersection(self, other: NumberClause) -> NumberClause | None:
        """Return the numbers of both; None if there are none."""
        lower = max(self.lower, other.lower, key=lambda bound: (bound.value, bound.is_exclusive))
        upper = min(self.upper, other.upper, key=lambda bound: (bound.value, not bound.is_exclusive))
        if lower.value > upper.value or (lower.value == upper.value and (lower.is_exclusive or upper.is_exclusive)):
            return None
        return NumberClause(self.is_integer or other.is_integer, lower, upper, self.multiples | other.multiples)

    def tightened(self) -> NumberClause:
        """Return the same numbers; those of integers with the smallest bounds."""
        if not self.is_integer:
            return self
        lower, upper = self.lower.value, self.upper.value
        if math.isfinite(lower):
            lower = math.floor(lower) + 1 if self.lower.is_exclusive else math.ceil(lower)
        if math.isfinite(upper):
            upper = math.ceil(upper) - 1 if self.upper.is_exclusive else math.floor(upper)
        return replace(self, lower=Bound(lower), upper=Bound(upper), multiples=self.multiples | {Fraction(1)})


@dataclass(frozen=True, slots=True)
class StringClause:
    """Strings of a length.

    Attributes:
        checks: The further checks that each string passes, as a keyword and its value: ``pattern``, ``format``, ...
    """

    at_least: Number = 0
    at_most: Number = math.inf
    checks: frozenset[tuple[str, str]] = frozenset()
    further: frozenset[str] = frozenset()

    def accepts(self, value: Any) -> bool | None:
        """Return whether this is such a string; None if a further check decides."""
        if not isinstance(value, str) or not self.at_least <= len(value) <= self.at_most:
            return False
        return None if self.checks else True

    def intersection(self, other: StringClause) -> StringClause:
        """Return the strings of both."""
        at_least, at_most = max(self.at_least, other.at_least), min(self.at_most, other.at_most)
        return StringClause(at_least, at_most, self.checks | other.checks)


@dataclass(frozen=True, slots=True)
class ArrayClause:
    """Arrays.

    Attributes:
        items: The schemas of the first items.
        rest: The schema of all other items.
    """

    at_least: Number = 0
    at_most: Number = math.inf
    is_unique: bool = False
    items: tuple[Schema, ...] = ()
    rest: Schema = True
    further: frozenset[str] = frozenset()

    def accepts(self, value: Any) -> bool | None:
        """Return whether this is such an array; None if that depends on its items."""
        if not isinstance(value, list) or not self.at_least <= len(value) <= self.at_most:
            return False
        return True if not self.is_unique and all(schema is True for schema in (*self.items, self.rest)) else None

    def item(self, index: int) -> Schema:
        """Return the schema of an item."""
        return self.items[index] if index < len(self.items) else self.rest

    def intersection(self, other: ArrayClause) -> ArrayClause:
        """Return the arrays of both."""
        count = max(len(self.items), len(other.items))
        return ArrayClause(
            max(self.at_least, other.at_least),
            min(self.at_most, other.at_most),
            self.is_unique or other.is_unique,
            tuple(combined(self.item(index), other.item(index)) for index in range(count)),
            combined(self.rest, other.rest),
        )

    def most_items(self) -> Number:
        """Return the length of the longest array; the schema False refuses an item."""
        refused = next((index for index in range(len(self.items) + 1) if self.item(index) is False), math.inf)
        return min(self.at_most, refused)


@dataclass(frozen=True, slots=True)
class ObjectClause:
    """Objects.

    Attributes:
        members: The schemas of the declared members.
        others: The schema of all other members.
        is_open: Whether nothing is said about other members.
        required: The names of the members that each object has.
        names: The schema of the names.
        aliases: Other names of declared members, of ``x-aliases``.
    """

    at_least: Number = 0
    at_most: Number = math.inf
    members: Mapping[str, Schema] = field(default_factory=dict)
    others: Schema = True
    is_open: bool = True
    required: frozenset[str] = frozenset()
    names: Schema = True
    aliases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    further: frozenset[str] = frozenset()

    def accepts(self, value: Any) -> bool | None:
        """Return whether this is such an object; None if that depends on its members."""
        if not isinstance(value, dict) or not self.at_least <= len(value) <= self.at_most:
            return False
        if not self.required <= value.keys():
            return False
        schemas = (self.others, self.names, *self.members.values())
        return True if all(schema is True for schema in schemas) else None

    def member(self, name: str) -> Schema:
        """Return the schema of a member, by one of its names."""
        return self.members.get(self.listed_name(name), self.others)

    def listed_name(self, name: str) -> str:
        """Return the name under which a member is declared; the name itself for any other member."""
        if name in self.members:
            return name
        return next((member for member, names in self.aliases.items() if name in names), name)

    def names_of(self, name: str) -> frozenset[str]:
        """Return all names of a member."""
        return frozenset({name}) | self.aliases.get(name, frozenset())

    def intersection(self, other: ObjectClause) -> ObjectClause:
        """Return the objects of both."""
        names = [*self.members, *(name for name in other.members if name not in self.members)]
        return ObjectClause(
            max(self.at_least, other.at_least),
            min(self.at_most, other.at_most),
            {name: combined(self.member(name), other.member(name)) for name in names},
            combined(self.others, other.others),
            self.is_open and other.is_open,
            self.required | other.required,
            combined(self.names, other.names),
            {**other.aliases, **self.aliases},
        )

    def fewest_members(self) -> Number:
        """Return the number of members that each object has."""
        return max(self.at_least, len(self.required))

    def most_members(self) -> Number:
        """Return the largest number of members."""
        if self.others is not False:
            return self.at_most
        return min(self.at_most, sum(schema is not False for schema in self.members.values()))


Clause = ValuesClause | NumberClause | StringClause | ArrayClause | ObjectClause


def intersection(first: Clause, second: Clause) -> Clause | None:
    """Return the values that two clauses accept; None if there are none."""
    if isinstance(second, ValuesClause):
        first, second = second, first
    both: Clause | None
    if isinstance(first, ValuesClause):
        listed = first.intersection(second)
        both = listed if listed.values else None
    elif type(first) is not type(second):
        return None
    else:
        both = first.intersection(second)  # type: ignore[arg-type]  # they have one class
    further = first.further | second.further
    return replace(both, further=further) if both and further else both


def conditions_of(clause: Clause, text: str) -> tuple[Clause, ...]:
    """Return the clauses that decide whether a clause accepts a value, given by its canonical text."""
    return clause.conditions.get(text, ()) if isinstance(clause, ValuesClause) else (clause,)


def exact(number: Number) -> Fraction:
    """Return a number as it is written in decimal: 0.1 is a tenth."""
    return Fraction(repr(number))
