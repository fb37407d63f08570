"""The check of a call's parameters against their hints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from .mismatches import ParameterMismatch, invalid_params

if TYPE_CHECKING:
    from .types import HintedType

__all__ = ["ParameterChecks", "Params"]

Params = list[Any] | dict[str, Any]

Check = Callable[[Any], Any]


class ParameterChecks:
    """Checks the parameters of calls of one function, and converts them to the types of its hints.

    Args:
        parameters: The parameters that a client may pass.
        types: The types of those with hints, by name.

    Attributes:
        may_run_user_code: Whether a check may run code of the user's, such as a validator or ``__post_init__``.
    """

    __slots__ = (
        "_by_name",
        "_by_position",
        "_nameable",
        "_order",
        "_other_names",
        "_rest",
        "_rest_name",
        "_types",
        "may_run_user_code",
    )

    def __init__(self, parameters: Iterable[Parameter], types: Mapping[str, HintedType]) -> None:
        parameters = list(parameters)
        self._types = types
        self.may_run_user_code = not all(hinted.is_native for hinted in types.values())
        self._order = [parameter.name for parameter in parameters]
        positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self._by_position: list[Check | None] = [check_of(types, name) for name in positional]
        nameable = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self._nameable = frozenset(nameable)
        self._by_name = {name: types[name].check for name in nameable if name in types}
        self._rest_name = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
        self._rest = types.get(self._rest_name)
        self._other_names = next((types.get(p.name) for p in parameters if p.kind is p.VAR_KEYWORD), None)

    def converted(self, params: Params) -> Params:
        """Return the parameters as the function gets them; those without a hint stay as they are.

        Raises:
            JsonRpcInvalidParamsError: Some are not of their types; ``data`` lists all of them.
            BaseException: An exception of a validator of the user's.
        """
        try:
            if isinstance(params, dict):
                return self._converted_names(params)
            if len(params) <= len(self._by_position) or self._rest is None:
                checks = self._by_position
                values = [
                    value if check is None else check(value) for check, value in zip(checks, params, strict=False)
                ]
                return values if len(values) == len(params) else [*values, *params[len(values) :]]
        except Exception:  # noqa: BLE001  checked one by one then, to list all that are wrong
            return self._converted_singly(params)
        return self._converted_singly(params)

    def plain_types(self, names: Iterable[str]) -> tuple[type | None, ...]:
        """Return for each of these parameters the type whose values all pass as they are; None if there is none."""
        return tuple(self._types[name].plain_type if name in self._types else None for name in names)

    def query_values(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the texts of a query as JSON values: a text that is not of its type is read as JSON."""
        return {name: self._query_value(name, text) for name, text in query.items()}

    def order_of(self, entry: Mapping[str, Any]) -> int:
        """Return the place of an error's parameter in the signature; errors of other names come last."""
        return self._place(entry["path"][0] if entry["path"] else "")

    def _converted_names(self, params: dict[str, Any]) -> dict[str, Any]:
        if self._other_names is not None:
            return self._converted_singly(params)  # type: ignore[return-value]  # a dict gives a dict
        checks = self._by_name
        return {name: checks[name](value) if name in checks else value for name, value in params.items()}

    def _converted_singly(self, params: Params) -> Params:
        mismatches: list[ParameterMismatch] = []
        if isinstance(params, dict):
            names = sorted(params, key=self._place)
            converted = {name: self._checked(self._type_of(name), (name,), params[name], mismatches) for name in names}
            result: Params = {name: converted[name] for name in params}
        else:
            result = [self._checked(*self._at(i), value, mismatches) for i, value in enumerate(params)]
        if mismatches:
            raise invalid_params(mismatches)
        return result

    def _checked(
        self, hinted: HintedType | None, path: tuple[str | int, ...], value: Any, mismatches: list[ParameterMismatch]
    ) -> Any:
        if hinted is None:
            return value
        from .types import TypeMismatch

        try:
            return hinted.checked(value)
        except TypeMismatch as mismatch:
            mismatches.append(ParameterMismatch(path, value, mismatch.errors))
        return None

    def _at(self, index: int) -> tuple[HintedType | None, tuple[str | int, ...]]:
        """Return the type and the path of a parameter by its position."""
        rest_index = index - len(self._by_position)
        if rest_index >= 0:
            return self._rest, (self._rest_name, rest_index)
        return self._types.get(self._order[index]), (self._order[index],)

    def _place(self, name: str) -> int:
        return self._order.index(name) if name in self._order else len(self._order)

    def _type_of(self, name: str) -> HintedType | None:
        return self._types.get(name) if name in self._nameable else self._other_names

    def _query_value(self, name: str, text: str) -> Any:
        hinted = self._type_of(name)
        if hinted is None or accepts(hinted, text):
            return text
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text


def check_of(types: Mapping[str, HintedType], name: str) -> Check | None:
    return types[name].check if name in types else None


def accepts(hinted: HintedType, text: str) -> bool:
    try:
        return hinted.accepts(text)
    except Exception:  # noqa: BLE001  a validator of the user's; the call will show whether it fails for the value
        return False
