"""The defaults of parameters as JSON values."""

from __future__ import annotations

import json
from inspect import Parameter
from typing import Any

from .method import Contract

__all__ = ["default_of"]

_JSON_SCALARS = (str, int, float, bool, type(None))


def default_of(contract: Contract, parameter: Parameter) -> list[Any]:
    """Return the default as a JSON value, in a list; an empty list if there is none, or none that JSON has."""
    if parameter.default is parameter.empty:
        return []
    hinted = contract.types.get(parameter.name)
    if hinted is not None:
        return writable(hinted.default_written(parameter.default))
    return writable([parameter.default]) if isinstance(parameter.default, _JSON_SCALARS) else []


def writable(values: list[Any]) -> list[Any]:
    """Return some values; an empty list if JSON cannot write them, as with an infinite number."""
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return []
    return values
