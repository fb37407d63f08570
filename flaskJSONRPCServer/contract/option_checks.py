"""Checks of the values of options."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import RegistrationError
from .urls import is_web_url

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
    """Return a copy of icons, each a dict of JSON values with ``src``, and perhaps ``mimeType``, ``sizes``, ``theme``.

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
        what = f"{where}the icon {icon!r}"
        if not isinstance(icon, Mapping) or not is_icon_url(icon.get("src")):
            raise RegistrationError(f"{what} is refused: it takes a dict with 'src', a URL of http, https or data")
        copy = json_copy(dict(icon), what)
        if flaw := flaw_in_icon(copy):
            raise RegistrationError(f"{what} is refused: {flaw}")
        copies.append(copy)
    return tuple(copies)


def is_icon_url(url: Any) -> bool:
    """Return whether clients may load an icon from a URL; they reject others, such as those of scripts and files."""
    return is_web_url(url) or (isinstance(url, str) and url.lower().startswith("data:"))


def flaw_in_icon(icon: Mapping[str, Any]) -> str:
    """Return which optional member of an icon has a value that the protocol does not allow; empty if none has.

    Source: MCP 2026-07-28, the schema of ``Icon``.
    """
    sizes = icon.get("sizes", [])
    if not isinstance(icon.get("mimeType", ""), str):
        return "'mimeType' is a media type such as 'image/png'"
    if not isinstance(sizes, list) or not all(isinstance(size, str) for size in sizes):
        return "'sizes' is a list of strings such as '48x48', or of 'any'"
    return "" if icon.get("theme", "light") in ("light", "dark") else "'theme' is 'light' or 'dark'"
