"""What a message on the queue of calls must look like. Anybody who reaches the broker can put anything there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

__all__ = ["misfit_of_envelope", "misfit_of_task"]

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


def misfit_of_envelope(message: Any) -> str | None:
    """Return why what lies in a list of Redis is no message of kombu's; None where it is one."""
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


def misfit_of_task(message: Any, known: Collection[str], own: Collection[str]) -> str | None:
    """Return why a message is no task for this worker; None where it is one.

    Args:
        message: Celery's message.
        known: The names of all tasks of the worker.
        own: The names of those that run calls of the server.
    """
    headers = message.headers
    if not isinstance(headers, dict) or not isinstance(headers.get("task"), str):
        return "its headers name no task"
    if headers["task"] not in known:
        return f"there is no task {headers['task']!r:.100}"
    if not isinstance(headers.get("id"), str):
        return "its headers have no id"
    try:
        payload = message.payload
    except Exception as exc:  # noqa: BLE001  a content type that is refused, and whatever a decoder raises
        return f"its body cannot be read: {type(exc).__name__}"
    return misfit_of_call(payload) if headers["task"] in own else misfit_of_arguments(payload)


def misfit_of_arguments(payload: Any) -> str | None:
    """Return why a body is not ``[args, kwargs, embed]``, as Celery's protocol 2 has it; None where it is."""
    fits = isinstance(payload, list) and [type(part) for part in payload] == [list, dict, dict]
    return None if fits else "its body is not [args, kwargs, embed]"


def misfit_of_call(payload: Any) -> str | None:
    if (misfit := misfit_of_arguments(payload)) is not None:
        return misfit
    args, kwargs, _ = payload
    if len(args) != 1 or kwargs or not isinstance(args[0], dict):
        return "its arguments are no call"
    wrong = [name for name, types in _CALL.items() if not isinstance(args[0].get(name, ...), types)]
    return f"its call lacks {', '.join(wrong)}" if wrong else None
