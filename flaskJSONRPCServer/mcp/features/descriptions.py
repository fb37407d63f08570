"""Checks of the options that resources and prompts share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.option_checks import json_copy, refuse_unless
from ...errors import RegistrationError
from ..content_checks import flaw_in

__all__ = ["checked_annotations", "checked_ttl", "known_members", "refuse_unless_seconds", "refuse_unless_text"]


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
    if flaw := flaw_in(copy):
        raise RegistrationError(f"{what} is refused: {flaw}")
    return copy


def checked_ttl(ttl: Any) -> float | None:
    """Return a time in seconds, or None.

    Raises:
        RegistrationError: It is neither.
    """
    if ttl is None:
        return None
    refuse_unless_seconds("ttl", ttl, "a number of seconds from 0 on, or None", may_be_zero=True)
    return float(ttl)


def refuse_unless_seconds(name: str, value: Any, words: str, *, may_be_zero: bool = False) -> None:
    """Check that the value of an option is a time.

    Raises:
        RegistrationError: It is not; the message has the words for what is accepted.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < float("inf") or (value == 0 and not may_be_zero):
        raise RegistrationError(f"{name}={value!r} is refused: it takes {words}")
