"""A request of a client, with what it says about itself in ``_meta``.

Source: revision 2026-07-28, "Overview", section `_meta`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from ...sansio_jsonrpc import JsonRpcRequest
from .errors import MalformedRequest
from .messages import Body
from .revisions import CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROGRESS_TOKEN, PROTOCOL_VERSION

__all__ = [
    "LOG_LEVELS",
    "ClientRequest",
    "is_retry",
    "is_self_contained",
    "meta_of",
    "name_of",
    "progress_token",
    "read_request",
]

LOG_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""The levels of log messages, the least severe first (RFC 5424, section 6.2.1)."""


# Not frozen: the constructor of a frozen class takes 2.5 times as long.
@dataclass(slots=True)
class ClientRequest:
    """One request or notification of a client.

    Attributes:
        id: The id; ABSENT for a notification.
        method: The method, such as ``tools/call``.
        params: The parameters.
        revision: The revision of the protocol that it is made in.
        capabilities: What the client offers, by name.
        progress_token: The token for reports of progress; None if the client wants none.
        log_level: The least severe level of log messages that the client wants; None if it wants none.
        admitted: What its method has found when it admitted the request, and answers with; None for nothing.
        meta: What the client says beside the parameters: their ``_meta``.
    """

    id: Any
    method: str
    params: Mapping[str, Any]
    revision: str
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    progress_token: str | int | None = None
    log_level: str | None = None
    admitted: Any = None
    meta: Mapping[str, Any] = field(default_factory=dict)


_new_request: Final = ClientRequest.__new__


def meta_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the ``_meta`` of parameters; empty without one."""
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}


def name_of(request: ClientRequest) -> str:
    """Return the method of a request and what it names, such as a tool, for the log."""
    reference = request.params.get("ref")
    named = reference if isinstance(reference, dict) else request.params
    name = named.get("name", named.get("uri"))
    return request.method if name is None else f"{request.method} of {name!r:.200}"


def is_retry(request: ClientRequest) -> bool:
    """Return whether a request says that it is sent again: it brings answers to questions, or a state."""
    return "inputResponses" in request.params or "requestState" in request.params


def is_self_contained(message: Body) -> TypeGuard[JsonRpcRequest]:
    """Return whether a message is a request that says which revision it is made in, as those without a session do."""
    params = message.params if isinstance(message, JsonRpcRequest) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and PROTOCOL_VERSION in meta


def read_request(message: JsonRpcRequest) -> ClientRequest:
    """Return a request that is made without a session.

    Raises:
        MalformedRequest: ``_meta`` is missing or incomplete.
    """
    params: Any = message.params
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(meta, dict):
        needed = f"{PROTOCOL_VERSION} and {CLIENT_CAPABILITIES}"
        remedy = f"each request must have it, with {needed}; a client with sessions begins with initialize"
        raise MalformedRequest(f"Invalid params: _meta is missing; {remedy}")
    revision, capabilities = meta.get(PROTOCOL_VERSION), meta.get(CLIENT_CAPABILITIES)
    if not isinstance(revision, str):
        raise misfit(revision, PROTOCOL_VERSION, "a string")
    if not isinstance(capabilities, dict):
        raise misfit(capabilities, CLIENT_CAPABILITIES, "an object")
    info = meta.get(CLIENT_INFO)
    if info is not None and not isinstance(info, dict):
        raise misfit(info, CLIENT_INFO, "an object")
    # Without __init__, which takes half as long again.
    request = _new_request(ClientRequest)
    request.id, request.method, request.params = message.id, message.method, params
    request.revision, request.capabilities, request.meta = revision, capabilities, meta
    request.admitted = request.progress_token = request.log_level = None
    if PROGRESS_TOKEN in meta or LOG_LEVEL in meta:
        request.progress_token, request.log_level = progress_token(meta), log_level(meta)
    return request


def progress_token(meta: Mapping[str, Any]) -> str | int | None:
    """Return the token for reports of progress.

    Raises:
        MalformedRequest: It is neither a string nor an integer.
    """
    token = meta.get(PROGRESS_TOKEN)
    if token is None:
        return None
    if isinstance(token, bool) or not isinstance(token, (str, int)):
        raise MalformedRequest(f"Invalid params: {PROGRESS_TOKEN} is neither a string nor an integer")
    return token


def log_level(meta: Mapping[str, Any]) -> str | None:
    level = meta.get(LOG_LEVEL)
    if level is None:
        return None
    if not isinstance(level, str):
        raise misfit(level, LOG_LEVEL, "a string")
    if level not in LOG_LEVELS:
        raise MalformedRequest(f"Invalid params: {LOG_LEVEL} is none of {', '.join(LOG_LEVELS)}")
    return level


def misfit(value: Any, key: str, words: str) -> MalformedRequest:
    """Return the error for a member of ``_meta`` that is missing, or has another type."""
    problem = f"_meta has no {key}" if value is None else f"{key} in _meta is not {words}"
    return MalformedRequest(f"Invalid params: {problem}")
