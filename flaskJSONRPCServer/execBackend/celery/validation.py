"""Checks of the messages on the queue of calls. Anyone who can reach the broker can put anything there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

__all__ = ["envelope_misfit", "task_misfit"]

_CALL: Final[dict[str, tuple[type, ...]]] = {
    "uniqueId": (str,),
    "path": (str,),
    "method": (str,),
    "params": (str, type(None)),
    "id": (str, int, float, type(None)),
    "notify": (bool,),
    "jsonp": (str, bool),
    "request": (dict,),
    "servedBy": (list,),
    "signature": (str, type(None)),
    "fingerprint": (str,),
}

_OPTIONAL: Final[dict[str, tuple[type, ...]]] = {
    "beginUntil": (int, float),
    "remaining": (int, float),
    "expiresAt": (int, float),
    "trace": (dict,),
}


def envelope_misfit(message: Any) -> str | None:
    """Return why the JSON value of an item of a Redis list is not a message of kombu; None if it is."""
    if not isinstance(message, Mapping):
        return f"it is a {type(message).__name__} and not an object"
    if not isinstance(message.get("headers"), dict):
        return "it has no headers"
    properties = message.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("delivery_info"), dict):
        return "it has no properties"
    if not isinstance(properties.get("delivery_tag"), str):
        return "it has no delivery tag"
    return None if isinstance(message.get("body"), str) else "it has no body"


def task_misfit(message: Any, tasks: Collection[str], call_tasks: Collection[str]) -> str | None:
    """Return why a message is not a task for this worker; None if it is.

    Args:
        message: Celery's message.
        tasks: The names of all tasks of the worker.
        call_tasks: The names of the tasks that run calls of the server.
    """
    headers = message.headers
    if not isinstance(headers, dict) or not isinstance(headers.get("task"), str):
        return "its headers name no task"
    if headers["task"] not in tasks:
        return f"there is no task {headers['task']!r:.100}"
    if not isinstance(headers.get("id"), str):
        return "its headers have no id"
    try:
        payload = message.payload
    except Exception as exc:  # noqa: BLE001  a content type that is refused, or any error of a decoder
        return f"its body cannot be read: {type(exc).__name__}"
    return call_misfit(payload) if headers["task"] in call_tasks else arguments_misfit(payload)


def arguments_misfit(payload: Any) -> str | None:
    """Return why a body is not ``[args, kwargs, embed]``, as in Celery's message protocol 2; None if it is."""
    is_valid = isinstance(payload, list) and [type(part) for part in payload] == [list, dict, dict]
    return None if is_valid else "its body is not [args, kwargs, embed]"


def call_misfit(payload: Any) -> str | None:
    """Return why a body is not a call of the server; None if it is."""
    if (misfit := arguments_misfit(payload)) is not None:
        return misfit
    args, kwargs, _ = payload
    if len(args) != 1 or kwargs or not isinstance(args[0], dict):
        return "its arguments are no call"
    call = args[0]
    wrong = [name for name, types in _CALL.items() if not isinstance(call.get(name, ...), types)]
    wrong += [name for name, types in _OPTIONAL.items() if name in call and not isinstance(call[name], types)]
    return f"its call lacks {', '.join(wrong)}" if wrong else None
