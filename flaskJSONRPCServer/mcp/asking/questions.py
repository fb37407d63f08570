"""Questions to the caller of a function: a form, a page to visit, a model's answer, its folders.

Source: revision 2026-07-28, "Elicitation", "Sampling" and "Roots".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...contract.urls import is_web_url
from ..content_checks import check_attribute, refusal_of
from .form_fields import checked_fields
from .sampling_options import are_messages, flaw_in_options

__all__ = ["Form", "FormAnswer", "ListRoots", "Question", "Sample", "Visit"]


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
    """The answer to a form or a page.

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
        TypeError: The message is no string, or the schema is not that of an object, with a dict for each of its
            ``properties``.
        ValueError: A field is an object, or a list of objects: no form has these.
    """

    METHOD = "elicitation/create"
    CAPABILITY = "elicitation"

    message: str
    schema: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_attribute(self, "message", str, "a string")
        is_schema = isinstance(self.schema, Mapping) and self.schema.get("type") == "object"
        fields = self.schema.get("properties", {}) if is_schema else None
        if not isinstance(fields, Mapping) or not all(isinstance(one, Mapping) for one in fields.values()):
            wanted = "the JSON Schema of an object, with 'type': 'object' and 'properties'"
            raise TypeError(refusal_of(self, "schema", f"it takes {wanted}"))
        for name, field_schema in fields.items():
            if is_nested(field_schema):
                raise ValueError(refusal_of(self, "schema", f"the field {name!r} has objects, and a form has none"))

    def params(self) -> dict[str, Any]:
        """Return the parameters of the request."""
        return {"mode": "form", "message": self.message, "requestedSchema": {"properties": {}, **self.schema}}

    def required_capability(self) -> dict[str, Any]:
        """Return what the client must have declared."""
        return {"elicitation": {"form": {}}}

    def answer(self, result: Mapping[str, Any]) -> FormAnswer:
        """Return what the user has done.

        Raises:
            ValueError: A field is missing or breaks a rule of the schema, or it is no answer to a form.
        """
        action, content = result.get("action"), result.get("content", {})
        content = {} if content is None else content
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


_URL_WORDS = "it takes an http or https URL, such as 'https://example.com/login'"


@dataclass(frozen=True, slots=True)
class Visit(Question):
    """A page that the user is asked to visit, such as one to log in, which the client does not see.

    Attributes:
        message: Why.
        url: The page, an absolute URL of http or https.

    Raises:
        TypeError: One of them is no string.
        ValueError: The URL is none of a page.
    """

    METHOD = "elicitation/create"
    CAPABILITY = "elicitation"

    message: str
    url: str

    def __post_init__(self) -> None:
        check_attribute(self, "message", str, "a string")
        check_attribute(self, "url", str, "a string")
        if not is_web_url(self.url):
            raise ValueError(refusal_of(self, "url", _URL_WORDS))

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


_TOKENS_WORDS = "an integer from 1 on"

# The options of a sample that let the model call tools of the client's.
_TOOL_OPTIONS = frozenset({"tools", "toolChoice"})


@dataclass(frozen=True, slots=True)
class Sample(Question):
    """Messages for the model of the client.

    Attributes:
        messages: A text, or messages, each a dict with ``role`` and ``content``: a part, or a list of parts.
        max_tokens: The most tokens of its answer, from 1 on.
        options: Further parameters, such as ``systemPrompt`` or ``modelPreferences``.

    Raises:
        TypeError: A message is no such dict, or another value has another type.
        ValueError: ``max_tokens`` is below 1, or an option has a value that the protocol does not allow, such as a
            ``temperature`` that is no number.
    """

    METHOD = "sampling/createMessage"
    CAPABILITY = "sampling"

    messages: str | Sequence[Mapping[str, Any]]
    max_tokens: int = 1000
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not are_messages(self.messages):
            words = "a string, or a list of dicts with 'role' and 'content', a part or a list of parts"
            check_attribute(self, "messages", str, words)
        check_attribute(self, "max_tokens", int, _TOKENS_WORDS)
        if self.max_tokens < 1:
            raise ValueError(refusal_of(self, "max_tokens", f"it takes {_TOKENS_WORDS}"))
        check_attribute(self, "options", Mapping, "a dict")
        if flaw := flaw_in_options(self.options):
            raise ValueError(refusal_of(self, "options", flaw))

    def params(self) -> dict[str, Any]:
        """Return the parameters of the request."""
        messages: Any = self.messages
        if isinstance(messages, str):
            messages = [{"role": "user", "content": {"type": "text", "text": messages}}]
        return {"messages": list(messages), "maxTokens": self.max_tokens, **self.options}

    def required_capability(self) -> dict[str, Any]:
        """Return what the client must have declared."""
        return {"sampling": {"tools": {}} if _TOOL_OPTIONS.intersection(self.options) else {}}

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
