"""Find the part of a value that cannot be written as JSON, after writing the value has failed.

The search writes ever smaller parts with the codec that failed, so it works with any codec, including custom ones.
Values that can be written cost nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from ..exceptions import JsonRpcSerializationError

__all__ = ["Unwritable", "Writer", "find_unwritable"]

# Guesses: a longer path does not help. After a RecursionError each step costs as much as writing the whole value.
_MAX_STEPS: Final = 500
_MAX_STEPS_OF_RECURSION: Final = 20
_SHOWN_STEPS: Final = 10
_SHOWN_CHARACTERS: Final = 60
_SCALARS: Final = (str, int, float, type(None))


@dataclass(frozen=True, slots=True)
class Unwritable:
    """The part of a value that cannot be written as JSON.

    Attributes:
        path: Where it is, such as `result["rows"][3].when`.
        reason: Why it cannot be written.
    """

    path: str
    reason: BaseException

    def __str__(self) -> str:
        return f"{self.path}: {text_of(self.reason)}"


class Writer(Protocol):
    """The methods of a `Codec` that the search needs."""

    def dumps(self, value: Any) -> bytes:
        """Write a value, or raise."""

    def convert(self, value: Any) -> Any:
        """Convert a value that is neither a scalar nor a dict, list or tuple."""


class Part(NamedTuple):
    step: str
    value: Any


class Failure(NamedTuple):
    part: Part
    reason: BaseException


def find_unwritable(writer: Writer, values: Mapping[str, Any], reason: BaseException) -> Unwritable:
    """Find the part of some values that cannot be written.

    Call it outside the `except` block: otherwise the reason's traceback includes the exception being handled.

    Args:
        writer: The codec that has failed.
        values: At least one value by its name, which begins the path: `{"result": value}`.
        reason: The exception of the codec. It is the reason of the result if the search finds no better one.
    """
    first = next(iter(values.items()))
    if failure_reason(writer, None) is not None:  # the codec fails for any value
        return Unwritable(first[0], cause_of(reason))
    name, value = next((item for item in values.items() if failure_reason(writer, item[1]) is not None), first)
    return find_in(writer, name, value, cause_of(reason))


def find_in(writer: Writer, name: str, value: Any, reason: BaseException) -> Unwritable:
    steps: list[str] = []
    visited: list[Any] = []  # keeps the values alive, so that no new object reuses the identity of one
    failure: Failure | None = Failure(Part("", value), reason)
    while failure is not None and len(steps) < max_steps(failure.reason):
        (step, value), reason = failure
        steps.append(step)
        if (begin := index_of(value, visited)) is not None:
            return circular_reference(name, steps, begin)
        visited.append(value)
        failure = failing_part(writer, value)
    if isinstance(reason, RecursionError) and (failure is not None or isinstance(value, (dict, list, tuple))):
        return Unwritable(
            path_of(name, [*steps, "..."]), ValueError("nested deeper than Python's recursion limit allows")
        )
    return Unwritable(path_of(name, steps), reason)


def max_steps(reason: BaseException) -> int:
    return _MAX_STEPS_OF_RECURSION if isinstance(reason, RecursionError) else _MAX_STEPS


def index_of(value: Any, visited: list[Any]) -> int | None:
    if isinstance(value, _SCALARS):
        return None
    return next((index for index, other in enumerate(visited) if other is value), None)


def circular_reference(name: str, steps: list[str], begin: int) -> Unwritable:
    target = path_of(name, steps[: begin + 1])
    return Unwritable(path_of(name, steps), ValueError(f"circular reference to {target}"))


def failing_part(writer: Writer, value: Any) -> Failure | None:
    """Return the first part of a value that cannot be written, with the reason; None if there is none."""
    try:
        if isinstance(value, dict):
            return failing_member(writer, value, key_step)
        if isinstance(value, (list, tuple)):
            return failing_element(writer, value)
        return None if isinstance(value, _SCALARS) else failing_part_of_form(writer, value, writer.convert(value))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  a hook or a custom container has failed
        return None


def failing_part_of_form(writer: Writer, value: Any, form: Any) -> Failure | None:
    if form is value:
        return None
    if isinstance(form, dict):
        return failing_member(writer, form, key_step if isinstance(value, Mapping) else attribute_step)
    return failing_element(writer, form) if isinstance(form, (list, tuple)) else failure_of(writer, Part("", form))


def failing_element(writer: Writer, array: Sequence[Any]) -> Failure | None:
    parts = [Part(f"[{index}]", element) for index, element in enumerate(array)]
    part = first_failing(writer, parts, lambda group: [part.value for part in group])
    return part and failure_of(writer, part)


def failing_member(writer: Writer, members: dict[Any, Any], step_of: Callable[[Any], str]) -> Failure | None:
    member = first_failing(writer, list(members.items()), dict)
    if member is None:
        return None
    key, value = member
    failure = failure_of(writer, Part(step_of(key), value))
    return failure or failing_key(writer, key)


def failing_key(writer: Writer, key: Any) -> Failure | None:
    reason = failure_reason(writer, {key: None})
    if reason is None:
        return None
    return Failure(Part("", None), TypeError(f"the key {shortened(repr(key))} cannot be written ({text_of(reason)})"))


def first_failing(writer: Writer, items: Sequence[Any], joined: Callable[[Any], Any]) -> Any:
    """Return the first item that makes the joined value fail, by bisection."""
    while len(items) > 1:
        half = items[: len(items) // 2]
        items = half if failure_reason(writer, joined(half)) is not None else items[len(half) :]
    return items[0] if items else None


def failure_of(writer: Writer, part: Part) -> Failure | None:
    reason = failure_reason(writer, part.value)
    return None if reason is None else Failure(part, reason)


def failure_reason(writer: Writer, value: Any) -> BaseException | None:
    """Return the reason that a value cannot be written; None if it can."""
    try:
        writer.dumps(value)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # noqa: BLE001  the hook may raise anything
        return cause_of(exc)
    return None


def cause_of(exc: BaseException) -> BaseException:
    return exc.__cause__ if isinstance(exc, JsonRpcSerializationError) and exc.__cause__ else exc


def path_of(name: str, steps: list[str]) -> str:
    shown = [step for step in steps if step]
    if len(shown) > 2 * _SHOWN_STEPS:
        shown = [*shown[:_SHOWN_STEPS], "...", *shown[-_SHOWN_STEPS:]]
    return "".join([name, *shown])


def key_step(key: Any) -> str:
    return f"[{shortened(json.dumps(key, ensure_ascii=False) if isinstance(key, str) else repr(key))}]"


def attribute_step(name: Any) -> str:
    return f".{name}" if isinstance(name, str) and name.isidentifier() else key_step(name)


def shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def text_of(exc: BaseException) -> str:
    try:
        return str(exc) or type(exc).__name__
    except Exception:  # noqa: BLE001  a custom exception class
        return type(exc).__name__
