"""The findings of one method, and how the types of a parameter or of the result are compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import ContractError
from .findings import Finding, Kind
from .json_values import canonical
from .methods import Parameter
from .schema_pairs import SchemaDifference, SchemaPairs

__all__ = ["MethodFindings", "changed_members"]


class MethodFindings:
    """Makes findings of a method. The rules are its subclasses.

    Args:
        name: The name that callers use.
        schemas: Compares the schemas of the two documents.
    """

    def __init__(self, name: str, schemas: SchemaPairs) -> None:
        self._name = name
        self._schemas = schemas

    def _breaking(self, place: str, text: str) -> Finding:
        return Finding(Kind.BREAKING, self._name, place, text)

    def _compatible(self, place: str, text: str) -> Finding:
        return Finding(Kind.COMPATIBLE, self._name, place, text)

    def _difference(self, place: str, old: Parameter, new: Parameter) -> SchemaDifference:
        try:
            return self._schemas.difference(old.schema, new.schema)
        except ContractError as exc:
            raise ContractError(f"method {self._name!r}: {place}: {exc}") from exc

    def _annotations(
        self, place: str, old: Parameter, new: Parameter, difference: SchemaDifference
    ) -> Iterator[Finding]:
        for default in difference.defaults:
            text = f"the default was {default.old or 'none'} and is {default.new or 'none'}"
            yield self._compatible(f"{place}{default.path}", text)
        if changed := changed_members(old.others, new.others):
            yield self._compatible(place, f"documentation changed: {changed}")


def changed_members(old: Any, new: Any) -> str:
    """Return the names of the members that differ."""
    names: Iterable[str] = [*old, *(name for name in new if name not in old)]
    return ", ".join(name for name in names if member_text(old, name) != member_text(new, name))


def member_text(members: Any, name: str) -> str:
    return canonical(members[name]) if name in members else ""
