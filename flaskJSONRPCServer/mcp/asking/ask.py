"""Asking the caller of a function while it runs.

The function is run again from its start for each round of answers, on any worker: nothing of it is kept meanwhile.
So everything before :func:`ask` must be harmless when it is repeated.

Source: revision 2026-07-28, "Multi Round-Trip Requests".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...dispatch.call_control import current_call
from ...runtime.text import short_repr
from ...sansio_jsonrpc import JsonRpcApplicationError, JsonRpcReservedError
from .questions import Question

__all__ = [
    "CLIENT_OFFERS",
    "HIDDEN_KEYS",
    "MAY_BEGIN_TASK",
    "CannotAskError",
    "InputRequiredError",
    "ask",
    "ask_all",
    "client_offers",
    "questions_in",
]


class CannotAskError(JsonRpcApplicationError, registered=False):
    """The caller cannot be asked: it calls by JSON-RPC, or as a notification."""

    ERROR_CODE = -31999
    ERROR_MESSAGE = "This call asks its caller for more, which only a client of the Model Context Protocol can answer"


class InputRequiredError(JsonRpcReservedError, registered=False):
    """A call has to ask its caller. The protocol catches it; a function lets it pass."""

    ERROR_CODE = -32019
    ERROR_MESSAGE = "Input required"


def ask(key: str, question: Question) -> Any:
    """Ask the caller of this call, and return the answer.

    Args:
        key: The name of the question, unlike that of any other in the call.
        question: The question.

    Returns:
        A :class:`FormAnswer` for a form or a page; a dict for the others.

    Raises:
        CannotAskError: The call does not come from a client that can be asked.
        InputRequiredError: There is no answer yet. Let it pass: the function is run again when there is one.
        TypeError: It is not a question.
    """
    return ask_all(**{key: question})[key]


def ask_all(**questions: Question) -> dict[str, Any]:
    """Ask several questions at once, and return the answers by their keys; see :func:`ask`."""
    call = current_call()
    if call is None or call.answers is None:
        raise CannotAskError
    refuse_other_values(questions)
    answers: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for key, question in questions.items():
        result = call.answers.get(key)
        if isinstance(result, dict):
            try:
                answers[key] = question.answer(result)
            except ValueError as exc:  # asked again
                reasons[key] = str(exc)
    if len(answers) == len(questions):
        return answers
    open_questions = {
        key: written(question, reasons.get(key)) for key, question in questions.items() if key not in answers
    }
    raise InputRequiredError(data=open_questions)


def refuse_other_values(questions: Mapping[str, Any]) -> None:
    for key, question in questions.items():
        if not isinstance(question, Question):
            raise TypeError(
                f"ask: {key}={short_repr(question, 100)} is refused: it takes a Form, Visit, Sample or ListRoots"
            )


def written(question: Question, reason: str | None) -> dict[str, Any]:
    """Return a question for a client, and why an earlier answer could not be used, if there was one."""
    params = question.params()
    if reason is not None and "message" in params:
        params["message"] = f"{params['message']} (The last answer could not be used: {reason})"
    return {
        "method": question.METHOD,
        "params": params,
        "requires": question.required_capability(),
        "reason": reason,
    }


def questions_in(error: Any) -> dict[str, Any] | None:
    """Return the questions in the error of a call; None if it asks nothing. The error may come from another process."""
    data = getattr(error, "data", None)
    if getattr(error, "code", None) != InputRequiredError.ERROR_CODE or not isinstance(data, dict):
        return None
    return data


def client_offers() -> Mapping[str, Any]:
    """Return what the client of this call offers, by name, such as ``sampling``; empty if it cannot be asked."""
    call = current_call()
    return {} if call is None or call.answers is None else call.answers.get(CLIENT_OFFERS, {})


CLIENT_OFFERS = ""
"""The key of what the client offers among the answers, which no question can have."""

MAY_BEGIN_TASK = "\0task"
"""The key among the answers of a call that may become a task."""

HIDDEN_KEYS = frozenset({CLIENT_OFFERS, MAY_BEGIN_TASK})
"""The keys among the answers that no client can send."""
