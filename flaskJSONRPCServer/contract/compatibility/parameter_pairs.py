"""Pairs the parameters of two methods: by name, by position, or as one of a variadic parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .methods import Method, Parameter

__all__ = ["counterparts_of", "receivers_of", "taken_over", "takers_of"]


def counterparts_of(old: Method, new: Method) -> dict[str, Parameter]:
    """Return the new parameter of each old one by its name.

    It has the same name. If calls pass a parameter only by position, it may have a new name at the same position. The
    name of a variadic one does not matter.
    """
    by_name = {parameter.name: parameter for parameter in new.parameters if not parameter.is_variadic}
    fixed = [parameter for parameter in old.parameters if not parameter.is_variadic]
    found = {parameter.name: by_name[parameter.name] for parameter in fixed if parameter.name in by_name}
    known = {parameter.name for parameter in fixed}
    for before, after in zip(old.by_position(), new.by_position(), strict=False):
        if not before.is_nameable and before.name not in by_name and after.name not in known:
            found[before.name] = after
    variadic = ((parameter.name, new.rest_of(parameter)) for parameter in old.parameters if parameter.is_variadic)
    return found | {name: rest for name, rest in variadic if rest is not None}


def takers_of(parameter: Parameter, new: Method) -> list[Parameter]:
    """Return the variadic parameters that take the values of a removed one; empty if some call of it fails."""
    if parameter.is_variadic:
        return []
    rests: list[Parameter | None] = []
    if parameter.position is not None and new.ways.takes_positions:
        rests.append(new.rest_by_position() if parameter.position >= len(new.by_position()) else None)
    if parameter.is_nameable and new.ways.takes_names:
        rests.append(new.rest_by_name())
    return [] if None in rests else [rest for rest in rests if rest is not None]


def taken_over(rest: Parameter, old: Method, new: Method) -> Iterator[Parameter]:
    """Yield the parameters of the new method that get values which a variadic one of the old method got."""
    named = {other.name for other in old.parameters if other.is_nameable and not other.is_variadic}
    for parameter in new.parameters:
        at, since = parameter.position, rest.position
        is_at_rest = at is not None and since is not None and at >= since
        is_named = rest.is_nameable and parameter.is_nameable and parameter.name not in named
        if not parameter.is_variadic and (is_at_rest or is_named):
            yield parameter


def receivers_of(old: Method, new: Method, counterparts: Mapping[str, Parameter]) -> Iterator[Parameter]:
    """Yield the parameters of the new method that get values of calls which the old one takes; some more than once."""
    yield from counterparts.values()
    for parameter in old.parameters:
        yield from takers_of(parameter, new)
        yield from taken_over(parameter, old, new) if parameter.is_variadic else ()
