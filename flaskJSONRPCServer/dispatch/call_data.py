"""A call as the documented dict that exec backends get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..sansio_jsonrpc import ABSENT, JsonRpcRequest
from .deadlines import deadline_exception, has_passed
from .routes import Route

__all__ = ["BEGIN_BY", "TRACE", "CallData", "call_data", "params_of", "refuse_late"]

BEGIN_BY = "begin_by"
"""The key of when a call has to begin at the latest, on the monotonic clock, if its caller has said so."""

TRACE = "trace"
"""The key of a call's trace, if the server traces calls: a dict of texts, such as ``traceparent``."""


class CallData(dict[str, Any]):
    """A call as the documented dict, with its parameters as the function gets them.

    ``params`` stays what the client sent: a backend may write it as JSON.

    Attributes:
        checked_params: The checked and converted parameters.
    """

    def __init__(self, data: Mapping[str, Any], checked_params: Any) -> None:
        super().__init__(data)
        self.checked_params = checked_params


def params_of(data: Mapping[str, Any]) -> Any:
    """Return the parameters of a call: checked ones, if the call has been checked in this process already."""
    return data.checked_params if isinstance(data, CallData) else data.get("params")


def refuse_late(data: Mapping[str, Any]) -> None:
    """Check that a call may still begin.

    Raises:
        JsonRpcException: -32006: the time of its caller is over.
    """
    if has_passed(data.get(BEGIN_BY)):
        raise deadline_exception("not started")


def call_data(call: JsonRpcRequest, route: Route, deadline: float | None = None) -> dict[str, Any]:
    """Return a call as the documented dict: ``method``, ``params``, ``id``, ``notify``; ``deadline`` if it has one."""
    is_notification = call.id is ABSENT
    call_id = None if is_notification else call.id
    data = {"method": route.name, "params": call.params, "id": call_id, "notify": is_notification}
    return data if deadline is None else {**data, "deadline": deadline}
