"""The JSON tree of a document: references in it, and the keywords of its schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ...errors import ContractError
from .json_values import canonical, shown

__all__ = [
    "ALIASES",
    "CHECKS",
    "LISTS_OF_SCHEMAS",
    "MAPS_OF_SCHEMAS",
    "SCHEMAS",
    "Schema",
    "SchemaDocument",
    "checked_schema",
    "combined",
    "constraints_of",
]

Schema = Any
"""A JSON Schema: an object, or a boolean."""

MAPS_OF_SCHEMAS = frozenset({"properties", "patternProperties", "dependentSchemas"})
LISTS_OF_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
SCHEMAS = frozenset(
    {
        *("items", "additionalItems", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"),
        *("unevaluatedItems", "unevaluatedProperties"),
    }
)

_ANNOTATIONS = frozenset(
    {
        *("title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "$comment"),
        *("$schema", "$id", "$anchor", "$defs", "definitions", "externalDocs"),
    }
)
"""Keywords that refuse no value."""

CHECKS, ALIASES = "x-checks", "x-aliases"
"""The members of our own documents for what JSON Schema cannot say: further checks, and further names of a member."""

_MOST_REFERENCES = 100


@dataclass(frozen=True, slots=True, eq=False)
class SchemaDocument:
    """A JSON tree with references into itself.

    Attributes:
        tree: The whole document, which JSON pointers start from.
    """

    tree: Mapping[str, Any]

    def resolve(self, reference: Any) -> Any:
        """Return the value that a ``$ref`` names; None if it is outside the document.

        Raises:
            ContractError: It names nothing in the document.

        Source: RFC 6901.
        """
        if not isinstance(reference, str):
            raise ContractError(f"$ref is {shown(reference)}; it takes a string")
        if not reference.startswith("#"):
            return None
        value: Any = self.tree
        for token in unquote(reference[1:]).split("/")[1:]:
            value = child_of(value, token.replace("~1", "/").replace("~0", "~"))
            if value is None:
                raise ContractError(f"$ref {reference!r} names nothing in the document")
        return value

    def follow(self, value: Any) -> Any:
        """Return a value, or the one that it refers to if it is only a reference.

        Raises:
            ContractError: The reference names nothing in the document, or leads to itself.
        """
        for _ in range(_MOST_REFERENCES):
            if not isinstance(value, dict) or "$ref" not in value or len(constraints_of(value)) > 1:
                return value
            target = self.resolve(value["$ref"])
            if target is None:
                return value
            value = target
        raise ContractError(f"$ref {value['$ref']!r} leads to itself")


def child_of(value: Any, token: str) -> Any:
    """Return a member or an item; None if there is none."""
    if isinstance(value, list):
        return value[int(token)] if token.isdecimal() and int(token) < len(value) else None
    return value.get(token) if isinstance(value, dict) else None


def checked_schema(schema: Any) -> Schema:
    """Return a schema.

    Raises:
        ContractError: It is neither an object nor a boolean.
    """
    if not isinstance(schema, (dict, bool)):
        raise ContractError(f"a schema is {shown(schema)}; it takes an object or a boolean")
    return schema


def constraints_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a schema that may refuse values."""
    return {
        keyword: value
        for keyword, value in schema.items()
        if keyword in (CHECKS, ALIASES) or (keyword not in _ANNOTATIONS and not keyword.startswith("x-"))
    }


def combined(first: Schema, second: Schema) -> Schema:
    """Return the schema of the values that both schemas accept."""
    if first is False or second is False:
        return False
    if first is True or second is True:
        return first if second is True else second
    members = {canonical(schema): schema for part in (first, second) for schema in members_of(part)}
    return first if len(members) == 1 else {"allOf": [*members.values()]}


def members_of(schema: Schema) -> Iterator[Schema]:
    """Yield the members of an ``allOf`` without further keywords, or else the schema.

    So combining schemas again adds nothing new, and the comparison of recursive ones ends.
    """
    if isinstance(schema, dict) and schema.keys() == {"allOf"} and isinstance(schema["allOf"], list):
        for member in schema["allOf"]:
            yield from members_of(member)
    else:
        yield schema
