"""Whether the values of one schema are all accepted by another one.

The comparison is a proof: a result of "subset" holds for every value, and what cannot be shown is unknown.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .clauses import ArrayClause, Clause, NumberClause, ObjectClause, StringClause, ValuesClause, conditions_of
from .expansion import Expansion, NotComparable
from .json_values import canonical, shown
from .same_schemas import SameSchemas
from .schema_documents import Schema, SchemaDocument, combined

__all__ = ["Gap", "Relation", "Subsumption"]

_MOST_STEPS = 50_000


class Relation(enum.Enum):
    """The relation of the values of one schema to those of another one."""

    EQUAL = "equal"
    SUBSET = "subset"
    SUPERSET = "superset"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, lost: Gap | None, gained: Gap | None) -> Relation:
        """Return the relation of two schemas.

        Args:
            lost: Values of the first schema that the second one may refuse.
            gained: Values of the second schema that the first one may refuse.
        """
        if lost is None:
            return cls.EQUAL if gained is None else cls.SUBSET
        return cls.SUPERSET if gained is None else cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class Gap:
    """Values of one schema that another one does not accept, as far as can be shown.

    Attributes:
        path: Where they are in the value, such as ``.user.age`` or ``[0]``; empty for the value itself.
        values: A noun phrase for them.
    """

    path: str
    values: str


class Subsumption:
    """Looks for values that schemas of one document accept and schemas of another one do not.

    Args:
        inner: The document of the schemas whose values are to be accepted.
        outer: The document of the schemas that accept them.
        ignores_undeclared: Whether to leave out members that the inner schema neither declares nor mentions.
    """

    def __init__(self, inner: SchemaDocument, outer: SchemaDocument, *, ignores_undeclared: bool = False) -> None:
        self._inner = Expansion(inner, is_upper=True)
        self._outer = Expansion(outer, is_upper=False)
        self._same = SameSchemas(inner, outer)
        self._ignores_undeclared = ignores_undeclared
        self._steps = 0
        # The pairs that are shown, or assumed while they are being compared. A recursive schema meets its pair again
        # only in an item or a member, which is smaller than the value, so the assumption is an induction. A pair that
        # fails takes all later ones with it: they may depend on it. (Amadio and Cardelli, Subtyping recursive types)
        self._assumed: dict[tuple[str, str], None] = {}

    def gap(self, inner: Schema, outer: Schema) -> Gap | None:
        """Return the first gap; None if all values of the inner schema are accepted.

        Raises:
            ContractError: A schema is malformed.
        """
        try:
            return self._gap(inner, outer, "")
        except RecursionError:
            return Gap("", "values that nest too deeply for a comparison")

    def _gap(self, inner: Schema, outer: Schema, path: str) -> Gap | None:
        if inner is False or outer is True or self._same.are_same(inner, outer):
            return None
        key = canonical(inner), canonical(outer)
        if key in self._assumed:
            return None
        self._steps += 1
        if self._steps > _MOST_STEPS:
            return Gap(path, "values of schemas that are too large for a comparison")
        count = len(self._assumed)
        self._assumed[key] = None
        gap = self._gap_of_clauses(inner, outer, path)
        while gap is not None and len(self._assumed) > count:
            self._assumed.popitem()
        return gap

    def _gap_of_clauses(self, inner: Schema, outer: Schema, path: str) -> Gap | None:
        try:
            ours, theirs = self._inner.clauses(inner), self._outer.clauses(outer)
        except NotComparable as exc:
            return Gap(path, str(exc))
        return first_gap(self._uncovered(clause, theirs, path) for clause in ours)

    def _uncovered(self, clause: Clause, theirs: list[Clause], path: str) -> Gap | None:
        """Return a gap of a clause; their further checks have to be among its own."""
        known = [other for other in theirs if other.further <= clause.further]
        gap = self._uncovered_by(clause, known, path)
        if gap is None or len(known) == len(theirs) or self._uncovered_by(clause, theirs, path) is not None:
            return gap
        checks = frozenset().union(*(other.further for other in theirs)) - clause.further
        return Gap(path, f"values that the check {min(checks)!r} refuses")

    def _uncovered_by(self, clause: Clause, theirs: list[Clause], path: str) -> Gap | None:
        """Return a gap if neither one of their clauses accepts all of a clause, nor each listed value is accepted."""
        if isinstance(clause, ValuesClause):
            refused = [
                value
                for text, value in clause.values.items()
                if not any(self._is_accepted(other, text, value, clause, path) for other in theirs)
            ]
            return Gap(path, listed(refused)) if refused else None
        gaps = []
        for other in theirs:
            if type(other) is type(clause):
                gap = self._gap_between(clause, other, path)
                if gap is None:
                    return None
                gaps.append(gap)
        return gaps[0] if len(gaps) == 1 else Gap(path, plural_of(clause))

    def _is_accepted(self, other: Clause, text: str, value: Any, ours: ValuesClause, path: str) -> bool:
        """Return whether it can be shown that one of their clauses accepts one of our listed values."""
        accepted = other.accepts(value)
        if accepted is None:  # by conditions: each follows from one of ours, or not
            known = ours.conditions.get(text, ())
            return all(
                any(type(own) is type(needed) and self._gap_between(own, needed, path) is None for own in known)
                for needed in conditions_of(other, text)
            )
        return accepted

    def _gap_between(self, ours: Any, theirs: Any, path: str) -> Gap | None:
        match ours:
            case NumberClause():
                values = numbers_left(ours, theirs)
            case StringClause():
                values = strings_left(ours, theirs)
            case ArrayClause():
                return self._gap_of_arrays(ours, theirs, path)
            case _:
                return self._gap_of_objects(ours, theirs, path)
        return Gap(path, values) if values else None

    def _gap_of_arrays(self, ours: ArrayClause, theirs: ArrayClause, path: str) -> Gap | None:
        most = ours.most_items()
        if values := arrays_left(ours, theirs, most):
            return Gap(path, values)
        count = max(len(ours.items), len(theirs.items))
        items = ((ours.item(index), theirs.item(index), f"{path}[{index}]") for index in range(count) if index < most)
        gap = first_gap(self._gap(*item) for item in items)
        return gap if gap or count >= most else self._gap(ours.rest, theirs.rest, f"{path}[]")

    def _gap_of_objects(self, ours: ObjectClause, theirs: ObjectClause, path: str) -> Gap | None:
        if values := objects_left(ours, theirs):
            return Gap(path, values)
        names = [*ours.members, *(name for name in theirs.members if name not in ours.members)]
        if ours.is_open and self._ignores_undeclared and ours.names is True:
            names = [name for name in names if name in ours.members or name in ours.required]
        gap = first_gap(self._gap(ours.member(name), theirs.member(name), f"{path}.{name}") for name in names)
        gap = gap or self._gap(ours.others, theirs.others, f"{path}.*")
        return gap or self._gap_of_names(ours, theirs, path)

    def _gap_of_names(self, ours: ObjectClause, theirs: ObjectClause, path: str) -> Gap | None:
        """Return a gap if the names of members are not all accepted."""
        if theirs.names is True:
            return None
        if ours.others is False:
            names: Schema = {"enum": [name for name, schema in ours.members.items() if schema is not False]}
        else:
            names = {"type": "string"}
        gap = self._gap(combined(names, ours.names), theirs.names, path)
        return gap and Gap(path, "members with other names")


def first_gap(gaps: Iterable[Gap | None]) -> Gap | None:
    """Return the first gap of an iterable; None if there is none. Nothing after it is compared."""
    return next((gap for gap in gaps if gap is not None), None)


def numbers_left(ours: NumberClause, theirs: NumberClause) -> str:
    """Return which of our numbers are not among theirs; empty if all are."""
    ours = ours.tightened()
    if theirs.is_integer:
        if not any(multiple.denominator == 1 for multiple in ours.multiples):
            return "numbers with a fraction"
        theirs = theirs.tightened()
    lower, upper = theirs.lower, theirs.upper
    if (ours.lower.value, ours.lower.is_exclusive) < (lower.value, lower.is_exclusive):
        return f"numbers {'up to' if lower.is_exclusive else 'below'} {lower.value}"
    if (ours.upper.value, not ours.upper.is_exclusive) > (upper.value, not upper.is_exclusive):
        return f"numbers {'from' if upper.is_exclusive else 'above'} {upper.value}"
    for multiple in sorted(theirs.multiples):
        if not any(own % multiple == 0 for own in ours.multiples):
            return f"numbers that are no multiples of {multiple}"
    return ""


def strings_left(ours: StringClause, theirs: StringClause) -> str:
    """Return which of our strings are not among theirs; empty if all are."""
    if ours.at_least < theirs.at_least:
        return f"strings of fewer than {theirs.at_least} characters"
    if ours.at_most > theirs.at_most:
        return f"strings of more than {theirs.at_most} characters"
    missing = sorted(theirs.checks - ours.checks)
    return f"strings without the {missing[0][0]} {missing[0][1]}" if missing else ""


def arrays_left(ours: ArrayClause, theirs: ArrayClause, most: float) -> str:
    """Return which of our arrays are not among theirs, whatever their items; empty if all are."""
    if ours.at_least < theirs.at_least:
        return f"arrays of fewer than {theirs.at_least} items"
    if most > theirs.at_most:
        return f"arrays of more than {theirs.at_most} items"
    return "arrays with equal items" if theirs.is_unique and not ours.is_unique and most > 1 else ""


def objects_left(ours: ObjectClause, theirs: ObjectClause) -> str:
    """Return which of our objects are not among theirs, whatever their members; empty if all are."""
    if missing := sorted(name for name in theirs.required if not is_in_each(name, ours, theirs)):
        return f"objects without the member {shown(missing[0])}"
    if lost := next(lost_aliases(ours, theirs), None):
        return f"objects with the member {shown(lost)}"
    if ours.fewest_members() < theirs.at_least:
        return f"objects of fewer than {theirs.at_least} members"
    return f"objects of more than {theirs.at_most} members" if ours.most_members() > theirs.at_most else ""


def is_in_each(name: str, ours: ObjectClause, theirs: ObjectClause) -> bool:
    """Return whether each of our objects has a member that is required by them, under one of their names for it."""
    accepted = theirs.names_of(name)
    return any(ours.names_of(required) <= accepted for required in ours.required)


def lost_aliases(ours: ObjectClause, theirs: ObjectClause) -> Iterator[str]:
    """Yield our names of members that are declared by them, and that are not among their names for it."""
    for member in ours.aliases:
        listed_name = theirs.listed_name(member)
        if listed_name in theirs.members:
            yield from sorted(ours.names_of(member) - theirs.names_of(listed_name))


def plural_of(clause: Clause) -> str:
    return f"{type(clause).__name__.removesuffix('Clause').lower()}s"


def listed(values: list[Any]) -> str:
    return ", ".join(map(shown, values[:3])) + (", ..." if len(values) > 3 else "")
