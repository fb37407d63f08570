"""Questions that a function asks the client of a session: requests of the server, which the client answers.

Source: revision 2025-11-25, "Elicitation", "Sampling" and "Roots".
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from ...runtime.concurrency import make_lock
from ...sansio_jsonrpc import Codec, JsonRpcResponse, encode_request
from ..older_content import older_form
from ..protocol.revisions import WITH_PAGES

__all__ = ["OpenQuestion", "Questions", "question_params"]

_PREFIX: Final = "question-"


class OpenQuestion:
    """One question that the client has been asked.

    Args:
        request_id: The id of the request.

    Attributes:
        id: As given.
        response: The answer; None before there is one.
    """

    __slots__ = ("id", "response")

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.response: JsonRpcResponse | None = None


class Questions:
    """The open questions of one session.

    Args:
        codec: Returns the codec.
        wake: Called when an answer has come.
    """

    def __init__(self, codec: Callable[[], Codec], wake: Callable[[], object]) -> None:
        self._codec = codec
        self._wake = wake
        self._changing = make_lock()
        self._numbers = itertools.count(1)
        self._open: dict[str, OpenQuestion] = {}  # guarded by _changing

    def ask(self, method: str, params: Mapping[str, Any], send: Callable[[bytes], object]) -> OpenQuestion:
        """Send a question.

        Raises:
            JsonRpcSerializationError: A parameter has no JSON form. Nothing has been sent.
        """
        question = OpenQuestion(f"{_PREFIX}{next(self._numbers)}")
        text = encode_request(self._codec(), question.id, method, dict(params))
        with self._changing:  # before it is sent, as the answer may come at once
            self._open[question.id] = question
        try:
            send(text)
        except BaseException:
            self.forget(question)
            raise
        return question

    def answer(self, response: JsonRpcResponse) -> None:
        """Take the answer to a question; drop one that answers none."""
        with self._changing:
            question = self._open.pop(response.id, None) if isinstance(response.id, str) else None
        if question is not None:
            question.response = response
            self._wake()

    def forget(self, question: OpenQuestion) -> None:
        """Take no answer to a question any more."""
        with self._changing:
            self._open.pop(question.id, None)


def question_params(method: str, params: Mapping[str, Any], revision: str) -> dict[str, Any]:
    """Return the parameters of a question as a revision with sessions has them.

    Args:
        method: The request that asks it.
        params: The parameters, as revision 2026-07-28 has them.
        revision: The revision of the session.
    """
    if method != "elicitation/create":
        return dict(params)
    if revision not in WITH_PAGES:
        older = {name: value for name, value in params.items() if name != "mode"}
        if "requestedSchema" in older:
            older["requestedSchema"] = older_form(older["requestedSchema"])
        return older
    if params.get("mode") == "url":
        return {**params, "elicitationId": uuid.uuid4().hex}
    return dict(params)
