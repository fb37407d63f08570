"""Find the part of a value that cannot be written as JSON, once writing it has failed.

The search writes ever smaller parts with the codec that failed: its result holds for any codec, custom ones included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from ..exceptions import JsonRpcSerializationError

# Guesses: a longer path helps nobody. After a RecursionError each step costs as much as writing the whole value.
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
        return f"{self.path}: {_text_of(self.reason)}"


class Writer(Protocol):
    """The part of a `Codec` that the search needs."""

    def dumps(self, value: Any) -> bytes:
        """Write a value, or raise."""

    def convert(self, value: Any) -> Any:
        """Return what is written in the place of a value that is neither a scalar, nor a dict, list or tuple."""


class _Part(NamedTuple):
    step: str
    value: Any


class _Failure(NamedTuple):
    part: _Part
    reason: BaseException


def find_unwritable(writer: Writer, values: Mapping[str, Any], reason: BaseException) -> Unwritable:
    """Find the part of some values because of which they cannot be written.

    Call it outside the `except` block: the reason's traceback would drag the exception being handled along.

    Args:
        writer: The codec that has failed.
        values: The values by their names, with which paths begin: `{"result": value}`. They are not empty.
        reason: What it has raised. It is kept where the search finds no more than that.
    """
    first = next(iter(values.items()))
    if _reason(writer, None) is not None:  # the codec fails for any value
        return Unwritable(first[0], _reason_of(reason))
    name, value = next((item for item in values.items() if _reason(writer, item[1]) is not None), first)
    return _find_in(writer, name, value, _reason_of(reason))


def _find_in(writer: Writer, name: str, value: Any, reason: BaseException) -> Unwritable:
    steps: list[str] = []
    visited: list[Any] = []  # holds the values, so that no new object takes the identity of one
    failure: _Failure | None = _Failure(_Part("", value), reason)
    while failure is not None and len(steps) < _max_steps(failure.reason):
        (step, value), reason = failure
        steps.append(step)
        if (begin := _index_of(value, visited)) is not None:
            return _circular(name, steps, begin)
        visited.append(value)
        failure = _failing_part(writer, value)
    if isinstance(reason, RecursionError) and (failure is not None or isinstance(value, (dict, list, tuple))):
        return Unwritable(
            _path(name, [*steps, "..."]), ValueError("nested deeper than Python's recursion limit allows")
        )
    return Unwritable(_path(name, steps), reason)


def _max_steps(reason: BaseException) -> int:
    return _MAX_STEPS_OF_RECURSION if isinstance(reason, RecursionError) else _MAX_STEPS


def _index_of(value: Any, visited: list[Any]) -> int | None:
    if isinstance(value, _SCALARS):
        return None
    return next((index for index, other in enumerate(visited) if other is value), None)


def _circular(name: str, steps: list[str], begin: int) -> Unwritable:
    target = _path(name, steps[: begin + 1])
    return Unwritable(_path(name, steps), ValueError(f"circular reference to {target}"))


def _failing_part(writer: Writer, value: Any) -> _Failure | None:
    """Return the first part of a value that cannot be written, and why; None where there is none."""
    try:
        if isinstance(value, dict):
            return _failing_member(writer, value, _key_step)
        if isinstance(value, (list, tuple)):
            return _failing_element(writer, value)
        return None if isinstance(value, _SCALARS) else _failing_part_of_form(writer, value, writer.convert(value))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  a hook or a custom container has failed
        return None


def _failing_part_of_form(writer: Writer, value: Any, form: Any) -> _Failure | None:
    if form is value:
        return None
    if isinstance(form, dict):
        return _failing_member(writer, form, _key_step if isinstance(value, Mapping) else _attribute_step)
    return _failing_element(writer, form) if isinstance(form, (list, tuple)) else _failure(writer, _Part("", form))


def _failing_element(writer: Writer, array: Sequence[Any]) -> _Failure | None:
    parts = [_Part(f"[{index}]", element) for index, element in enumerate(array)]
    part = _first_failing(writer, parts, lambda group: [part.value for part in group])
    return part and _failure(writer, part)


def _failing_member(writer: Writer, members: dict[Any, Any], step_of: Callable[[Any], str]) -> _Failure | None:
    member = _first_failing(writer, list(members.items()), dict)
    if member is None:
        return None
    key, value = member
    failure = _failure(writer, _Part(step_of(key), value))
    return failure or _failing_key(writer, key)


def _failing_key(writer: Writer, key: Any) -> _Failure | None:
    reason = _reason(writer, {key: None})
    if reason is None:
        return None
    return _Failure(_Part("", None), TypeError(f"the key {_shown(repr(key))} cannot be written ({_text_of(reason)})"))


def _first_failing(writer: Writer, items: Sequence[Any], joined: Callable[[Any], Any]) -> Any:
    """Return the first of some items that make a value that cannot be written; halving takes the least time."""
    while len(items) > 1:
        half = items[: len(items) // 2]
        items = half if _reason(writer, joined(half)) is not None else items[len(half) :]
    return items[0] if items else None


def _failure(writer: Writer, part: _Part) -> _Failure | None:
    reason = _reason(writer, part.value)
    return None if reason is None else _Failure(part, reason)


def _reason(writer: Writer, value: Any) -> BaseException | None:
    """Return why a value cannot be written; None where it can."""
    try:
        writer.dumps(value)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # noqa: BLE001  the hook may raise anything
        return _reason_of(exc)
    return None


def _reason_of(exc: BaseException) -> BaseException:
    return exc.__cause__ if isinstance(exc, JsonRpcSerializationError) and exc.__cause__ else exc


def _path(name: str, steps: list[str]) -> str:
    shown = [step for step in steps if step]
    if len(shown) > 2 * _SHOWN_STEPS:
        shown = [*shown[:_SHOWN_STEPS], "...", *shown[-_SHOWN_STEPS:]]
    return "".join([name, *shown])


def _key_step(key: Any) -> str:
    return f"[{_shown(json.dumps(key, ensure_ascii=False) if isinstance(key, str) else repr(key))}]"


def _attribute_step(name: Any) -> str:
    return f".{name}" if isinstance(name, str) and name.isidentifier() else _key_step(name)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _text_of(exc: BaseException) -> str:
    try:
        return str(exc) or type(exc).__name__
    except Exception:  # noqa: BLE001  a custom exception class
        return type(exc).__name__
