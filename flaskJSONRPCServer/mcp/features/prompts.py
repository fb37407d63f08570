"""Prompts: messages that a user chooses by name, and fills in.

Source: revision 2026-07-28, "Prompts".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from ...contract.option_checks import checked_icons
from ...dispatch.call_control import CallControl
from ...errors import RegistrationError
from ..feature import Feature, Method, Result, Scope
from ..protocol.errors import InvalidParams, MalformedRequest
from ..protocol.pages import page_of
from ..protocol.requests import ClientRequest
from .descriptions import known_members, refuse_unless_text
from .entries import Entries
from .functions import Functions, ServedFunction, is_required, name_of
from .prompt_messages import messages_of

__all__ = ["PromptEntry", "PromptOptions", "Prompts", "texts_in"]


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """The options of a prompt; ``McpEndpoint.prompt`` documents them."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    icons: Any = ()


@dataclass(frozen=True, slots=True, eq=False)
class PromptEntry:
    """One prompt.

    Attributes:
        definition: What clients see.
        function: Returns its messages.
    """

    definition: Mapping[str, Any]
    function: ServedFunction


class Prompts:
    """The prompts of an endpoint.

    Args:
        functions: Makes and calls functions.
        page_size: The most prompts on a page of the list.
        caching: Returns the members of a list that say how long a client may keep it.
        on_change: Called after each addition.

    Attributes:
        entries: The prompts by name.
        feature: The prompts as a part of the endpoint.
    """

    def __init__(
        self,
        functions: Functions,
        page_size: int,
        caching: Callable[[Scope], Mapping[str, Any]],
        on_change: Callable[[], object],
    ) -> None:
        self._functions = functions
        self._page_size = page_size
        self._caching = caching
        self.entries: Entries[PromptEntry] = Entries("a prompt", on_change)
        methods = {"prompts/list": Method(self.list), "prompts/get": Method(self.get, runs_function=True)}
        self.feature = Feature("prompts", self._capability, methods)

    def add(self, function: Any, options: PromptOptions) -> None:
        """Add a prompt.

        Raises:
            RegistrationError: The name is taken, the function has parameters without names, or an option is invalid.
        """
        name = name_of(function, options.name)
        served = self._functions.make(function, f"prompts/{name}")
        refuse_variadic(served)
        self.entries.add(name, PromptEntry({"name": name, **shown(options, served)}, served))

    def list(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``prompts/list``."""
        names, further = page_of(self.entries.keys(), request, self._page_size)
        by_name = self.entries.all()
        return {"prompts": [by_name[name].definition for name in names], **further, **self._caching(scope)}

    def get(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``prompts/get``."""
        name = request.params.get("name")
        if not isinstance(name, str):
            raise MalformedRequest("Invalid params: name is not a string")
        texts = texts_in(request.params, "arguments")
        entry = self.entries.all().get(name)
        if entry is None:
            raise InvalidParams(f"Unknown prompt: {name!r}"[:200])
        return scope.rounds.result(
            request,
            scope,
            lambda: (name, json.dumps(texts, sort_keys=True)),
            lambda request, scope, control: self._messages(entry, texts, scope, control),
        )

    def _messages(self, entry: PromptEntry, texts: Mapping[str, str], scope: Scope, control: CallControl) -> Result:
        params = entry.function.params_of(texts)  # anew for each run, which may change them
        messages = messages_of(self._functions.call(entry.function, params, scope, control))
        return {**known_members(description=entry.definition.get("description")), "messages": messages}

    def _capability(self) -> Mapping[str, Any] | None:
        return {"listChanged": True} if self.entries.all() else None


def refuse_variadic(function: ServedFunction) -> None:
    """Check that all arguments of a prompt have names.

    Raises:
        RegistrationError: The function takes others.
    """
    kinds = {parameter.kind for parameter in function.parameters}
    if kinds & {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}:
        raise RegistrationError(f"{function.route.function!r} is refused: a prompt lists its arguments, so no * or **")


def shown(options: PromptOptions, function: ServedFunction) -> dict[str, Any]:
    """Return the members of a definition that the options, the parameters and the docstring make.

    Raises:
        RegistrationError: An option has an invalid value.
    """
    refuse_unless_text(title=options.title, description=options.description)
    texts = function.documentation.parameters
    return known_members(
        title=options.title,
        description=function.description if options.description is None else options.description,
        arguments=[argument(parameter, texts.get(parameter.name)) for parameter in function.parameters],
        icons=list(checked_icons(options.icons)),
    )


def argument(parameter: Parameter, description: str | None) -> dict[str, Any]:
    return {"name": parameter.name, **known_members(description=description), "required": is_required(parameter)}


def texts_in(params: Mapping[str, Any], member: str) -> dict[str, str]:
    """Return a member of parameters that is an object of strings; empty without it.

    Raises:
        InvalidParams: It is anything else.
    """
    texts = params.get(member)
    if texts is None:
        return {}
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise InvalidParams(f"Invalid params: {member} is not an object of strings")
    return texts
