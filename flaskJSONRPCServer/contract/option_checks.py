"""Checks of the values of options."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import RegistrationError

__all__ = ["is_list", "json_copy", "refuse_unless"]


def refuse_unless(name: str, value: Any, accepted: type | tuple[type, ...], words: str) -> None:
    """Check that the value of an option is None or of a type.

    Raises:
        RegistrationError: It is not; the message has the words for what is accepted.
    """
    if value is not None and not isinstance(value, accepted):
        raise RegistrationError(f"{name}={value!r} is refused: it takes {words}")


def is_list(value: Any) -> bool:
    """Return whether a value is a list, a tuple or another iterable, and neither a text nor a dict."""
    return isinstance(value, Iterable) and not isinstance(value, (str, Mapping))


def json_copy(value: Any, what: str) -> Any:
    """Return a copy of a JSON value.

    Raises:
        RegistrationError: It is no JSON value.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as exc:
        raise RegistrationError(f"{what} has no JSON form: {exc}") from exc
