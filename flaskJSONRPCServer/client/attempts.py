"""The attempts of one request, without I/O.

`attempts` is a generator that both clients drive. It yields steps: `Send` asks for the answer to a request, or for the
exception of the transport; `Pause` asks to wait. So both have the same retries, deadlines and errors.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple, TypeAlias

from .deadlines import Deadline
from .errors import TransportError
from .options import CallOptions
from .retries import RetryBudget, retry_after_s
from .transports.base import ClientRequest, ClientResponse

__all__ = ["Pause", "Send", "Steps", "attempts"]


class Send(NamedTuple):
    """Send a request once. Continue with the response, or throw the exception."""

    request: ClientRequest
    deadline: Deadline


class Pause(NamedTuple):
    """Wait."""

    seconds: float


Steps: TypeAlias = Generator[Send | Pause, ClientResponse | None, Any]
"""A generator of steps, which returns a result at its end."""


def attempts(request: ClientRequest, deadline: Deadline, options: CallOptions, budget: RetryBudget) -> Steps:
    """Send a request until there is an answer, as often as the options allow.

    Returns:
        The last response.

    Raises:
        TransportError: The exception of the last attempt.
    """
    budget.add(options.retry.budget)
    may_be_stale = options.is_safe
    attempt = 1
    while True:
        told = with_deadline(request, deadline) if options.tells_deadline else request
        response = failure = None
        try:
            response = yield Send(told, deadline)
        except TransportError as exc:
            if exc.is_stale and may_be_stale:  # silent: it says nothing about the server
                may_be_stale = False
                continue
            failure = exc
        pause_s = pause_before_next(attempt, response, failure, options)
        if pause_s is None or pause_s >= deadline.remaining_s() or not budget.take():
            if failure is not None:
                raise failure
            return response
        yield Pause(pause_s)
        attempt += 1


def pause_before_next(
    attempt: int, response: ClientResponse | None, failure: TransportError | None, options: CallOptions
) -> float | None:
    """Return how long to wait before the next attempt, in seconds; None if there is none."""
    if attempt >= options.retry.attempts:
        return None
    if failure is not None:
        return options.retry.pause_s(attempt) if options.is_safe or not failure.is_sent else None
    if response is None or response.status not in options.retry.statuses or not options.is_safe:
        return None
    return max(options.retry.pause_s(attempt), retry_after_s(response.headers))


def with_deadline(request: ClientRequest, deadline: Deadline) -> ClientRequest:
    """Add the header with the seconds that remain, as a decimal number above 0."""
    remaining_s = deadline.remaining_s()
    if remaining_s == math.inf:
        return request
    return request._replace(headers={**request.headers, "Request-Timeout": f"{max(0.001, remaining_s):.3f}"})
