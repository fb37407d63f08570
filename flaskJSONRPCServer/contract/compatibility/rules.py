"""The rules of a caller: which differences between two methods break calls that worked, or their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import ContractError
from .findings import Finding, Kind
from .json_values import canonical
from .openrpc import Method, OpenRpcDocument, Parameter
from .schema_pairs import SchemaDifference, SchemaPairs
from .subsumption import Relation

__all__ = ["MethodRules", "document_findings"]


def document_findings(old: OpenRpcDocument, new: OpenRpcDocument) -> Iterator[Finding]:
    """Yield the differences between two documents.

    Raises:
        ContractError: A schema is malformed. The message names the method and the place.
    """
    if changed := changed_members(old.others, new.others):
        yield Finding(Kind.COMPATIBLE, "", "", f"documentation changed: {changed}")
    schemas = SchemaPairs(old.schemas, new.schemas)
    for name, method in old.by_name.items():
        successor = new.by_name.get(name)
        if successor is None:
            kind = "method" if name == method.name else f"alias of {method.name!r}"
            yield Finding(Kind.BREAKING, name, "", f"the {kind} is removed")
        elif name == method.name or successor is not new.by_name.get(method.name):
            yield from MethodRules(name, schemas).findings(method, successor)
    for name, method in new.by_name.items():
        if name not in old.by_name:
            kind = "method" if name == method.name else f"alias of {method.name!r}"
            yield Finding(Kind.COMPATIBLE, name, "", f"the {kind} is new")


class MethodRules:
    """Compares a method of the old document with the one that answers its calls in the new document.

    Args:
        name: The name that callers use.
        schemas: Compares the schemas of the two documents.
    """

    def __init__(self, name: str, schemas: SchemaPairs) -> None:
        self._name = name
        self._schemas = schemas

    def findings(self, old: Method, new: Method) -> Iterator[Finding]:
        """Yield the differences, those of the parameters first.

        Raises:
            ContractError: A schema is malformed.
        """
        yield from self._structure(old, new)
        yield from self._parameters(old, new)
        yield from self._result(old.result, new.result)
        yield from self._errors(old, new)
        yield from self._timeout(old, new)
        if changed := changed_members(old.others, new.others):
            yield self._compatible("", f"documentation changed: {changed}")

    def _breaking(self, place: str, text: str) -> Finding:
        return Finding(Kind.BREAKING, self._name, place, text)

    def _compatible(self, place: str, text: str) -> Finding:
        return Finding(Kind.COMPATIBLE, self._name, place, text)

    def _structure(self, old: Method, new: Method) -> Iterator[Finding]:
        if old.structure == new.structure or not old.parameters:
            return
        text = f"parameters were passed {old.structure.name}, and are now passed {new.structure.name}"
        loses_names = old.structure.takes_names and not new.structure.takes_names
        loses_positions = old.structure.takes_positions and not new.structure.takes_positions
        make = self._breaking if loses_names or loses_positions else self._compatible
        yield make("paramStructure", text)

    def _parameters(self, old: Method, new: Method) -> Iterator[Finding]:
        counterparts = counterparts_of(old, new)
        for parameter in old.parameters:
            counterpart = counterparts.get(parameter.name)
            if counterpart is None:
                yield self._removed(parameter, old, new)
            else:
                yield from self._parameter(parameter, counterpart)
        yield from self._order(old, new, counterparts)
        matched = {parameter.name for parameter in counterparts.values()}
        yield from (self._added(parameter) for parameter in new.parameters if parameter.name not in matched)

    def _removed(self, parameter: Parameter, old: Method, new: Method) -> Finding:
        index = old.parameters.index(parameter)
        known = {other.name for other in old.parameters}
        successor = new.parameters[index] if index < len(new.parameters) else parameter
        is_renamed = successor.name not in known and canonical(successor.schema) == canonical(parameter.schema)
        text = f"the parameter is renamed to {successor.name!r}" if is_renamed else "the parameter is removed"
        return self._breaking(f"params.{parameter.name}", text)

    def _added(self, parameter: Parameter) -> Finding:
        place = f"params.{parameter.name}"
        if parameter.is_required:
            return self._breaking(place, "the new parameter is required")
        return self._compatible(place, "the new parameter is optional")

    def _parameter(self, old: Parameter, new: Parameter) -> Iterator[Finding]:
        place = f"params.{old.name}"
        if old.name != new.name:
            yield self._compatible(place, f"the parameter is renamed to {new.name!r}, and is only passed by position")
        if new.is_required and not old.is_required:
            yield self._breaking(place, "the parameter was optional and is required")
        if old.is_required and not new.is_required:
            yield self._compatible(place, "the parameter was required and is optional")
        difference = self._difference(place, old, new)
        yield from self._parameter_schema(place, difference)
        yield from self._annotations(place, old, new, difference)

    def _order(self, old: Method, new: Method, counterparts: dict[str, Parameter]) -> Iterator[Finding]:
        """Yield the parameters whose position changed, if calls pass them by position.

        New parameters between old ones are reported instead of all those that they move.
        """
        if not old.structure.takes_positions:
            return
        order = [parameter.name for parameter in new.parameters]
        kept = [parameter.name for parameter in old.parameters if parameter.name in counterparts]
        positions = {name: order.index(counterparts[name].name) for name in kept}
        for before, after in zip(kept, sorted(kept, key=positions.__getitem__), strict=True):
            if before != after:
                yield self._breaking(f"params.{before}", f"the parameter moved to position {positions[before]}")
        places = {parameter.name: index for index, parameter in enumerate(old.parameters)}
        last_moved = max((positions[name] for name in kept if positions[name] > places[name]), default=0)
        for index, name in enumerate(order[:last_moved]):
            if index not in positions.values():
                yield self._breaking(f"params.{name}", "the new parameter comes before others and moves them")

    def _parameter_schema(self, place: str, difference: SchemaDifference) -> Iterator[Finding]:
        """Yield a finding if a parameter accepts other values than before: it has to accept all that it did."""
        lost = difference.lost
        if lost is None:
            if difference.gained:
                yield self._compatible(place, "the type is widened")
        elif difference.lost_declared is None:
            text = "the type is changed only for members that the old document does not declare"
            yield self._compatible(f"{place}{lost.path}", text)
        else:
            is_narrowed = difference.relation is Relation.SUPERSET
            reason = "the type is narrowed" if is_narrowed else "cannot be shown to be compatible"
            yield self._breaking(f"{place}{lost.path}", f"{reason}: it may refuse {lost.values}")

    def _result(self, old: Parameter | None, new: Parameter | None) -> Iterator[Finding]:
        if old is None or new is None:
            if old is not None:
                yield self._breaking("result", "the result is removed: the method takes only notifications")
            if new is not None:
                yield self._compatible("result", "the result is new: the method took only notifications")
            return
        difference = self._difference("result", old, new)
        yield from self._result_schema(difference)
        yield from self._annotations("result", old, new, difference)

    def _result_schema(self, difference: SchemaDifference) -> Iterator[Finding]:
        """Yield a finding if a result has other values than before: it has to be one that it could have been."""
        gained = difference.gained
        if gained is None:
            if difference.lost:
                yield self._compatible("result", "the type is narrowed")
        else:
            is_widened = difference.relation is Relation.SUBSET
            reason = "the type is widened" if is_widened else "cannot be shown to be compatible"
            yield self._breaking(f"result{gained.path}", f"{reason}: it may now be {gained.values}")

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

    def _errors(self, old: Method, new: Method) -> Iterator[Finding]:
        for code in sorted({*old.errors, *new.errors}):
            place = f"errors.{code}"
            if code not in old.errors:
                yield self._compatible(place, "the error is new; callers meet a code that they do not know")
            elif code not in new.errors:
                yield self._compatible(place, "the error is no longer declared")
            elif old.errors[code] != new.errors[code]:
                yield self._compatible(place, "the error has another message or data; its meaning may have changed")

    def _timeout(self, old: Method, new: Method) -> Iterator[Finding]:
        if old.timeout_s != new.timeout_s:
            change = "shorter" if new.timeout_s < old.timeout_s else "longer"
            seconds = f"{old.timeout_s:g} s and is {new.timeout_s:g} s".replace("inf s", "none")
            yield self._compatible("x-timeout", f"the deadline is {change}: it was {seconds}")


def counterparts_of(old: Method, new: Method) -> dict[str, Parameter]:
    """Return the new parameter of each old one by its name.

    It has the same name. If calls pass parameters only by position, it may have a new name at the same position.
    """
    by_name = {parameter.name: parameter for parameter in new.parameters}
    found = {parameter.name: by_name[parameter.name] for parameter in old.parameters if parameter.name in by_name}
    if not old.structure.takes_names:
        known = {parameter.name for parameter in old.parameters}
        for before, after in zip(old.parameters, new.parameters, strict=False):
            if before.name not in by_name and after.name not in known:
                found[before.name] = after
    return found


def changed_members(old: Any, new: Any) -> str:
    """Return the names of the members that differ."""
    names: Iterable[str] = [*old, *(name for name in new if name not in old)]
    return ", ".join(name for name in names if member_text(old, name) != member_text(new, name))


def member_text(members: Any, name: str) -> str:
    return canonical(members[name]) if name in members else ""
