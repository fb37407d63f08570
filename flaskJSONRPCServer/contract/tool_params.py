"""The parameters of a JSON-RPC call, made from arguments that all have names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from inspect import Parameter
from typing import Any

from ..sansio_jsonrpc import JsonRpcInvalidParamsError
from .defaults import default_of
from .method import Contract
from .mismatches import error_entry, errors_data

__all__ = ["call_params", "is_callable_by_name", "passable"]

# The most names in an error message, and the longest; guessed.
_MOST_NAMES = 20
_MOST_CHARACTERS = 200


def is_callable_by_name(contract: Contract) -> bool:
    """Return whether :func:`call_params` can call a function.

    False if it requires a positional-only and a keyword-only parameter: JSON-RPC passes all in one way.
    """
    parameters = contract.parameters
    return not (is_called_by_position(parameters) and is_called_by_keyword(parameters))


def passable(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters that a call may pass, in their order.

    If a positional-only parameter is required, those that are taken by name only are left out. If a keyword-only one
    is required, those that are taken by position only are left out.
    """
    if is_called_by_position(parameters):
        return [p for p in parameters if p.kind not in _ONLY_BY_NAME]
    if is_called_by_keyword(parameters):
        return [p for p in parameters if p.kind not in _ONLY_BY_POSITION]
    return list(parameters)


def call_params(contract: Contract, arguments: Mapping[str, Any]) -> dict[str, Any] | list[Any]:
    """Return the parameters of a JSON-RPC call.

    Args:
        contract: The contract of the function.
        arguments: JSON values by the names of the parameters; those of ``*args`` are an array under its name.

    Returns:
        A dict; a list if a parameter is passed that has no name in a call, with the defaults of the omitted parameters
        before the last one. A dict may have missing and unknown names: the call refuses them.

    Raises:
        JsonRpcInvalidParamsError: No call can pass these arguments; the message names the parameters.
    """
    parameters = contract.parameters
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    given = without_empty_rest(arguments, rest)
    unnamed = [p.name for p in parameters if p.kind in _ONLY_BY_POSITION and p.name in given]
    if not unnamed and not is_called_by_position(parameters):
        return given
    refuse_names(parameters, given, unnamed)
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    values = positional_values(contract, positional, given, rest)
    return [*values, *given.get(rest, ())] if rest else values


def without_empty_rest(arguments: Mapping[str, Any], rest: str | None) -> dict[str, Any]:
    """Return the arguments without an empty array of ``*args``.

    Raises:
        JsonRpcInvalidParamsError: The argument of ``*args`` is no array.
    """
    given = dict(arguments)
    if rest is None or rest not in given:
        return given
    if not isinstance(given[rest], list):
        raise invalid(f"{rest}: Input should be a valid array", [rest], "list_type", "Input should be a valid array")
    if not given[rest]:
        del given[rest]
    return given


def refuse_names(parameters: Sequence[Parameter], given: Mapping[str, Any], unnamed: Sequence[str]) -> None:
    """Refuse names that a list of parameters cannot pass.

    Raises:
        JsonRpcInvalidParamsError: There are some.
    """
    in_list = {p.name for p in parameters if p.kind in _POSITIONAL or p.kind is p.VAR_POSITIONAL}
    others = [name for name in given if name not in in_list]
    known = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if unexpected := [name for name in others if name not in known and not takes_any]:
        raise invalid(f"unexpected {quoted(unexpected)}", unexpected, "unexpected")
    required = [p.name for p in parameters if is_required(p) and p.kind is p.KEYWORD_ONLY]
    by_name = list(dict.fromkeys([*others, *required]))
    if by_name:
        by_position = unnamed or [p.name for p in parameters if is_required(p) and p.kind is p.POSITIONAL_ONLY]
        text = f"{quoted(by_name)} cannot be passed together with {quoted(by_position)}"
        raise invalid(text, by_name, "unexpected")


def positional_values(
    contract: Contract, positional: Sequence[Parameter], given: Mapping[str, Any], rest: str | None
) -> list[Any]:
    """Return the values of the positional parameters up to the last one that is passed.

    Raises:
        JsonRpcInvalidParamsError: One before it is missing.
    """
    places = [index for index, parameter in enumerate(positional) if parameter.name in given]
    count = len(positional) if rest in given else max(places, default=-1) + 1
    # Those that follow are missing too, if they are required: the message names all of them.
    if missing := [p.name for p in positional if is_required(p) and p.name not in given]:
        raise invalid(f"missing {quoted(missing)}", missing, "missing")
    filled = [[given[p.name]] if p.name in given else passed_default(contract, p) for p in positional[:count]]
    if lacking := [p.name for p, value in zip(positional, filled, strict=False) if not value]:
        last = rest if rest in given else positional[count - 1].name
        raise invalid(f"missing {quoted(lacking)}, needed with {last!r}", lacking, "missing")
    return [value for values in filled for value in values]


def passed_default(contract: Contract, parameter: Parameter) -> list[Any]:
    """Return a JSON value in a list that the function gets as the default of a parameter; an empty list for none."""
    values = default_of(contract, parameter)
    hinted = contract.types.get(parameter.name)
    if not values or hinted is None or contract.checks is None:
        return values if type(parameter.default) in _JSON_SCALARS else []
    try:
        return values if hinted.checked(values[0]) == parameter.default else []
    except Exception:  # noqa: BLE001  the default need not be of its type, and a validator may be the user's
        return []


def invalid(text: str, names: Iterable[str], kind: str, message: str | None = None) -> JsonRpcInvalidParamsError:
    entries = [error_entry([name], message or kind, kind) for name in names]
    return JsonRpcInvalidParamsError(f"Invalid params: {text}", data=errors_data(entries))


def quoted(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:_MOST_CHARACTERS]) for name in names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def is_called_by_position(parameters: Iterable[Parameter]) -> bool:
    return any(is_required(p) and p.kind is p.POSITIONAL_ONLY for p in parameters)


def is_called_by_keyword(parameters: Iterable[Parameter]) -> bool:
    return any(is_required(p) and p.kind is p.KEYWORD_ONLY for p in parameters)


def is_required(parameter: Parameter) -> bool:
    return parameter.default is parameter.empty


_JSON_SCALARS = (str, int, float, bool, type(None))
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_ONLY_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
_ONLY_BY_NAME = (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD)
