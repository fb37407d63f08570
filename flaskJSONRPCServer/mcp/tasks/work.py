"""The work of a task: its function, and the request that has called it, which has been answered meanwhile."""

from __future__ import annotations

import contextvars
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...dispatch.call_control import CallControl, Report
from ...dispatch.exchange import Exchange
from ...http.request import ARRIVED_AT, without_client
from ...runtime.contexts import own_context
from ..asking.ask import CLIENT_OFFERS
from ..feature import Result, RunIn, Scope
from ..protocol.requests import ClientRequest
from .task import Task

__all__ = ["TaskWork", "work_of"]


@dataclass(frozen=True, slots=True)
class TaskWork:
    """What a task does.

    Attributes:
        request: The request.
        size_bytes: The size of its body.
        run_once: Runs the function in this thread, and returns its result; it takes what learns the progress.
    """

    request: ClientRequest
    size_bytes: int
    run_once: Callable[[Task, Report], Result]


def work_of(request: ClientRequest, scope: Scope, run: RunIn, limit_bytes: int) -> TaskWork:
    """Return the work of a call; this is called in the thread that serves its request.

    Args:
        request: The request.
        scope: What surrounds it.
        run: Runs the function.
        limit_bytes: The largest body of a request.
    """
    body = scope.exchange.body(limit_bytes)
    environ = without_client(scope.exchange.environ)
    environ.pop(ARRIVED_AT, None)
    context = own_context()

    def run_once(task: Task, report: Report) -> Result:
        control = CallControl(report, {**task.answers, CLIENT_OFFERS: request.capabilities})
        exchange = later_exchange(scope, environ, body)
        if not task.begin_run(control):
            control.cancel()  # so that it does not begin
        later = replace(scope, exchange=exchange, notify=drop)
        copied: contextvars.Context = context.copy()
        return copied.run(run, later, control, may_run_again=True, is_in_task=True)

    return TaskWork(request, len(body), run_once)


def later_exchange(scope: Scope, environ: Mapping[str, Any], body: bytes) -> Exchange:
    """Return an exchange of this thread for a request that has been answered."""
    copied = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    exchange = scope.pipeline.make_exchange(copied, None)
    exchange.client_key = scope.exchange.client_key
    exchange.unique_id = scope.exchange.unique_id
    exchange.is_local = scope.exchange.is_local
    exchange.trace = scope.exchange.trace
    exchange.carrier = scope.exchange.carrier
    exchange.grant = scope.grant
    return exchange


def drop(method: str, params: Mapping[str, Any]) -> None:
    """Drop a notification: the request has been answered."""
