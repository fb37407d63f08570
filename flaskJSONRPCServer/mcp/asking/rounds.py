"""Functions that ask the client, without anything kept on the server between two rounds.

A result with questions ends the request. The client sends it again with the answers, and with a state that has the
answers of the rounds before and the keys of the open questions: no other answers are taken. The state is signed,
expires, is taken once, and is refused for any other program, caller, function or arguments.

Source: revision 2026-07-28, "Multi Round-Trip Requests".
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

from ...runtime.log_limits import WarnOnce
from ...runtime.logs import ServerLog
from ...sansio_jsonrpc import JsonRpcException
from ..feature import Result, Run, Scope, Subject
from ..protocol.errors import InvalidParams, MissingClientCapability, NoAnswer
from ..protocol.requests import ClientRequest, is_retry
from ..protocol.revisions import WITH_PAGES
from .ask import CLIENT_OFFERS, HIDDEN_KEYS, questions_in
from .questions import Form
from .sealing import Sealer, StateError
from .used_states import AnyUsedStates

__all__ = [
    "MOST_TIMES",
    "Asked",
    "SealedRounds",
    "answers_in",
    "refuse_after",
    "refuse_unsupported",
    "requests_of",
    "run_round",
]

_PURPOSE: Final = "mcp request state"

MOST_TIMES: Final = 3
"""The most times that one question is asked while its answers cannot be used."""

_FOREIGN_STATE: Final = (
    "the answers of a client were refused: this process did not ask the question, or they were altered. If the server "
    "has several processes, or was restarted, give all processes the same secret="
)


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds before one.

    Attributes:
        answers: The answers of the client, by the keys of the questions.
        unusable: How often each question had an answer that could not be used.
        asked: The keys of the questions that the last round has asked.
    """

    answers: Mapping[str, Any] = field(default_factory=dict)
    unusable: Mapping[str, int] = field(default_factory=dict)
    asked: Collection[str] = ()


_FIRST: Final = Rounds()
_NO_ANSWERS: Final[Mapping[str, Any]] = {}


class SealedRounds:
    """Runs functions for clients that bring their answers with a signed state.

    Args:
        place: The program and the path of the endpoint, where alone a state is valid.
        sealer: Signs the states.
        used: The states that have been taken.
        caller_of: Returns whom a request comes from, hashed.
        ttl_s: How long a state is valid, in seconds.
        log: Gets a warning if states of another process come.
    """

    runs_again: Final = False

    def __init__(
        self,
        place: Sequence[str],
        sealer: Sealer,
        used: AnyUsedStates,
        caller_of: Callable[[Scope], bytes],
        ttl_s: float,
        log: ServerLog,
    ) -> None:
        self._place = place
        self._sealer = sealer
        self._used = used
        self._caller_of = caller_of
        self._ttl_s = ttl_s
        self._foreign_states = WarnOnce(log)

    def result(self, request: ClientRequest, scope: Scope, subject: Subject, run: Run) -> Result:
        """Return the result of a function, or its questions; see :class:`~.feature.AnyRounds`.

        Raises:
            InvalidParams: The state or the answers are not valid.
            MissingClientCapability: The client cannot answer what the function asks.
            NoAnswer: Its answers to a question could not be used, several times.
        """
        earlier, latest, answers = _FIRST, _NO_ANSWERS, _NO_ANSWERS
        if is_retry(request):
            responses = answers_in(request)  # before the state, which a malformed request must not use up
            earlier = self._earlier_rounds(request, scope, subject)
            latest = {key: value for key, value in responses.items() if key in earlier.asked}
            answers = {**earlier.answers, **latest}
        outcome = run_round(request, scope, run, answers)
        if type(outcome) is not Asked:  # isinstance() takes several times as long to say no
            return outcome
        questions = outcome.questions
        unusable = Counter(earlier.unusable)
        unusable.update(key for key in questions if key in latest)
        refuse_after(MOST_TIMES, unusable, questions)
        state = self._state(Rounds(answers, unusable, list(questions)), request, scope, subject)
        return {"resultType": "input_required", "inputRequests": requests_of(questions), "requestState": state}

    def _state(self, rounds: Rounds, request: ClientRequest, scope: Scope, subject: Subject) -> str:
        payload = {
            "answers": rounds.answers,
            "unusable": rounds.unusable,
            "asked": rounds.asked,
            "id": secrets.token_urlsafe(12),
        }
        bound_to = self._bound_to(request, scope, subject)
        try:
            return self._sealer.seal(payload, purpose=_PURPOSE, bound_to=bound_to, ttl_s=self._ttl_s)
        except ValueError as exc:
            raise InvalidParams("Invalid params: the answers are too long to be kept for the next question") from exc

    def _earlier_rounds(self, request: ClientRequest, scope: Scope, subject: Subject) -> Rounds:
        state = request.params.get("requestState")
        if state is None:
            return _FIRST
        if not isinstance(state, str):
            raise InvalidParams("Invalid params: requestState is not a string")
        try:
            payload = self._sealer.open(state, purpose=_PURPOSE, bound_to=self._bound_to(request, scope, subject))
        except StateError as exc:
            if exc.reason == "altered":  # perhaps made by a process with another secret: each draws its own by default
                self._foreign_states.write(_FOREIGN_STATE)
            raise InvalidParams(f"Invalid params: requestState is refused: {exc}") from exc
        if not self._used.use(payload["id"], self._ttl_s):
            raise InvalidParams("Invalid params: requestState is refused: it was used before; begin again without it")
        return Rounds(payload["answers"], payload.get("unusable", {}), payload.get("asked", ()))

    def _bound_to(self, request: ClientRequest, scope: Scope, subject: Subject) -> list[str | bytes]:
        return [*self._place, self._caller_of(scope), request.method, *subject()]


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """The questions of one run of a function, which its client can answer."""

    questions: Mapping[str, Any]


def run_round(request: ClientRequest, scope: Scope, run: Run, answers: Mapping[str, Any]) -> Result | Asked:
    """Run a function once, with the answers that there are. Return its result, or its questions.

    Raises:
        JsonRpcException: The function has failed with it.
        MissingClientCapability: The client cannot answer what the function asks.
    """
    offers, new_control = request.capabilities, scope.new_control
    known = {**answers, CLIENT_OFFERS: offers} if answers else {CLIENT_OFFERS: offers}
    try:
        return run(request, scope, new_control(known))
    except JsonRpcException as exc:
        questions = questions_in(exc)
        if questions is None:
            raise
    refuse_unsupported(questions, request)
    return Asked(questions)


def refuse_after(most: int, unusable: Mapping[str, int], questions: Mapping[str, Any]) -> None:
    """Check that a client may be asked again.

    Args:
        most: How often a question is asked whose answer cannot be used.
        unusable: How often the answer to each question could not be used.
        questions: The questions that it would be asked now.

    Raises:
        NoAnswer: It has been asked one of them often enough. The message says why its last answer could not be used.
    """
    for key, question in questions.items():
        if unusable.get(key, 0) >= most:
            problem = f"the client has answered the question {key!r:.100} {most} times, and no answer could be used"
            raise NoAnswer(f"{problem}. The last one: {question['reason']}"[:1000])


def answers_in(request: ClientRequest, *, are_required: bool = False) -> Mapping[str, Any]:
    """Return the answers in a request, by the keys of the questions.

    Raises:
        InvalidParams: They are missing although they are required, or are not what clients answer with.
    """
    responses = request.params.get("inputResponses", None if are_required else {})
    if not isinstance(responses, dict) or not all(isinstance(value, dict) for value in responses.values()):
        raise InvalidParams("Invalid params: inputResponses is not an object with an object for each question")
    return {key: value for key, value in responses.items() if key not in HIDDEN_KEYS}


def requests_of(questions: Mapping[str, Any]) -> dict[str, Any]:
    """Return questions as the requests that a client answers."""
    return {key: {"method": question["method"], "params": question["params"]} for key, question in questions.items()}


def refuse_unsupported(questions: Mapping[str, Any], request: ClientRequest) -> None:
    """Check that a client can answer some questions.

    Raises:
        MissingClientCapability: It cannot; the error names all that is missing.
    """
    missing: dict[str, Any] = {}
    for question in questions.values():
        for name, wanted in question["requires"].items():
            offered = parts_offered(request, name)
            if offered is None or any(part not in offered for part in wanted):
                missing[name] = {**missing.get(name, {}), **wanted}
    if missing:
        raise MissingClientCapability(missing)


def parts_offered(request: ClientRequest, name: str) -> Mapping[str, Any] | None:
    """Return the parts of a capability that a client has declared; None if it has not declared the capability.

    Forms are implied where nothing else is said: by an empty object, and in the revisions before there were pages.

    Source: revision 2026-07-28, "Elicitation", section "Capabilities".
    """
    offered = request.capabilities.get(name)
    if not isinstance(offered, dict):
        return None
    implies_forms = name == Form.CAPABILITY and (not offered or request.revision not in WITH_PAGES)
    return {**offered, "form": {}} if implies_forms else offered
