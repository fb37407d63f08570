"""The values that the backend ``parallel`` sends to a child process: its setup, and its calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from ...dispatch.backend_context import BackendContext
from ...dispatch.call_data import params_of
from ...dispatch.routes import Route

__all__ = ["NOT_SERVED", "CallMessage", "ChildSetup", "make_call_message", "make_setup"]

_PLAIN: Final = (str, int, float, bool, bytes, type(None))


@dataclass(frozen=True, slots=True)
class ChildSetup:
    """The setup of a child, which it gets once.

    Attributes:
        name: The server's name.
        settings: The settings of the server that are plain values.
        script: The file of the main program; None if it has none.
        number: The number of the child in its pool: ``_connection.parallelId``.
        pool_size: The number of children: ``_connection.parallelPoolSize``.
    """

    name: str
    settings: dict[str, Any]
    script: str | None
    number: int
    pool_size: int


@dataclass(frozen=True, slots=True)
class CallMessage:
    """One call, as a child gets it.

    Attributes:
        unique_id: The id of the request that the call belongs to.
        path: The path of the dispatcher, such as ``/api/``.
        data: The call: ``method``, ``params`` (checked and converted by their hints), ``id`` and ``notify``.
        request: ``headers``, ``cookies`` and ``remote_addr`` of the request; empty if the dispatcher does not take its
            connection.
        is_jsonp: The JSONP output format; False for plain JSON.
        served_by: ``(isRawSocket, ip or socketPath, port)``; a socket object stays in the parent, and is None here.
    """

    unique_id: str
    path: str
    data: Mapping[str, Any]
    request: Mapping[str, Any]
    is_jsonp: str | bool
    served_by: tuple[bool, str | None, Any]


NOT_SERVED: Final = (False, None, None)
"""The ``served_by`` of a call that does not know its request."""


def make_setup(context: BackendContext, *, number: int, pool_size: int) -> ChildSetup:
    """Return the setup of a child, in the parent."""
    settings = context.settings
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return ChildSetup(
        name=context.name,
        settings={name: value for name, value in values.items() if is_plain(value)},
        script=getattr(context.parent_module, "__file__", None),
        number=number,
        pool_size=pool_size,
    )


def make_call_message(
    context: BackendContext,
    route: Route,
    unique_id: str,
    data: Mapping[str, Any],
    request: Mapping[str, Any],
    is_jsonp: str | bool,
) -> CallMessage:
    """Return a call as a child gets it, in the parent.

    Args:
        context: The parts of the server.
        route: The route of the call, from :class:`~flaskJSONRPCServer.dispatch.remote.RemoteCall`.
        unique_id: The first argument of ``add``.
        data: The call, as ``add`` gets it.
        request: The copy of the request, as ``add`` gets it.
        is_jsonp: The JSONP output format, as ``add`` gets it.
    """
    data = {**data, "params": params_of(data)}
    if not route.plan.takes_magic:
        return CallMessage(unique_id, route.path, data, {}, is_jsonp, NOT_SERVED)
    is_raw, host, port = context.facts.served_by(request.get("environ") or {})
    fields_to_send = {name: request.get(name) for name in ("headers", "cookies", "remote_addr")}
    served_by = is_raw, host, port if is_plain(port) else None
    return CallMessage(unique_id, route.path, data, fields_to_send, is_jsonp, served_by)


def is_plain(value: Any) -> bool:
    """Return whether a value means the same in each process: a scalar, bytes, or a container of such values."""
    if isinstance(value, dict):
        return all(map(is_plain, value.keys())) and all(map(is_plain, value.values()))
    return all(map(is_plain, value)) if isinstance(value, (list, tuple, set, frozenset)) else type(value) in _PLAIN
