"""Functions that ask the client of a session while its request waits.

Source: revision 2025-11-25, "Elicitation", "Sampling" and "Roots".
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...sansio_jsonrpc import Codec, JsonRpcResponse
from ..asking.rounds import MOST_TIMES, Asked, refuse_after, run_round
from ..calls.open_call import OpenCall
from ..feature import Result, Run, Scope
from ..protocol.errors import NoAnswer
from ..protocol.messages import notification_text
from ..protocol.requests import ClientRequest
from .questions import OpenQuestion, question_params
from .state import Session
from .waiting import WaitingCalls

__all__ = ["ANSWER_S", "AskingRounds", "WaitWhile"]

ANSWER_S: Final = 600.0
"""The time limit of an answer, in seconds."""

_STOPS: Final = "the server stops before the client has answered a question of this call"

_NO_STREAM: Final = "this call asks its client, which accepts no stream for the question; accept text/event-stream too"

WaitWhile = Callable[[Callable[[], bool], float], bool]
"""Waits while a function returns True; returns False if the server stops, or a time on the monotonic clock comes."""


class AskingRounds:
    """Runs the function of one request, sends its questions, waits for the answers, and runs it again with them.

    Args:
        session: The session.
        call: The request as it runs.
        send: Sends a message on the stream of the request; None without a stream.
        codec: Returns the codec.
        wait_while: Waits for answers.
        is_over: Returns whether no answer will come, since the server stops or restarts.
        waiting: Counts the calls that wait.
    """

    runs_again: Final = True

    def __init__(
        self,
        session: Session,
        call: OpenCall,
        send: Callable[[bytes], object] | None,
        codec: Callable[[], Codec],
        wait_while: WaitWhile,
        is_over: Callable[[], bool],
        waiting: WaitingCalls,
    ) -> None:
        self._session = session
        self._call = call
        self._send = send
        self._codec = codec
        self._wait_while = wait_while
        self._is_over = is_over
        self._waiting = waiting

    def result(self, request: ClientRequest, scope: Scope, subject: Callable[[], Sequence[str]], run: Run) -> Result:
        """Return the result of a function; see :class:`~.feature.AnyRounds`.

        Raises:
            MissingClientCapability: The client cannot answer what the function asks.
            NoAnswer: The client has not answered, or not with what was asked for; it accepts no stream; too many calls
                wait; or the server stops.
        """
        answers: dict[str, Any] = {}
        unusable: Counter[str] = Counter()
        while True:
            outcome = run_round(request, scope, run, answers)
            if not isinstance(outcome, Asked):
                return outcome
            questions = outcome.questions
            if self._send is None:
                raise NoAnswer(_NO_STREAM)
            unusable.update(key for key in questions if key in answers)
            refuse_after(MOST_TIMES, unusable, questions)
            with self._waiting.one_more(scope.exchange):
                answers.update(self._answers(questions, self._send))
            # The timeout of a call begins anew: a user may think for longer than a function may run.
            scope.exchange.arrived_at = time.monotonic()

    def _answers(self, questions: Mapping[str, Any], send: Callable[[bytes], object]) -> dict[str, Any]:
        """Ask some questions, and return their answers by their keys.

        Raises:
            NoAnswer: One has none.
            JsonRpcSerializationError: One has no JSON form. The client learns that those before it are not awaited.
        """
        if self._is_over():
            raise NoAnswer(_STOPS)
        asked: dict[str, OpenQuestion] = {}
        try:
            for key, question in questions.items():
                asked[key] = self._ask(question, send)
            self._wait_while(lambda: self._waits(asked), time.monotonic() + ANSWER_S)
            if self._is_over() and any(question.response is None for question in asked.values()):
                raise NoAnswer(_STOPS)
            return {key: result_in(question.response) for key, question in asked.items()}
        finally:
            for open_question in asked.values():
                self._end(open_question, send)

    def _waits(self, asked: Mapping[str, OpenQuestion]) -> bool:
        if self._call.is_cancelled or self._session.has_ended or self._is_over():
            return False
        return any(question.response is None for question in asked.values())

    def _ask(self, question: Mapping[str, Any], send: Callable[[bytes], object]) -> OpenQuestion:
        method = question["method"]
        params = question_params(method, question["params"], self._session.revision)
        return self._session.questions.ask(method, params, send)

    def _end(self, question: OpenQuestion, send: Callable[[bytes], object]) -> None:
        if question.response is None:
            self._session.questions.forget(question)
            params = {"requestId": question.id, "reason": "the answer is no longer awaited"}
            send(notification_text(self._codec(), "notifications/cancelled", params))


def result_in(response: JsonRpcResponse | None) -> Mapping[str, Any]:
    """Return the result in an answer.

    Raises:
        NoAnswer: There is none.
    """
    if response is None:
        raise NoAnswer("the client has not answered a question of this call")
    if response.error is not None:
        raise NoAnswer(f"the client refused a question of this call: {response.error.message}"[:1000])
    if not isinstance(response.result, dict):
        raise NoAnswer("the client's answer to a question of this call is not an object")
    return response.result
