"""The expansion of a schema into clauses, whose union it is.

Not every schema is such a union: ``not`` and ``oneOf`` subtract. So there are two expansions. The upper one accepts
all values of the schema, and maybe others; the lower one accepts only values of the schema. A schema is within another
one if its upper expansion is within the other's lower expansion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from ...errors import ContractError
from .clauses import (
    ArrayClause,
    Bound,
    Clause,
    Number,
    NumberClause,
    ObjectClause,
    StringClause,
    ValuesClause,
    exact,
    intersection,
)
from .json_values import canonical, kind_of, shown
from .schema_documents import ALIASES, CHECKS, Schema, SchemaDocument, checked_schema

__all__ = ["Expansion", "NotComparable"]

_MOST_CLAUSES = 200
_MOST_DISJOINT_LEVELS = 3

_CHECKS = ("pattern", "format", "contentEncoding", "contentMediaType")
_NOT_EXPANDED = (
    *("not", "if", "then", "else", "contains", "minContains", "maxContains", "patternProperties", "dependencies"),
    *("dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties", "contentSchema"),
    *("$dynamicRef", "$recursiveRef"),
)


class NotComparable(Exception):
    """A schema has no lower expansion. The message names the values that cannot be compared."""


class Expansion:
    """Expands the schemas of a document.

    Args:
        document: The document with the schemas.
        is_upper: Whether to accept more values where the schema is not a union of clauses, rather than to give up.
    """

    def __init__(self, document: SchemaDocument, *, is_upper: bool) -> None:
        self._document = document
        self._is_upper = is_upper
        self._references: list[str] = []  # those that are being expanded, without an item or member in between

    def clauses(self, schema: Schema) -> list[Clause]:
        """Return the clauses of a schema.

        Raises:
            NotComparable: It has no lower expansion, or too many clauses.
            ContractError: It is malformed.
        """
        if isinstance(checked_schema(schema), bool):
            return own_clauses({}) if schema else []
        if "$ref" in schema and self._is_upper:  # draft-07 ignores all keywords beside it
            return self._referred(schema["$ref"])
        self._refuse_not_expanded(schema)
        return self._all_of(self._conjuncts(schema))

    def _conjuncts(self, schema: Mapping[str, Any]) -> Iterator[list[Clause]]:
        """Yield the clauses of each part of a schema; a value is accepted by all parts."""
        yield own_clauses(schema)
        if "enum" in schema or "const" in schema:
            yield [listed_values(schema)]
        if "$ref" in schema:
            yield self._referred(schema["$ref"])
        for member in list_of(schema, "allOf"):
            yield self.clauses(member)
        if "anyOf" in schema:
            yield [clause for member in list_of(schema, "anyOf") for clause in self.clauses(member)]
        if "oneOf" in schema:
            yield self._one_of(schema)

    def _all_of(self, conjuncts: Iterator[list[Clause]]) -> list[Clause]:
        product = next(conjuncts)
        for clauses in conjuncts:
            pairs = [(first, second) for first in product for second in clauses]
            if len(pairs) > _MOST_CLAUSES**2:
                raise NotComparable("values of a schema with too many alternatives")
            both = (intersection(first, second) for first, second in pairs)
            product = [clause for clause in both if clause is not None]
        if len(product) > _MOST_CLAUSES:
            raise NotComparable("values of a schema with too many alternatives")
        return product

    def _referred(self, reference: Any) -> list[Clause]:
        target = self._document.resolve(reference)
        if reference in self._references:
            raise ContractError(f"$ref {reference!r} leads to itself")
        if target is None:
            if self._is_upper:
                return own_clauses({})
            raise NotComparable(f"values that the other document {shown(reference)} describes")
        self._references.append(reference)
        try:
            return self.clauses(target)
        finally:
            self._references.pop()

    def _one_of(self, schema: Mapping[str, Any]) -> list[Clause]:
        """Return the clauses of ``oneOf``; the lower expansion needs members without common values.

        OpenAPI's ``discriminator`` names a member that each object has.
        """
        members = list_of(schema, "oneOf")
        if name := discriminator_of(schema):
            members = [{"allOf": [member, {"required": [name], "type": "object"}]} for member in members]
        upper = Expansion(self._document, is_upper=True)
        if not self._is_upper and not all(upper.are_disjoint(*pair) for pair in combinations(members, 2)):
            raise NotComparable("values of a oneOf whose members overlap")
        return [clause for member in members for clause in self.clauses(member)]

    def are_disjoint(self, first: Schema, second: Schema, levels: int = _MOST_DISJOINT_LEVELS) -> bool:
        """Return whether it can be shown that no value is accepted by two schemas of an upper expansion."""
        ours, theirs = self.clauses(first), self.clauses(second)
        return all(self._are_clauses_disjoint(one, other, levels) for one in ours for other in theirs)

    def _are_clauses_disjoint(self, first: Clause, second: Clause, levels: int) -> bool:
        if not isinstance(first, ObjectClause) or not isinstance(second, ObjectClause):
            return intersection(first, second) is None
        return levels > 0 and any(
            self.are_disjoint(first.member(name), second.member(name), levels - 1)
            for name in sorted(first.required | second.required)
        )

    def _refuse_not_expanded(self, schema: Mapping[str, Any]) -> None:
        found = next((keyword for keyword in _NOT_EXPANDED if keyword in schema), None)
        if found and not self._is_upper:
            raise NotComparable(f"values that the keyword {found!r} decides on")


def own_clauses(schema: Mapping[str, Any]) -> list[Clause]:
    """Return the clauses of the keywords of one schema, without those that combine schemas.

    Raises:
        ContractError: A keyword is malformed.
    """
    kinds = types_of(schema)
    clauses = (make(schema) for kind, make in _MAKERS.items() if kind in kinds)
    further = texts_in(schema, CHECKS)
    return [replace(clause, further=further) if further else clause for clause in clauses if clause is not None]


def types_of(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type", [*_MAKERS])
    listed = {*map(str, types)} if isinstance(types, list) else {str(types)}
    if not listed <= {*_MAKERS, "integer"} or not listed:
        raise ContractError(f"type is {shown(types)}; it takes the name of a JSON type or a list of them")
    return listed | {"number"} if "integer" in listed else listed


def listed_values(schema: Mapping[str, Any]) -> Clause:
    """Return the values of ``enum`` and ``const``."""
    values = list_of(schema, "enum") if "enum" in schema else [schema["const"]]
    if "const" in schema:
        constant = canonical(schema["const"])
        values = [value for value in values if canonical(value) == constant]
    return ValuesClause({canonical(value): value for value in values})


def values_of_null(schema: Mapping[str, Any]) -> Clause:
    return ValuesClause({"null": None})


def values_of_boolean(schema: Mapping[str, Any]) -> Clause:
    return ValuesClause({"false": False, "true": True})


def numbers_of(schema: Mapping[str, Any]) -> Clause | None:
    types = schema.get("type", ())
    multiples = frozenset({exact(positive(schema, "multipleOf"))} if "multipleOf" in schema else ())
    is_integer = "integer" in types and (isinstance(types, str) or "number" not in types)
    inclusive = NumberClause(
        is_integer,
        Bound(number_of(schema, "minimum", -math.inf)),
        Bound(number_of(schema, "maximum", math.inf)),
        multiples,
    )
    exclusive = NumberClause(
        lower=Bound(number_of(schema, "exclusiveMinimum", -math.inf), "exclusiveMinimum" in schema),
        upper=Bound(number_of(schema, "exclusiveMaximum", math.inf), "exclusiveMaximum" in schema),
    )
    return inclusive.intersection(exclusive)


def strings_of(schema: Mapping[str, Any]) -> Clause:
    checks = frozenset((keyword, canonical(schema[keyword])) for keyword in _CHECKS if keyword in schema)
    return StringClause(number_of(schema, "minLength", 0), number_of(schema, "maxLength", math.inf), checks)


def arrays_of(schema: Mapping[str, Any]) -> Clause:
    """Return the arrays of a schema; the first items are in ``prefixItems``, or in ``items`` in draft-07."""
    items, rest = list_of(schema, "prefixItems"), schema.get("items", True)
    if isinstance(rest, list):
        items, rest = rest, schema.get("additionalItems", True)
    return ArrayClause(
        number_of(schema, "minItems", 0),
        number_of(schema, "maxItems", math.inf),
        schema.get("uniqueItems", False) is True,
        tuple(map(checked_schema, items)),
        checked_schema(rest),
    )


def objects_of(schema: Mapping[str, Any]) -> Clause:
    """Return the objects of a schema.

    ``patternProperties`` may accept members that ``additionalProperties`` refuses.
    """
    members = schema.get("properties", {})
    if not isinstance(members, dict):
        raise ContractError(f"properties is {shown(members)}; it takes an object")
    has_patterns = "patternProperties" in schema
    return ObjectClause(
        number_of(schema, "minProperties", 0),
        number_of(schema, "maxProperties", math.inf),
        {name: checked_schema(member) for name, member in members.items()},
        True if has_patterns else checked_schema(schema.get("additionalProperties", True)),
        is_open=not has_patterns and "additionalProperties" not in schema,
        required=frozenset(map(str, list_of(schema, "required"))),
        names=checked_schema(schema.get("propertyNames", True)),
        aliases={name: names for name, member in members.items() if (names := texts_in(member, ALIASES))},
    )


_MAKERS: dict[str, Callable[[Mapping[str, Any]], Clause | None]] = {
    "null": values_of_null,
    "boolean": values_of_boolean,
    "number": numbers_of,
    "string": strings_of,
    "array": arrays_of,
    "object": objects_of,
}


def list_of(schema: Mapping[str, Any], keyword: str) -> Sequence[Any]:
    """Return the value of a keyword that takes a list; empty without it.

    Raises:
        ContractError: It is no list.
    """
    value = schema.get(keyword, [])
    if not isinstance(value, list):
        raise ContractError(f"{keyword} is {shown(value)}; it takes a list")
    return value


def texts_in(schema: Schema, keyword: str) -> frozenset[str]:
    """Return the strings of one of the keywords of our own; other documents may use it for anything."""
    texts = schema.get(keyword) if isinstance(schema, dict) else None
    return frozenset(text for text in texts if isinstance(text, str)) if isinstance(texts, list) else frozenset()


def number_of(schema: Mapping[str, Any], keyword: str, default: Number) -> Number:
    """Return the value of a keyword that takes a number.

    Raises:
        ContractError: It is no number.
    """
    value: Number = schema.get(keyword, default)
    if kind_of(value) != "number" or math.isnan(value):
        raise ContractError(f"{keyword} is {shown(value)}; it takes a number")
    return value


def positive(schema: Mapping[str, Any], keyword: str) -> Number:
    value = number_of(schema, keyword, 1)
    if not 0 < value < math.inf:
        raise ContractError(f"{keyword} is {shown(value)}; it takes a number above 0")
    return value


def discriminator_of(schema: Mapping[str, Any]) -> str | None:
    """Return the name of the member that tells the members of a ``oneOf`` apart, if there is one."""
    discriminator = schema.get("discriminator")
    name = discriminator.get("propertyName") if isinstance(discriminator, dict) else None
    return name if isinstance(name, str) else None
