"""The error of a call whose parameters are not of their types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..sansio_jsonrpc import JsonRpcInvalidParamsError

__all__ = ["ParameterMismatch", "error_entry", "errors_data", "invalid_params"]

# The most errors that an answer lists, the longest path and the longest text in them; guessed.
_MOST_ERRORS = 20
_MOST_STEPS = 32
_MOST_CHARACTERS = 200

# The shortest text that is no coincidence in another one; guessed.
_LEAST_REPEATED = 4

# The texts of these types have the accepted values, which may begin like the value.
_TEXTS_OF_CHOICES = frozenset({"enum", "literal_error"})

# pydantic's texts for these types have a part of the value, which an answer must not repeat.
_TEXTS = {
    "union_tag_invalid": "Input has an unknown tag",
    "uuid_parsing": "Input should be a valid UUID",
    "url_parsing": "Input should be a valid URL",
    "url_syntax_violation": "Input should be a valid URL",
}


@dataclass(frozen=True, slots=True)
class ParameterMismatch:
    """A parameter that is not of its type.

    Attributes:
        path: Its name; for a value of ``*args`` also its index there.
        value: The JSON value.
        errors: pydantic's errors: each a dict of ``loc``, ``msg`` and ``type``.
    """

    path: tuple[str | int, ...]
    value: Any
    errors: Sequence[dict[str, Any]]

    def entries(self) -> Iterable[dict[str, Any]]:
        """Yield the errors as the client gets them."""
        for error in self.errors:
            inner = json_path(self.value, error["loc"], is_missing="missing" in error["type"])
            yield error_entry([*self.path, *inner], self._text_of(error, inner), error["type"])

    def _text_of(self, error: dict[str, Any], path: Sequence[str | int]) -> str:
        text: str = _TEXTS.get(error["type"], error["msg"])
        if error["type"] in _TEXTS_OF_CHOICES or not repeats(text, value_at(self.value, path)):
            return text
        return "Input is not valid"


def value_at(value: Any, path: Sequence[str | int]) -> Any:
    """Return the value at a path, as far as it has one."""
    for step in path:
        if not isinstance(value, (list, dict)):
            return None
        try:
            value = value[step]  # type: ignore[index]  # a path of json_path() fits the value
        except (KeyError, IndexError):  # it is missing
            return None
    return value


def repeats(text: str, value: Any) -> bool:
    """Return whether a text has a value in it: an answer must not repeat what the client sent."""
    if isinstance(value, str):
        return repr(value) in text or (len(value) >= _LEAST_REPEATED and value in text)
    return isinstance(value, (list, dict)) and bool(value) and repr(value) in text


def invalid_params(mismatches: Iterable[ParameterMismatch]) -> JsonRpcInvalidParamsError:
    """Return the error -32602 for parameters that are not of their types, in the order of the signature."""
    entries = [entry for mismatch in mismatches for entry in mismatch.entries()]
    text = f"Invalid params: {shown_path(entries[0]['path'])}{entries[0]['message']}"
    return JsonRpcInvalidParamsError(text, data=errors_data(entries))


def errors_data(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the ``data`` of an error with these entries."""
    return {"errors": entries[:_MOST_ERRORS]}


def error_entry(path: Sequence[str | int], message: str, kind: str) -> dict[str, Any]:
    """Return one error as the client gets it."""
    steps = [step[:_MOST_CHARACTERS] if isinstance(step, str) else step for step in path[:_MOST_STEPS]]
    return {"path": steps, "message": message[:_MOST_CHARACTERS], "type": kind}


def shown_path(path: Sequence[str | int]) -> str:
    return f"{'/'.join(map(str, path))[:_MOST_CHARACTERS]}: " if path else ""


def json_path(value: Any, location: Sequence[str | int], *, is_missing: bool = False) -> list[str | int]:
    """Return where an error is within a value.

    pydantic's location also has the names of unions' choices and of validators, which no part of the value has.
    """
    path: list[str | int] = []
    for index, step in enumerate(location):
        is_last = index == len(location) - 1
        if isinstance(value, dict) and isinstance(step, str) and (step in value or (is_last and is_missing)):
            path.append(step)
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and (step < len(value) or (is_last and is_missing)):
            path.append(step)
            value = value[step] if step < len(value) else None
    return path
