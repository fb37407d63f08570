"""Questions that a function asks its caller while it runs: a form, a page to visit, a model's answer, its folders.

The function is run again from its start for each round of answers, on any worker: nothing of it is kept meanwhile.
So everything before :func:`ask` must be harmless when it is repeated.

Source: revision 2026-07-28, "Multi Round-Trip Requests".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..dispatch.call_control import current_call
from ..sansio_jsonrpc import JsonRpcApplicationError, JsonRpcReservedError
from .form_fields import checked_fields

__all__ = [
    "CannotAskError",
    "Form",
    "FormAnswer",
    "InputRequiredError",
    "ListRoots",
    "Question",
    "Sample",
    "Visit",
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


class Question:
    """Something to ask a client.

    Attributes:
        METHOD: The request that asks it.
        CAPABILITY: What the client must have declared.
    """

    METHOD: ClassVar[str]
    CAPABILITY: ClassVar[str]

    __slots__ = ()

    def params(self) -> dict[str, Any]:
        """Return the parameters of the request."""
        raise NotImplementedError

    def answer(self, result: Mapping[str, Any]) -> Any:
        """Return what the client has answered.

        Raises:
            ValueError: It is no answer to this question.
        """
        return dict(result)

    def required_capability(self) -> dict[str, Any]:
        """Return what the client must have declared, as it declares it."""
        return {self.CAPABILITY: {}}


@dataclass(frozen=True, slots=True)
class FormAnswer:
    """What a user has done with a form or a page.

    Attributes:
        action: ``accept``, ``decline`` or ``cancel``.
        content: The values of the fields, if the user has accepted.
    """

    action: str
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        """Whether the user has accepted."""
        return self.action == "accept"


_ACTIONS = ("accept", "decline", "cancel")


@dataclass(frozen=True, slots=True)
class Form(Question):
    """A form for the user.

    Attributes:
        message: What the user is asked.
        schema: The fields: a JSON Schema of an object with plain fields.

    Raises:
        TypeError: The schema is not a dict with dicts in ``properties``.
        ValueError: A field is an object, or a list of objects: no form has these.
    """

    METHOD = "elicitation/create"
    CAPABILITY = "elicitation"

    message: str
    schema: Mapping[str, Any]

    def __post_init__(self) -> None:
        fields = self.schema.get("properties", {}) if isinstance(self.schema, Mapping) else None
        if not isinstance(fields, Mapping) or not all(isinstance(one, Mapping) for one in fields.values()):
            raise TypeError(f"Form: schema={self.schema!r:.200} is refused: it takes the JSON Schema of an object")
        for name, field_schema in fields.items():
            if is_nested(field_schema):
                raise ValueError(f"Form: the field {name!r} is refused: a form has no objects in its fields")

    def params(self) -> dict[str, Any]:
        """Return the parameters of the request."""
        return {"mode": "form", "message": self.message, "requestedSchema": dict(self.schema)}

    def answer(self, result: Mapping[str, Any]) -> FormAnswer:
        """Return what the user has done.

        Raises:
            ValueError: A field is missing or breaks a rule of the schema, or it is no answer to a form.
        """
        action, content = result.get("action"), result.get("content") or {}
        if action not in _ACTIONS or not isinstance(content, dict):
            raise ValueError("it is not an answer to a form")
        if action != "accept":
            return FormAnswer(action)
        return FormAnswer(action, checked_fields(content, self.schema))


def is_nested(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema is that of an object, or of a list of objects."""
    items = schema.get("items")
    is_object = schema.get("type") == "object" or "properties" in schema or "$ref" in schema
    return is_object or (isinstance(items, Mapping) and is_nested(items))


@dataclass(frozen=True, slots=True)
class Visit(Question):
    """A page that the user is asked to visit, such as one to log in, which the client does not see.

    Attributes:
        message: Why.
        url: The page.
    """

    METHOD = "elicitation/create"
    CAPABILITY = "elicitation"

    message: str
    url: str

    def params(self) -> dict[str, Any]:
        """Return the parameters of the request."""
        return {"mode": "url", "message": self.message, "url": self.url}

    def required_capability(self) -> dict[str, Any]:
        """Return what the client must have declared."""
        return {"elicitation": {"url": {}}}

    def answer(self, result: Mapping[str, Any]) -> FormAnswer:
        """Return what the user has done.

        Raises:
            ValueError: It is no answer to this.
        """
        action = result.get("action")
        if action not in _ACTIONS:
            raise ValueError("it is not an answer to a page")
        return FormAnswer(str(action))


@dataclass(frozen=True, slots=True)
class Sample(Question):
    """Messages for the model of the client.

    Attributes:
        messages: A text, or messages with ``role`` and ``content``.
        max_tokens: The length of its answer.
        options: Further parameters, such as ``systemPrompt`` or ``modelPreferences``.
    """

    METHOD = "sampling/createMessage"
    CAPABILITY = "sampling"

    messages: str | Sequence[Mapping[str, Any]]
    max_tokens: int = 1000
    options: Mapping[str, Any] = field(default_factory=dict)

    def params(self) -> dict[str, Any]:
        """Return the parameters of the request."""
        messages: Any = self.messages
        if isinstance(messages, str):
            messages = [{"role": "user", "content": {"type": "text", "text": messages}}]
        return {"messages": list(messages), "maxTokens": self.max_tokens, **self.options}

    def answer(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return the model's message: ``role``, ``content``, ``model``, ``stopReason``.

        Raises:
            ValueError: It is no message.
        """
        if "content" not in result:
            raise ValueError("no message")
        return dict(result)


@dataclass(frozen=True, slots=True)
class ListRoots(Question):
    """The folders that the client works in."""

    METHOD = "roots/list"
    CAPABILITY = "roots"

    def params(self) -> dict[str, Any]:
        """Return the parameters of the request."""
        return {}

    def answer(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return the folders, in ``roots``.

        Raises:
            ValueError: There are none.
        """
        if not isinstance(result.get("roots"), list):
            raise ValueError("no roots")
        return dict(result)


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
    """
    return ask_all(**{key: question})[key]


def ask_all(**questions: Question) -> dict[str, Any]:
    """Ask several questions at once, and return the answers by their keys; see :func:`ask`."""
    call = current_call()
    if call is None or call.answers is None:
        raise CannotAskError
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


def written(question: Question, reason: str | None) -> dict[str, Any]:
    """Return a question for a client; its message says why an earlier answer could not be used, if there was one."""
    params = question.params()
    if reason is not None and "message" in params:
        params["message"] = f"{params['message']} (The last answer could not be used: {reason})"
    return {
        "method": question.METHOD,
        "params": params,
        "requires": question.required_capability(),
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
