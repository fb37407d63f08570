"""The interfaces between an endpoint and its features: tools, resources, prompts and more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..dispatch.call_control import CallControl
from ..dispatch.exchange import Exchange
from ..dispatch.pipeline import Pipeline
from ..sansio_jsonrpc import JsonRpcException
from .authorization import Grant
from .protocol.requests import ClientRequest
from .subscriptions import Watch

__all__ = ["AnyRounds", "Feature", "Method", "NewControl", "Result", "Run", "Scope", "Subject"]

Result = Mapping[str, Any]
"""The members of a result."""

Subject = Callable[[], Sequence[str]]
"""Returns what a function is run for, as texts; called only for a function that asks."""

NewControl = Callable[[Mapping[str, Any]], CallControl]
"""Returns the control of the next run of a function, with the answers to what it asks."""


class AnyRounds(Protocol):
    """Runs functions that may ask the client."""

    @property
    def runs_again(self) -> bool:
        """Whether the function of one request may be run several times with the same arguments."""

    def result(self, request: ClientRequest, scope: Scope, subject: Subject, run: Run) -> Result:
        """Return the result of a function, or of its questions.

        Args:
            request: The request.
            scope: What surrounds it.
            subject: Returns what the function is run for: answers to another subject are refused.
            run: Runs the function.
        """


# Not frozen: the constructor of a frozen class takes 2.5 times as long, and there is one scope per request.
@dataclass(slots=True)
class Scope:
    """The context of one request.

    Attributes:
        pipeline: The pipeline that makes its calls.
        exchange: The HTTP request.
        new_control: Returns the control of the next run of its function.
        rounds: Runs its function, and asks the client what the function wants to know.
        grant: What the token of the client allows; None without tokens.
        keeps_arguments: Whether its function must not change its arguments: it may be run with them again.
    """

    pipeline: Pipeline
    exchange: Exchange
    new_control: NewControl
    rounds: AnyRounds
    grant: Grant | None = None
    keeps_arguments: bool = False


Run = Callable[[ClientRequest, Scope, CallControl], Result]
"""Runs the function of a request, and returns the result; raises the error of :func:`~.asking.ask.ask`."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the protocol.

    Attributes:
        answer: Answers a request.
        runs_function: Whether it runs a function of the user's, which may take long, report its progress, and ask.
        admit: Checks a request before its answer begins, and may keep what it has found as ``request.admitted``;
            raises a Refusal or an McpError.
        failure: Returns the result that tells a model that the request has failed; None if an error says so.
        is_in_sessions: Whether the revisions with sessions have it too.
        names_task: Whether a request is about a task, which another process may have.
    """

    answer: Callable[[ClientRequest, Scope], Result]
    runs_function: bool = False
    admit: Callable[[ClientRequest, Scope], object] = lambda request, scope: None
    failure: Callable[[JsonRpcException], Result] | None = None
    is_in_sessions: bool = True
    names_task: bool = False


@dataclass(frozen=True, slots=True)
class Feature:
    """A part of an endpoint.

    Attributes:
        name: Its name among the capabilities of the server. Features with one name add up.
        capability: Returns what it offers; None if it offers nothing, so that its methods do not exist.
        methods: Its methods by name.
        watch: Returns what a client that opens a stream learns of this feature; None for nothing.
    """

    name: str
    capability: Callable[[], Mapping[str, Any] | None]
    methods: Mapping[str, Method] = field(default_factory=dict)
    watch: Callable[[ClientRequest, Scope], Watch | None] = lambda request, scope: None
