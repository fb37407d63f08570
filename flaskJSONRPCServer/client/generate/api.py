"""The methods of an OpenRPC document as the writers of all languages need them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain

from .types import Declaration, Type

__all__ = ["Api", "ErrorClass", "Group", "Language", "Method", "Parameter", "Scope", "plain", "variadic"]


@dataclass(frozen=True, slots=True)
class Language:
    """The words that a language keeps for itself.

    Attributes:
        members: Names of the members of generated classes.
        parameters: Words that cannot be names of parameters.
        types: Names that generated modules use.
        variants: Formats of the further names of a class.
    """

    members: Collection[str]
    parameters: Collection[str]
    types: Collection[str]
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a method.

    Attributes:
        name: Its name in requests.
        identifier: Its name in code.
        type: Its type; that of each value if it is variadic.
        is_required: Whether calls need it.
        is_variadic: Whether it is any number of values.
        text: Its description.
        default: The JSON text of its default; empty for none.
    """

    name: str
    identifier: str
    type: Type
    is_required: bool
    is_variadic: bool
    text: str
    default: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method.

    Attributes:
        name: Its name in requests.
        identifier: Its name in code.
        positional: The parameters that can be passed by position, in order.
        named: The parameters that can be passed by name.
        result: The type of its result; None for a notification.
        summary: What it does.
        notes: Further texts.
        returns: The description of the result.
        errors: The classes of the declared errors.
        is_deprecated: Whether callers should use another method.
        is_idempotent: Whether to run it twice has the same effect as once.
    """

    name: str
    identifier: str
    positional: tuple[Parameter, ...]
    named: tuple[Parameter, ...]
    result: Type | None
    summary: str
    notes: tuple[str, ...]
    returns: str
    errors: tuple[str, ...]
    is_deprecated: bool
    is_idempotent: bool


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """An error that methods declare.

    Attributes:
        name: The name of its class.
        code: Its code.
        message: Its message.
        text: Its description.
        is_reserved: Whether the specification reserves its code.
    """

    name: str
    code: int
    message: str
    text: str
    is_reserved: bool


@dataclass(slots=True)
class Scope:
    """The methods with one prefix before the last dot of their names, in a class of their own.

    Attributes:
        class_name: The name of the class.
        prefix: The prefix.
        methods: The methods.
        scopes: The scopes inside this one, by their names in code.
    """

    class_name: str
    prefix: str
    methods: list[Method] = field(default_factory=list)
    scopes: dict[str, Scope] = field(default_factory=dict)

    def every(self) -> list[Scope]:
        """Return the scope and all inside it, the inner ones first."""
        return [*chain.from_iterable(scope.every() for scope in self.scopes.values()), self]


@dataclass(frozen=True, slots=True)
class Group:
    """The methods at one URL.

    Attributes:
        identifier: The name of the group in code.
        url: The URL, perhaps relative; empty if the document has none.
        scope: The methods.
    """

    identifier: str
    url: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Api:
    """All that a client is generated from.

    Attributes:
        title: The title and the version of the document.
        text: The description.
        digest: The SHA-256 of the document.
        base_url: The URL before the paths of all groups.
        groups: The methods by their URLs.
        errors: The declared errors, by code.
        types: The declared types, by name.
    """

    title: str
    text: str
    digest: str
    base_url: str
    groups: Sequence[Group]
    errors: Sequence[ErrorClass]
    types: Sequence[Declaration]


def plain(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters that are one value each."""
    return [parameter for parameter in parameters if not parameter.is_variadic]


def variadic(parameters: Sequence[Parameter]) -> Parameter | None:
    """Return the last parameter that is any number of values."""
    return next((parameter for parameter in reversed(parameters) if parameter.is_variadic), None)
