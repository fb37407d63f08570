"""Checks of what a question to the model of a client has.

Source: revision 2026-07-28, "Sampling"; the schema of ``CreateMessageRequestParams``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, Final

from ..protocol.revisions import ROLES
from .form_fields import is_integer, is_number

__all__ = ["are_messages", "flaw_in_options"]

# Other values, such as models, become JSON only when the question is sent.
_PLAIN: Final = (NoneType, str, bool, int, float, list, tuple, Mapping)

_CONTEXTS: Final = ("none", "thisServer", "allServers")
_PRIORITIES: Final = ("costPriority", "speedPriority", "intelligencePriority")


def flaw_in_options(options: Mapping[str, Any]) -> str:
    """Return which option has a value that the protocol does not allow, and what it takes; empty if none has."""
    for name, (is_allowed, words) in _OPTIONS.items():
        if name in options and is_plain(options[name]) and not is_allowed(options[name]):
            return f"{name!r} is {words}"
    return ""


def are_messages(value: Any) -> bool:
    """Return whether a value is a list of messages for a model."""
    return is_list(value) and all(map(is_message, value))


def is_message(value: Any) -> bool:
    """Return whether a value has what a message for a model needs. Its content is a part, or a list of parts."""
    if not isinstance(value, Mapping) or value.get("role") not in ROLES:
        return False
    return not isinstance(value.get("content"), (NoneType, str, int, float))


def is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN)


def is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def is_dict(value: Any) -> bool:
    return isinstance(value, Mapping)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_priority(value: Any) -> bool:
    return not is_plain(value) or (is_number(value) and 0 <= value <= 1)


_OPTIONS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "maxTokens": (lambda value: is_integer(value) and value >= 1, "an integer from 1 on"),
    "messages": (are_messages, "a list of dicts with 'role' and 'content'"),
    "temperature": (is_number, "a number"),
    "systemPrompt": (is_text, "a string"),
    "includeContext": (lambda value: value in _CONTEXTS, f"one of {', '.join(map(repr, _CONTEXTS))}"),
    "stopSequences": (lambda value: is_list(value) and all(map(is_text, value)), "a list of strings"),
    "metadata": (is_dict, "a dict"),
    "modelPreferences": (
        lambda value: is_dict(value) and all(is_priority(value[name]) for name in _PRIORITIES if name in value),
        "a dict whose priorities are numbers from 0 to 1",
    ),
    "tools": (is_list, "a list of dicts"),
    "toolChoice": (is_dict, "a dict"),
}
