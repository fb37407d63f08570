"""The options of a method that its author gives beside its signature, at the registration or by a decorator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict, TypeVar

from ..errors import RegistrationError, unknown_name
from .option_checks import is_list, json_copy, refuse_unless
from .tool_options import Tool

__all__ = [
    "Example",
    "MethodOptions",
    "RegistrationKeywords",
    "Visible",
    "declared_options",
    "refuse_unless_timeout",
    "rpc",
]


class RegistrationKeywords(TypedDict, total=False):
    """The keywords of ``server.method``, for type checkers. ``registerFunction`` documents them."""

    fallback: bool | str | None
    name: str | None
    dispatcherBackend: Any
    notifBackend: Any
    rateLimit: str | Sequence[str] | None
    timeout: float | None
    validate: bool | None
    validateResult: bool | None
    title: str | None
    tags: Sequence[str] | None
    deprecated: bool | None
    examples: Sequence[Mapping[str, Any]] | None
    visible: bool | Callable[[Any], bool] | None
    notification: bool | None
    idempotent: bool | None
    mcp: bool | Tool | None


F = TypeVar("F", bound=Callable[..., Any])

Visible = bool | Callable[[Any], bool]
"""Whether the documents show a method: True, False, or a function of the request of the caller that returns either."""

_ATTRIBUTE = "_rpc_options"

_EXAMPLE_KEYS = frozenset({"name", "summary", "description", "params", "result"})


@dataclass(frozen=True, slots=True)
class Example:
    """One call with its result.

    Attributes:
        name: Its name in the document.
        params: The parameters, a list or a dict of JSON values.
        result: The result, a JSON value.
        summary: One line.
        description: The rest.
    """

    name: str
    params: list[Any] | dict[str, Any]
    result: Any
    summary: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class MethodOptions:
    """The options of one method; None for those that are not given.

    Attributes:
        name: Its name in requests.
        alias: Further names.
        hidden: Whether :meth:`registerInstance` leaves the method out.
        validate: Whether its parameters are checked against their hints.
        validate_result: Whether its result is checked against its hint.
        title: A title for people.
        tags: Words to group methods by.
        deprecated: Whether callers should move away from it.
        examples: Calls with their results.
        visible: Whether the documents show it.
        notification: Whether callers send it as a notification only: the documents show no result.
        timeout: How long a call may take, in seconds from the arrival of its request.
        idempotent: Whether a second call with the same parameters changes nothing, so that clients may try again.
        mcp: Whether it is a tool of the Model Context Protocol; a :class:`Tool` also says how it is shown there.
    """

    name: str | None = None
    alias: str | Sequence[str] | None = None
    hidden: bool | None = None
    validate: bool | None = None
    validate_result: bool | None = None
    title: str | None = None
    tags: tuple[str, ...] | None = None
    deprecated: bool | None = None
    examples: tuple[Example, ...] | None = None
    visible: Visible | None = None
    notification: bool | None = None
    timeout: float | None = None
    idempotent: bool | None = None
    mcp: bool | Tool | None = None

    def over(self, other: MethodOptions) -> MethodOptions:
        """Return these options; those that are not given are taken from another."""
        pairs = {field.name: (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        return MethodOptions(**{name: old if new is None else new for name, (new, old) in pairs.items()})

    @property
    def tool(self) -> Tool:
        """The options of the method as a tool, whether or not it is one; ``idempotent`` may come from the method."""
        tool = self.mcp if isinstance(self.mcp, Tool) else Tool()
        return tool if tool.idempotent is not None else replace(tool, idempotent=self.idempotent)

    @classmethod
    def read(cls, **options: Any) -> MethodOptions:
        """Return checked options; the names are those of the keywords of ``registerFunction``.

        Raises:
            RegistrationError: A value is not accepted; the message names it.
        """
        for name in ("hidden", "validate", "validateResult", "deprecated", "notification", "idempotent"):
            refuse_unless(name, options.get(name), bool, "True or False")
        for name in ("name", "title"):
            refuse_unless(name, options.get(name), str, "a string")
        timeout = options.get("timeout")
        if timeout is not None and (
            isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0
        ):
            raise RegistrationError(f"timeout={timeout!r} is refused: it takes a number of seconds above 0, or None")
        visible = options.get("visible")
        if visible is not None and not isinstance(visible, bool) and not callable(visible):
            raise RegistrationError(f"visible={visible!r} is refused: it takes True, False, or a function of a request")
        refuse_unless("mcp", options.get("mcp"), (bool, Tool), "True, False, or a Tool")
        validate_result = options.pop("validateResult", None)
        tags, examples = read_tags(options.pop("tags", None)), read_examples(options.pop("examples", None))
        return cls(validate_result=validate_result, tags=tags, examples=examples, **options)


def rpc(
    *,
    name: str | None = None,
    alias: str | Sequence[str] | None = None,
    hidden: bool | None = None,
    validate: bool | None = None,
    validateResult: bool | None = None,
    title: str | None = None,
    tags: Sequence[str] | None = None,
    deprecated: bool | None = None,
    examples: Sequence[Mapping[str, Any]] | None = None,
    visible: Visible | None = None,
    notification: bool | None = None,
    timeout: float | None = None,
    idempotent: bool | None = None,
    mcp: bool | Tool | None = None,
) -> Callable[[F], F]:
    """Decorate a function or method with the options of its registration.

    The options of the registration itself take precedence. Put it above other decorators, or below them if they use
    ``functools.wraps``.

    Args:
        name: The name in requests.
        alias: A further name, or a list of names.
        hidden: True: ``registerInstance`` leaves the method out.
        validate: Whether parameters are checked against their hints; None for the server's ``validate``.
        validateResult: Whether the result is checked against its hint; None for the server's ``validateResult``.
        title: A title for people.
        tags: Words to group methods by.
        deprecated: Whether callers should move away from it; None for what the docstring says.
        examples: Calls with their results, each a dict of ``params``, ``result``, and optionally ``name``, ``summary``
            and ``description``.
        visible: Whether the documents show the method: True, False, or a function of the caller's request.
        notification: Whether callers send it as a notification only; the documents then show no result.
        timeout: How long a call may take, in seconds from the arrival of its request; None for the server's.
        idempotent: Whether a second call with the same parameters changes nothing, so that clients may try again.
        mcp: Whether it is a tool of the Model Context Protocol; a :class:`Tool` also says how it is shown there.

    Raises:
        RegistrationError: A value is not accepted.
    """
    options = MethodOptions.read(
        name=name,
        alias=alias,
        hidden=hidden,
        validate=validate,
        validateResult=validateResult,
        title=title,
        tags=tags,
        deprecated=deprecated,
        examples=examples,
        visible=visible,
        notification=notification,
        timeout=timeout,
        idempotent=idempotent,
        mcp=mcp,
    )

    def decorate(function: F) -> F:
        setattr(function, _ATTRIBUTE, options)
        return function

    return decorate


def declared_options(function: Any) -> MethodOptions:
    """Return the options that :func:`rpc` has set on a function; none of them is given without it."""
    options = getattr(function, _ATTRIBUTE, None)
    return options if isinstance(options, MethodOptions) else MethodOptions()


def refuse_unless_timeout(timeout: Any) -> None:
    """Check the timeout of a registration.

    Raises:
        RegistrationError: It is neither None nor a number above 0.
    """
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and timeout > 0):
        raise RegistrationError(
            f"timeout={timeout!r} is refused: it takes a number of seconds above 0, or None: the server's timeout"
        )


def read_tags(tags: Any) -> tuple[str, ...] | None:
    if tags is None:
        return None
    listed = tuple(tags) if is_list(tags) else (None,)
    if not all(isinstance(tag, str) and tag for tag in listed):
        raise RegistrationError(f"tags={tags!r} is refused: it takes a list of strings")
    return tuple(dict.fromkeys(listed))


def read_examples(examples: Any) -> tuple[Example, ...] | None:
    if examples is None:
        return None
    if not is_list(examples):
        raise RegistrationError(f"examples={examples!r} is refused: it takes a list of dicts")
    return tuple(read_example(example, number) for number, example in enumerate(examples, 1))


def read_example(example: Any, number: int) -> Example:
    if isinstance(example, Example):
        return example
    if not isinstance(example, Mapping):
        raise RegistrationError(f"the example {example!r} is refused: it takes a dict with 'params' and 'result'")
    for key in example:
        if key not in _EXAMPLE_KEYS:
            raise RegistrationError(unknown_name("key of an example", key, _EXAMPLE_KEYS))
    params = example.get("params", [])
    if not isinstance(params, (list, tuple, dict)):
        raise RegistrationError(f"params={params!r} of an example is refused: it takes a list or a dict")
    name = str(example.get("name", f"example {number}"))
    return Example(
        name=name,
        params=json_copy(params, f"params={params!r} of {name!r}"),
        result=json_copy(example.get("result"), f"result={example.get('result')!r} of {name!r}"),
        summary=str(example.get("summary", "")),
        description=str(example.get("description", "")),
    )
