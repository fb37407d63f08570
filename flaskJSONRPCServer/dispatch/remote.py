"""Calls that run in other processes: how the server counts them, and their answers as plain values."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from ..runtime.stats import Stats
from ..sansio_jsonrpc import ABSENT, JsonRpcError, JsonRpcException, JsonRpcMethodNotFoundError
from .routes import Route, Router
from .submission import CallAnswer

__all__ = [
    "CALL_TIMED_OUT",
    "WORKER_LOST",
    "RemoteCall",
    "RemoteCalls",
    "answer_of_outcome",
    "outcome_of_answer",
    "parts_of_outcome",
]

WORKER_LOST: Final = -32005
"""Code of the error where the process that ran a call has ended before it answered. The call may have done its work."""

CALL_TIMED_OUT: Final = -32006
"""Code of the error where a call took longer than its backend allows. It was ended, and may have done its work."""

RESPONSE_FIELDS: Final = ("headersOut", "cookiesOut", "mimeType", "jsonp", "allowCompress")
"""The fields of the magic variable by which a dispatcher says something about the answer."""


class RemoteCall:
    """One call that runs in another process. The server counts it as running until its end.

    Args:
        route: What is called.
        stats: Where it is counted.
    """

    def __init__(self, route: Route, stats: Stats) -> None:
        self.route = route
        self._stats = stats
        self._started_ns = time.perf_counter_ns()
        stats.remote_call_begins(route.url)

    def end(self, *, failed: bool) -> None:
        """Count it as ended; to be called once, from whichever thread learns of it."""
        self._stats.remote_call_ends(self.route.url, time.perf_counter_ns() - self._started_ns, failed=failed)


class RemoteCalls:
    """Finds what a call that is to run elsewhere is about, before it leaves the process.

    Args:
        stats: Where the calls are counted.
        router: The routes.
    """

    def __init__(self, stats: Stats, router: Router) -> None:
        self._stats = stats
        self._router = router

    def begin(self, path: str, data: Mapping[str, Any]) -> RemoteCall:
        """Find the dispatcher, hold the parameters against its signature, and count the call as begun.

        Args:
            path: The path of the dispatcher, such as ``/api/``.
            data: The call: ``method`` and ``params``.

        Raises:
            JsonRpcMethodNotFoundError: There is no such dispatcher (any more).
            JsonRpcInvalidParamsError: The parameters do not fit; the message says what is missing or too much.
        """
        route = self._router.table.find(path, data["method"])
        if route is None:
            raise JsonRpcMethodNotFoundError
        route.plan.bind(data.get("params"))
        return RemoteCall(route, self._stats)


def outcome_of_answer(answer: CallAnswer, magic_name: str) -> dict[str, Any]:
    """Return what ``_callDispatcher`` has answered as plain values, to be sent to the process that waits for it.

    Args:
        answer: ``(status, params, result)``; the result is a JsonRpcException where the status is False.
        magic_name: The name of the magic variable, which the params may hold.

    Returns:
        ``result``, or ``error`` with ``code``, ``message`` and, if there is any, ``data``; and ``said``, a dict of what
        the dispatcher says about the response, if it was given its connection.
    """
    status, params, result = answer
    outcome: dict[str, Any] = {"result": result} if status else {"error": members_of(result.get_error())}
    connection = params.get(magic_name)
    if connection is not None:
        outcome["response"] = {name: connection[name] for name in RESPONSE_FIELDS}
    return outcome


def parts_of_outcome(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in an outcome that the dispatcher chose, by the names that the log gives them."""
    data = outcome.get("error", {}).get("data")
    return {"result": outcome.get("result"), "data": data, "connection": outcome.get("response")}


def answer_of_outcome(outcome: Mapping[str, Any], magic_name: str) -> CallAnswer:
    """Return what :func:`outcome_of_answer` was made of, as ``check`` gives it."""
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
