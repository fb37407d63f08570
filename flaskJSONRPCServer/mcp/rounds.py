"""Functions that ask the client, without anything kept on the server between two rounds.

A result with questions ends the request. The client sends it again with the answers, and with a state that has the
answers of the rounds before. The state is signed, expires, and is refused for any other caller, function or arguments,
and if the same process has taken it before.

Source: revision 2026-07-28, "Multi Round-Trip Requests".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..sansio_jsonrpc import JsonRpcException
from .asking import CLIENT_OFFERS, HIDDEN_KEYS, questions_in
from .errors import InvalidParams, MissingClientCapability
from .features import Result, Run, Scope, Subject
from .requests import ClientRequest
from .sealing import Sealer, StateError
from .used_states import UsedStates

__all__ = ["SealedRounds", "answers_in", "refuse_unsupported", "requests_of"]

_PURPOSE: Final = "mcp request state"


class SealedRounds:
    """Runs functions for clients that bring their answers with a signed state.

    Args:
        sealer: Signs the states.
        caller_of: Returns whom a request comes from, hashed.
        ttl_s: How long a state is valid, in seconds.
    """

    def __init__(self, sealer: Sealer, caller_of: Callable[[Scope], bytes], ttl_s: float) -> None:
        self._sealer = sealer
        self._caller_of = caller_of
        self._ttl_s = ttl_s
        self._used = UsedStates(ttl_s)

    def result(self, request: ClientRequest, scope: Scope, subject: Subject, run: Run) -> Result:
        """Return the result of a function, or its questions; see :class:`~.features.AnyRounds`.

        Raises:
            InvalidParams: The state or the answers are not valid.
            MissingClientCapability: The client cannot answer what the function asks.
        """
        earlier, latest = self._earlier_answers(request, scope, subject), answers_in(request)
        answers = {**earlier, **latest} if earlier else latest
        try:
            return run(scope.new_control({**answers, CLIENT_OFFERS: request.capabilities}))
        except JsonRpcException as exc:
            questions = questions_in(exc)
            if questions is None:
                raise
        refuse_unsupported(questions, request)
        state = self._state(answers, request, scope, subject)
        return {"resultType": "input_required", "inputRequests": requests_of(questions), "requestState": state}

    def _state(self, answers: Mapping[str, Any], request: ClientRequest, scope: Scope, subject: Subject) -> str:
        payload = {"answers": answers, "id": secrets.token_urlsafe(12)}
        bound_to = self._bound_to(request, scope, subject)
        try:
            return self._sealer.seal(payload, purpose=_PURPOSE, bound_to=bound_to, ttl_s=self._ttl_s)
        except ValueError as exc:
            raise InvalidParams("Invalid params: the answers are too long to be kept for the next question") from exc

    def _earlier_answers(self, request: ClientRequest, scope: Scope, subject: Subject) -> Mapping[str, Any]:
        state = request.params.get("requestState")
        if state is None:
            return {}
        if not isinstance(state, str):
            raise InvalidParams("Invalid params: requestState is not a string")
        try:
            payload = self._sealer.open(state, purpose=_PURPOSE, bound_to=self._bound_to(request, scope, subject))
        except StateError as exc:
            raise InvalidParams(f"Invalid params: requestState is refused: {exc}") from exc
        if not self._used.use(payload["id"]):
            raise InvalidParams("Invalid params: requestState is refused: it was used before; begin again without it")
        answers: Mapping[str, Any] = payload["answers"]
        return answers

    def _bound_to(self, request: ClientRequest, scope: Scope, subject: Subject) -> list[str | bytes]:
        return [self._caller_of(scope), request.method, *subject()]


def answers_in(request: ClientRequest) -> Mapping[str, Any]:
    """Return the answers in a request, by the keys of the questions.

    Raises:
        InvalidParams: They are not what clients answer with.
    """
    if "inputResponses" not in request.params:
        return {}
    responses = request.params["inputResponses"]
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
            offered = request.capabilities.get(name)
            if not isinstance(offered, dict) or any(part not in offered for part in wanted):
                missing[name] = wanted
    if missing:
        raise MissingClientCapability(missing)
