"""Whether two schemas are the same but for annotations and the names of what they refer to."""

from __future__ import annotations

from typing import Any

from .json_values import canonical
from .schema_documents import (
    ALIASES,
    CHECKS,
    LISTS_OF_SCHEMAS,
    MAPS_OF_SCHEMAS,
    SCHEMAS,
    Schema,
    SchemaDocument,
    constraints_of,
)

__all__ = ["SameSchemas"]

_UNORDERED = frozenset({"enum", "required", "type", ALIASES, CHECKS})


class SameSchemas:
    """Compares schemas of two documents.

    Schemas that refer to themselves are the same if no difference is found before the pair occurs again.
    """

    def __init__(self, first: SchemaDocument, second: SchemaDocument) -> None:
        self._first = first
        self._second = second

    def are_same(self, first: Schema, second: Schema) -> bool:
        """Return whether two schemas, the first of the first document, are the same.

        Raises:
            ContractError: A reference leads nowhere.
        """
        return self._are_same(first, second, frozenset())

    def _are_same(self, first: Schema, second: Schema, assumed: frozenset[tuple[str, str]]) -> bool:
        if not isinstance(first, dict) or not isinstance(second, dict):
            return canonical(first) == canonical(second)
        if "$ref" in first or "$ref" in second:
            key = canonical(first), canonical(second)
            if key in assumed:
                return True
            assumed |= {key}
            first, second = self._first.follow(first), self._second.follow(second)
            if not isinstance(first, dict) or not isinstance(second, dict):
                return canonical(first) == canonical(second)
        ours, theirs = constraints_of(first), constraints_of(second)
        return ours.keys() == theirs.keys() and all(
            self._have_same(keyword, ours[keyword], theirs[keyword], assumed) for keyword in ours
        )

    def _have_same(self, keyword: str, first: Any, second: Any, assumed: frozenset[tuple[str, str]]) -> bool:
        """Return whether a keyword has the same value in two schemas."""
        if keyword == "$ref":
            return self._are_targets_same(first, second, assumed)
        if keyword in MAPS_OF_SCHEMAS and isinstance(first, dict) and isinstance(second, dict):
            return first.keys() == second.keys() and all(
                self._are_same(first[name], second[name], assumed) for name in first
            )
        is_list = keyword in LISTS_OF_SCHEMAS or keyword == "items"
        if is_list and isinstance(first, list) and isinstance(second, list):
            return len(first) == len(second) and all(
                self._are_same(one, other, assumed) for one, other in zip(first, second, strict=True)
            )
        if keyword in SCHEMAS:
            return self._are_same(first, second, assumed)
        if keyword in _UNORDERED and isinstance(first, list) and isinstance(second, list):
            return {*map(canonical, first)} == {*map(canonical, second)}
        return canonical(first) == canonical(second)

    def _are_targets_same(self, first: Any, second: Any, assumed: frozenset[tuple[str, str]]) -> bool:
        ours, theirs = self._first.resolve(first), self._second.resolve(second)
        if ours is None or theirs is None:  # outside the documents: the same only under the same name
            return bool(first == second)
        return self._are_same({"allOf": [ours]}, {"allOf": [theirs]}, assumed)
