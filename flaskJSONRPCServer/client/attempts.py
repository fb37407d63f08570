"""The attempts of one request, without I/O.

`attempts` is a generator that both clients drive. It yields steps: `Send` asks for the answer to a request, or for the
exception of the transport; `Pause` asks to wait. So both have the same retries, deadlines and errors.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from .deadlines import Deadline
from .errors import TransportError
from .retries import Retry, RetryBudget, retry_after_s
from .transport import ClientRequest, ClientResponse

__all__ = ["Pause", "Policy", "Send", "Steps", "attempts"]


class Send(NamedTuple):
    """Send a request once. Continue with the response, or throw the exception."""

    request: ClientRequest
    deadline: Deadline


class Pause(NamedTuple):
    """Wait."""

    seconds: float


Steps: TypeAlias = Generator[Send | Pause, ClientResponse | None, Any]
"""A generator of steps, which returns a result at its end."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a request may be sent.

    Attributes:
        retry: How often it is repeated.
        is_safe: Whether it may be sent twice.
        tells_deadline: Whether the server is told the seconds that remain.
    """

    retry: Retry
    is_safe: bool
    tells_deadline: bool


def attempts(request: ClientRequest, deadline: Deadline, policy: Policy, budget: RetryBudget) -> Steps:
    """Send a request until there is an answer, as often as the policy allows.

    Returns:
        The last response.

    Raises:
        TransportError: The exception of the last attempt.
    """
    budget.add(policy.retry.budget)
    may_be_stale = policy.is_safe
    attempt = 1
    while True:
        told = with_deadline(request, deadline) if policy.tells_deadline else request
        response = failure = None
        try:
            response = yield Send(told, deadline)
        except TransportError as exc:
            if exc.is_stale and may_be_stale:  # silent: it says nothing about the server
                may_be_stale = False
                continue
            failure = exc
        pause_s = pause_before_next(attempt, response, failure, policy)
        if pause_s is None or pause_s >= deadline.remaining_s() or not budget.take():
            if failure is not None:
                raise failure
            return response
        yield Pause(pause_s)
        attempt += 1


def pause_before_next(
    attempt: int, response: ClientResponse | None, failure: TransportError | None, policy: Policy
) -> float | None:
    """Return how long to wait before the next attempt, in seconds; None if there is none."""
    if attempt >= policy.retry.attempts:
        return None
    if failure is not None:
        return policy.retry.pause_s(attempt) if policy.is_safe or not failure.is_sent else None
    if response is None or response.status not in policy.retry.statuses or not policy.is_safe:
        return None
    return max(policy.retry.pause_s(attempt), retry_after_s(response.headers))


def with_deadline(request: ClientRequest, deadline: Deadline) -> ClientRequest:
    """Add the header with the seconds that remain, as a decimal number."""
    remaining_s = deadline.remaining_s()
    if remaining_s == math.inf:
        return request
    return request._replace(headers={**request.headers, "Request-Timeout": f"{max(0.0, remaining_s):.3f}"})
