"""The rules of a caller for parameters: which differences refuse calls that worked."""

from __future__ import annotations

from collections.abc import Iterator

from .findings import Finding
from .json_values import canonical
from .method_findings import MethodFindings
from .methods import Method, Parameter
from .parameter_pairs import counterparts_of, receivers_of, taken_over, takers_of
from .schema_pairs import SchemaDifference
from .subsumption import Relation

__all__ = ["ParameterRules"]


class ParameterRules(MethodFindings):
    """Compares the parameters of a method in two documents."""

    def findings(self, old: Method, new: Method) -> Iterator[Finding]:
        """Yield the differences.

        Raises:
            ContractError: A schema is malformed.
        """
        yield from self._structure(old, new)
        yield from self._parameters(old, new)

    def _structure(self, old: Method, new: Method) -> Iterator[Finding]:
        if not old.parameters:
            return
        if old.ways != new.ways:
            text = f"parameters were passed {old.ways.name}, and are now passed {new.ways.name}"
            loses_names = old.ways.takes_names and not new.ways.takes_names
            loses_positions = old.ways.takes_positions and not new.ways.takes_positions
            yield (self._breaking if loses_names or loses_positions else self._compatible)("paramStructure", text)
        elif old.structure != new.structure:
            text = f"the document now lists the parameters {new.structure.name}; calls may pass them as before"
            yield self._compatible("paramStructure", text)

    def _parameters(self, old: Method, new: Method) -> Iterator[Finding]:
        counterparts = counterparts_of(old, new)
        for parameter in old.parameters:
            counterpart = counterparts.get(parameter.name)
            if counterpart is None:
                yield from self._missing(parameter, old, new)
            else:
                yield from self._ways(parameter, counterpart, old, new)
                yield from self._parameter(parameter, counterpart)
        yield from self._order(old, new, counterparts)
        matched = {parameter.name for parameter in counterparts.values()}
        yield from (self._added(parameter) for parameter in new.parameters if parameter.name not in matched)
        yield from self._former_rests(old, new)
        yield from self._checks(old, new, counterparts)

    def _missing(self, parameter: Parameter, old: Method, new: Method) -> Iterator[Finding]:
        takers = takers_of(parameter, new)
        if not takers:
            yield self._removed(parameter, old, new)
            return
        place, names = f"params.{parameter.name}", " and ".join(repr(taker.name) for taker in takers)
        yield self._compatible(place, f"the parameter is removed, and its values are now some of {names}")
        for taker in takers:
            yield from self._parameter_schema(place, self._difference(place, parameter, taker))

    def _removed(self, parameter: Parameter, old: Method, new: Method) -> Finding:
        index = old.parameters.index(parameter)
        known = {other.name for other in old.parameters}
        successor = new.parameters[index] if index < len(new.parameters) else parameter
        is_renamed = successor.name not in known and canonical(successor.schema) == canonical(parameter.schema)
        is_renamed = is_renamed and successor.is_variadic == parameter.is_variadic
        text = f"the parameter is renamed to {successor.name!r}" if is_renamed else "the parameter is removed"
        return self._breaking(f"params.{parameter.name}", text)

    def _ways(self, parameter: Parameter, counterpart: Parameter, old: Method, new: Method) -> Iterator[Finding]:
        """Yield the ways in which a parameter can no longer be passed, though others of the method can."""
        place = f"params.{parameter.name}"
        if new.ways.takes_positions and parameter.position is not None and counterpart.position is None:
            yield self._breaking(place, "the parameter can no longer be passed by position")
        if new.ways.takes_names and parameter.is_nameable and not counterpart.is_nameable:
            yield self._breaking(place, "the parameter can no longer be passed by name")
        if old.ways.takes_positions and parameter.position is None and counterpart.position is not None:
            yield self._compatible(place, "the parameter can now be passed by position too")
        if old.ways.takes_names and not parameter.is_nameable and counterpart.is_nameable:
            yield self._compatible(place, "the parameter can now be passed by name too")

    def _former_rests(self, old: Method, new: Method) -> Iterator[Finding]:
        """Yield the new parameters that refuse values which a variadic one took at their position or by their name."""
        for rest in filter(None, (old.rest_by_position(), old.rest_by_name())):
            for parameter in taken_over(rest, old, new):
                place = f"params.{parameter.name}"
                if lost := self._difference(place, rest, parameter).lost:
                    text = f"values of {rest.name!r} are now those of this parameter, and it may refuse {lost.values}"
                    yield self._breaking(f"{place}{lost.path}", text)

    def _checks(self, old: Method, new: Method, counterparts: dict[str, Parameter]) -> Iterator[Finding]:
        if old.is_checked and not new.is_checked:
            yield self._compatible("x-validate", "values are no longer checked against the types")
        if new.is_checked and not old.is_checked:
            strict = {p.name: None for p in receivers_of(old, new, counterparts) if self._may_refuse(p)}
            if strict:
                text = f"values of {', '.join(map(repr, strict))} were not checked against their types, and now are"
                yield self._breaking("x-validate", text)

    def _may_refuse(self, parameter: Parameter) -> bool:
        return self._schemas.difference(True, parameter.schema).lost is not None

    def _added(self, parameter: Parameter) -> Finding:
        place = f"params.{parameter.name}"
        if parameter.is_required:
            return self._breaking(place, "the new parameter is required")
        return self._compatible(place, "the new parameter is optional")

    def _parameter(self, old: Parameter, new: Parameter) -> Iterator[Finding]:
        place = f"params.{old.name}"
        if old.name != new.name:
            reason = "calls do not name it" if old.is_variadic else "is only passed by position"
            yield self._compatible(place, f"the parameter is renamed to {new.name!r}, and {reason}")
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
        order = [parameter.name for parameter in new.by_position()]
        found = {p.name: counterparts[p.name] for p in old.by_position() if p.name in counterparts}
        positions = {name: new.position for name, new in found.items() if new.position is not None}
        kept = [*positions]
        for before, after in zip(kept, sorted(kept, key=positions.__getitem__), strict=True):
            if before != after:
                yield self._breaking(f"params.{before}", f"the parameter moved to position {positions[before]}")
        places = {parameter.name: index for index, parameter in enumerate(old.by_position())}
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
