"""Completion: suggestions for the arguments of prompts and templates.

Source: revision 2026-07-28, "Completion".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Final

from ...errors import RegistrationError, unknown_name
from ...runtime.text import short_repr
from ..feature import Feature, Method, Result, Scope
from ..protocol.errors import InvalidParams, MalformedRequest
from ..protocol.requests import ClientRequest
from .choices import choices_of
from .entries import Entries
from .functions import Functions, ServedFunction
from .prompts import Prompts, texts_in
from .resources import Resources

__all__ = ["Completion", "Completions"]

_MOST_VALUES: Final = 100
_KINDS: Final = {"ref/prompt": "name", "ref/resource": "uri"}


@dataclass(frozen=True, slots=True)
class Completion:
    """Suggestions, and how many more there are.

    Attributes:
        values: The suggestions, the best first. Clients get the first 100.
        total: How many there are; None if that is not known.
        has_more: Whether there are more than ``values``; None if that is not known.
    """

    values: Sequence[str]
    total: int | None = None
    has_more: bool | None = None

    def members(self) -> dict[str, Any]:
        """Return it as JSON values.

        Raises:
            TypeError: A value is no string, or ``total`` is no number from 0 on, or ``has_more`` is of another type.
        """
        values = list(self.values)
        if not all(isinstance(value, str) for value in values):
            raise TypeError(f"a completion returns {short_repr(values)}; it takes strings")
        if not is_count(self.total) or not isinstance(self.has_more, bool | None):
            shown = f"total={short_repr(self.total)} and has_more={short_repr(self.has_more)}"
            raise TypeError(f"a completion has {shown}; it takes a number from 0 on, and a bool, or None")
        members: dict[str, Any] = {"values": values[:_MOST_VALUES]}
        if self.total is not None:
            members["total"] = self.total
        has_more = True if len(values) > _MOST_VALUES else self.has_more
        return members if has_more is None else {**members, "hasMore": has_more}


def is_count(total: Any) -> bool:
    return total is None or (isinstance(total, int) and not isinstance(total, bool) and total >= 0)


@dataclass(frozen=True, slots=True, eq=False)
class Suggesting:
    """A function that completes an argument.

    Attributes:
        function: The function.
        takes_context: Whether it takes the other arguments too.
    """

    function: ServedFunction
    takes_context: bool


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A prompt or a template whose arguments are completed.

    Attributes:
        function: Its function.
        names: The names of its arguments.
    """

    function: ServedFunction
    names: Sequence[str]

    def choices(self, argument: str) -> list[str]:
        """Return the texts that an argument accepts, if its hint lists them."""
        hinted = self.function.contract.types.get(argument)
        return [] if hinted is None else choices_of(hinted.hint)


class Completions:
    """The completions of an endpoint.

    Args:
        functions: Makes and calls functions.
        prompts: The prompts.
        resources: The resources.

    Attributes:
        feature: The completions as a part of the endpoint.
    """

    def __init__(self, functions: Functions, prompts: Prompts, resources: Resources) -> None:
        self._functions = functions
        self._prompts = prompts
        self._resources = resources
        self._own: Entries[Suggesting] = Entries("a completion")
        self.feature = Feature("completions", self._capability, {"completion/complete": Method(self.complete)})

    def add(self, function: Any, target: Any, argument: Any) -> None:
        """Add a completion.

        Args:
            function: Takes the value so far, and optionally the other arguments.
            target: The name of a prompt, or the text of a template.
            argument: The argument to complete.

        Raises:
            RegistrationError: There is no such argument, it has a completion already, or the function does not fit.
        """
        known = self._targets("ref/prompt") | self._targets("ref/resource")
        if target not in known:
            raise RegistrationError(unknown_name("prompt or template", target, known))
        if argument not in known[target].names:
            raise RegistrationError(unknown_name("argument", argument, known[target].names))
        name = known[target].function.route.name.partition("/")[2]
        served = self._functions.make(function, f"completion/{name}/{argument}")
        self._own.add(key_of(target, argument), Suggesting(served, takes_context(served)))

    def complete(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``completion/complete``."""
        name, target = self._target(request.params.get("ref"))
        argument, value = argument_in(request.params.get("argument"))
        context = request.params.get("context")
        if context is not None and not isinstance(context, dict):
            raise MalformedRequest("Invalid params: context is not an object")
        others = texts_in(context or {}, "arguments")
        if argument not in target.names:
            raise InvalidParams(f"Unknown argument: {argument!r}"[:200])
        own = self._own.all().get(key_of(name, argument))
        if own is None:
            return {"completion": of_list(beginning_with(value, target.choices(argument))).members()}
        return {"completion": self._suggested(own, value, others, scope).members()}

    def _suggested(self, own: Suggesting, value: str, others: Mapping[str, str], scope: Scope) -> Completion:
        params = [value, dict(others)] if own.takes_context else [value]
        result = self._functions.call(own.function, params, scope, None)
        if isinstance(result, Completion):
            return result
        if not isinstance(result, (list, tuple)):
            raise TypeError(f"a completion returns {short_repr(result)}; it takes a list of strings, or a Completion")
        return of_list(result)

    def _target(self, ref: Any) -> tuple[str, Target]:
        """Return what a reference names, after its name: that of a prompt, or the text of a template.

        Raises:
            InvalidParams: There is none, or it is no reference.
        """
        kind = ref.get("type") if isinstance(ref, dict) else None
        member = _KINDS.get(kind) if isinstance(kind, str) else None
        name = None if member is None else ref.get(member)
        if not isinstance(kind, str) or not isinstance(name, str):
            raise MalformedRequest("Invalid params: ref is neither a prompt nor a resource")
        target = self._targets(kind).get(name)
        if target is None:
            raise InvalidParams(f"Unknown {kind.removeprefix('ref/')}: {name!r}"[:200])
        return name, target

    def _targets(self, kind: str) -> dict[str, Target]:
        if kind == "ref/prompt":
            prompts = self._prompts.entries.all()
            return {name: Target(entry.function, names_of(entry.function)) for name, entry in prompts.items()}
        templates = self._resources.templates.all()
        return {uri: Target(entry.function, entry.names) for uri, entry in templates.items()}

    def _capability(self) -> Mapping[str, Any] | None:
        targets = [*self._targets("ref/prompt").values(), *self._targets("ref/resource").values()]
        has_choices = any(target.choices(name) for target in targets for name in target.names)
        return {} if self._own.all() or has_choices else None


def names_of(function: ServedFunction) -> list[str]:
    return [parameter.name for parameter in function.parameters]


def takes_context(function: ServedFunction) -> bool:
    """Return whether a completion takes the other arguments.

    Raises:
        RegistrationError: It takes neither a value alone, nor a value and a dict.
    """
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    count = len(function.parameters)
    if count not in (1, 2) or any(parameter.kind not in positional for parameter in function.parameters):
        raise RegistrationError(
            f"{function.route.function!r} is refused: a completion takes the value, or the value and the context"
        )
    return count == 2


def argument_in(argument: Any) -> tuple[str, str]:
    """Return the name of the argument in a request, and its value so far.

    Raises:
        MalformedRequest: It is no argument.
    """
    name, value = (argument.get("name"), argument.get("value")) if isinstance(argument, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(value, str):
        raise MalformedRequest("Invalid params: argument is not an object with name and value, two strings")
    return name, value


def of_list(values: Sequence[str]) -> Completion:
    return Completion(values, len(values), has_more=False)


def beginning_with(value: str, choices: Sequence[str]) -> list[str]:
    beginning = value.casefold()
    return [choice for choice in choices if choice.casefold().startswith(beginning)]


def key_of(target: str, argument: str) -> str:
    return f"{target} {argument}"
