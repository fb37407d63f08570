"""Checks of the options that resources and prompts share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.option_checks import is_list, json_copy, refuse_unless
from ...errors import RegistrationError

__all__ = ["checked_annotations", "checked_icons", "checked_ttl", "known_members", "refuse_unless_text"]

_ROLES = ("user", "assistant")


def known_members(**members: Any) -> dict[str, Any]:
    """Return the members of a definition that are neither None nor empty. A size of 0 stays."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", [], {})}


def refuse_unless_text(**options: Any) -> None:
    """Check that options are strings or None.

    Raises:
        RegistrationError: One is not.
    """
    for name, value in options.items():
        refuse_unless(name, value, str, "a string, or None")


def checked_icons(icons: Any) -> list[dict[str, Any]]:
    """Return a copy of icons.

    Raises:
        RegistrationError: They are no list of dicts with ``src``.
    """
    if not is_list(icons):
        raise RegistrationError(f"icons={icons!r} is refused: it takes a list of dicts with 'src'")
    copies = []
    for icon in icons:
        if not isinstance(icon, Mapping) or not isinstance(icon.get("src"), str) or not icon["src"]:
            raise RegistrationError(f"the icon {icon!r} is refused: it takes a dict with 'src', a URL")
        copies.append(json_copy(dict(icon), f"the icon {icon!r}"))
    return copies


def checked_annotations(annotations: Any) -> dict[str, Any] | None:
    """Return a copy of annotations.

    Raises:
        RegistrationError: They are no dict of JSON values, or one that the protocol knows has another type.
    """
    if annotations is None:
        return None
    what = f"annotations={annotations!r}"
    if not isinstance(annotations, Mapping):
        raise RegistrationError(f"{what} is refused: it takes a dict, or None")
    copy: dict[str, Any] = json_copy(dict(annotations), what)
    audience, priority = copy.get("audience", []), copy.get("priority", 0)
    if not isinstance(audience, list) or any(role not in _ROLES for role in audience):
        raise RegistrationError(f"{what} is refused: 'audience' is a list of 'user' and 'assistant'")
    if isinstance(priority, bool) or not isinstance(priority, (int, float)) or not 0 <= priority <= 1:
        raise RegistrationError(f"{what} is refused: 'priority' is a number from 0 to 1")
    if not isinstance(copy.get("lastModified", ""), str):
        raise RegistrationError(f"{what} is refused: 'lastModified' is a string, a time as in ISO 8601")
    return copy


def checked_ttl(ttl: Any) -> float | None:
    """Return a time in seconds.

    Raises:
        RegistrationError: It is no number from 0 on.
    """
    is_number = isinstance(ttl, (int, float)) and not isinstance(ttl, bool)
    if ttl is not None and not (is_number and 0 <= ttl < float("inf")):
        raise RegistrationError(f"ttl={ttl!r} is refused: it takes a number of seconds from 0 on, or None")
    return None if ttl is None else float(ttl)
