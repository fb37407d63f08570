"""The differences between an old and a new schema, computed once for each pair of schemas in two documents."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .json_values import canonical
from .schema_documents import Schema, SchemaDocument
from .subsumption import Gap, Relation, Subsumption

__all__ = ["ChangedDefault", "SchemaDifference", "SchemaPairs"]


@dataclass(frozen=True, slots=True)
class ChangedDefault:
    """A default that was added, removed or changed.

    Attributes:
        path: Where it is in the value.
        old: Its JSON text before; None if there was none.
        new: Its JSON text now.
    """

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """The differences of a new schema from an old one.

    Attributes:
        relation: How the values of the old schema relate to those of the new one.
        lost: Values of the old schema that the new one may refuse; None if it accepts all.
        lost_declared: The same without members that the old schema does not declare.
        gained: Values of the new schema that the old one may refuse.
        defaults: The changed defaults, by path.
    """

    relation: Relation
    lost: Gap | None
    lost_declared: Gap | None
    gained: Gap | None
    defaults: tuple[ChangedDefault, ...]


class SchemaPairs:
    """Compares schemas of two documents. Many methods share their types, so the differences are kept."""

    def __init__(self, old: SchemaDocument, new: SchemaDocument) -> None:
        self._old = old
        self._new = new
        self._known: dict[tuple[str, str], SchemaDifference] = {}

    def difference(self, old: Schema, new: Schema) -> SchemaDifference:
        """Return how a schema of the new document differs from one of the old document.

        Raises:
            ContractError: One of them is malformed.
        """
        key = canonical(old), canonical(new)
        if key not in self._known:
            self._known[key] = self._difference(old, new)
        return self._known[key]

    def _difference(self, old: Schema, new: Schema) -> SchemaDifference:
        lost = Subsumption(self._old, self._new).gap(old, new)
        gained = Subsumption(self._new, self._old).gap(new, old)
        declared = lost and Subsumption(self._old, self._new, ignores_undeclared=True).gap(old, new)
        return SchemaDifference(Relation.of(lost, gained), lost, declared, gained, self._changed_defaults(old, new))

    def _changed_defaults(self, old: Schema, new: Schema) -> tuple[ChangedDefault, ...]:
        before, after = defaults_in(self._old, old), defaults_in(self._new, new)
        changes = (ChangedDefault(path, before.get(path), after.get(path)) for path in sorted({*before, *after}))
        return tuple(change for change in changes if change.old != change.new)


def defaults_in(document: SchemaDocument, schema: Schema) -> dict[str, str]:
    """Return the defaults in a schema by their paths; those of a schema that occurs twice once."""
    found: dict[str, str] = {}
    visited: set[int] = set()
    waiting = deque([(schema, "")])
    while waiting:
        schema, path = waiting.popleft()
        if isinstance(schema, dict) and id(schema) not in visited:
            visited.add(id(schema))
            if "default" in schema:
                found.setdefault(path, canonical(schema["default"]))
            waiting.extend((child, f"{path}{step}") for child, step in described_by(document, schema))
    return found


def described_by(document: SchemaDocument, schema: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    """Yield the schemas of the same value, its members and its items that are in a schema, each with its path."""
    if "$ref" in schema:
        yield document.resolve(schema["$ref"]), ""
    for keyword in ("allOf", "anyOf", "oneOf"):
        members = schema.get(keyword)
        yield from ((member, "") for member in (members if isinstance(members, list) else ()))
    members = schema.get("properties")
    yield from ((member, f".{name}") for name, member in (members.items() if isinstance(members, dict) else ()))
    yield schema.get("items"), "[]"
