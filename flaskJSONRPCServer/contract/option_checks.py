"""Checks of the values of options."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import RegistrationError

__all__ = ["checked_icons", "is_list", "json_copy", "refuse_unless"]


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


def checked_icons(icons: Any, where: str = "") -> tuple[dict[str, Any], ...]:
    """Return a copy of icons, each a dict of JSON values with ``src``.

    Args:
        icons: The icons.
        where: Begins the messages of errors.

    Raises:
        RegistrationError: They are no list of such dicts.
    """
    if not is_list(icons):
        raise RegistrationError(f"{where}icons={icons!r} is refused: it takes a list of dicts with 'src'")
    copies = []
    for icon in icons:
        if not isinstance(icon, Mapping) or not isinstance(icon.get("src"), str) or not icon["src"]:
            raise RegistrationError(f"{where}the icon {icon!r} is refused: it takes a dict with 'src', a URL")
        copies.append(json_copy(dict(icon), f"{where}the icon {icon!r}"))
    return tuple(copies)
