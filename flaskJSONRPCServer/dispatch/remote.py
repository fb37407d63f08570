"""Calls that run in other processes: their place in the statistics, and their answers as plain values."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from ..runtime.stats import Stats
from ..sansio_jsonrpc import ABSENT, JsonRpcError, JsonRpcException, JsonRpcMethodNotFoundError
from .call_data import params_of
from .exec_backend import CallAnswer
from .routes import Route, Router

__all__ = [
    "WORKER_LOST",
    "RemoteCall",
    "RemoteCalls",
    "answer_of_outcome",
    "outcome_of_answer",
    "parts_of_outcome",
]

WORKER_LOST: Final = -32005
"""Error code of a call whose process ended before it answered. The call may have done its work."""

RESPONSE_FIELDS: Final = ("headersOut", "cookiesOut", "mimeType", "jsonp", "allowCompress")
"""The fields of the magic variable with which a dispatcher changes the response."""


class RemoteCall:
    """One call that runs in another process. It counts as running until its end.

    Args:
        route: The route that is called.
        stats: Counts the call.
    """

    def __init__(self, route: Route, stats: Stats) -> None:
        self.route = route
        self._stats = stats
        self._started_ns = time.perf_counter_ns()
        stats.remote_call_begins(route.url)

    def end(self, *, failed: bool, code: int | None = None) -> None:
        """Count the call as ended. Call this once, from any thread.

        Args:
            failed: Whether it failed.
            code: The code of its error, if that is known.
        """
        duration_ns = time.perf_counter_ns() - self._started_ns
        self._stats.remote_call_ends(self.route.url, duration_ns, failed=failed, code=code)


class RemoteCalls:
    """Checks and counts calls before they leave the process.

    Args:
        stats: Counts the calls.
        router: The routes.
    """

    def __init__(self, stats: Stats, router: Router) -> None:
        self._stats = stats
        self._router = router

    def begin(self, path: str, data: Mapping[str, Any]) -> RemoteCall:
        """Find the dispatcher, check the parameters against its signature, and count the call as started.

        Args:
            path: The path of the dispatcher, such as ``/api/``.
            data: The call: ``method`` and ``params``.

        Raises:
            JsonRpcMethodNotFoundError: The dispatcher is unknown, or was removed.
            JsonRpcInvalidParamsError: The parameters do not fit; the message names the missing or unexpected ones.
        """
        route = self._router.table.find(path, data["method"])
        if route is None:
            raise JsonRpcMethodNotFoundError
        route.plan.bind(params_of(data))
        return RemoteCall(route, self._stats)


def outcome_of_answer(answer: CallAnswer, magic_name: str) -> dict[str, Any]:
    """Return the answer of ``_callDispatcher`` as plain values, for the process that waits for it.

    Args:
        answer: ``(status, params, result)``; with a False status, the result is a JsonRpcException.
        magic_name: The name of the magic variable, which may be among the params.

    Returns:
        ``result``, or ``error`` with ``code``, ``message`` and optionally ``data``. If the dispatcher took its
        connection, ``response`` is a dict of the :data:`RESPONSE_FIELDS`.
    """
    status, params, result = answer
    outcome: dict[str, Any] = {"result": result} if status else {"error": members_of(result.get_error())}
    connection = params.get(magic_name)
    if connection is not None:
        outcome["response"] = {name: connection[name] for name in RESPONSE_FIELDS}
    return outcome


def parts_of_outcome(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in an outcome that come from the dispatcher, by their names in the log."""
    data = outcome.get("error", {}).get("data")
    return {"result": outcome.get("result"), "data": data, "connection": outcome.get("response")}


def answer_of_outcome(outcome: Mapping[str, Any], magic_name: str) -> CallAnswer:
    """Return the answer of an outcome, in the form of ``check``: the inverse of :func:`outcome_of_answer`."""
    params = {magic_name: outcome["response"]} if "response" in outcome else {}
    if "error" not in outcome:
        return True, params, outcome["result"]
    error = outcome["error"]
    value = JsonRpcError(error["code"], error["message"], error.get("data", ABSENT))
    return False, params, JsonRpcException.exc_from_error(value)


def members_of(error: JsonRpcError) -> dict[str, Any]:
    """Return an error as the members of a JSON object."""
    members = {"code": error.code, "message": error.message}
    return members if error.data is ABSENT else {**members, "data": error.data}
