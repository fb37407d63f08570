"""Answer JSON-RPC by a function, for clients in this process: a transport without a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..client import ClientRequest, ClientResponse, Deadline
from ..client.types.values import write_value
from ..sansio_jsonrpc import (
    JsonRpcException,
    JsonRpcInvalidMessage,
    JsonRpcInvalidRequestError,
    JsonRpcMessage,
    JsonRpcPeer,
    JsonRpcRequest,
    make_codec,
)

__all__ = ["PEER", "Answer", "AnsweringTransport"]

Answer = Callable[[JsonRpcRequest], Any]
"""Returns the result of a call, or raises a JsonRpcException. Other exceptions go to the caller of the transport."""

PEER: Final = JsonRpcPeer(make_codec("json", default=write_value), max_batch_length=None)


class AnsweringTransport:
    """Answers requests by a function: a `Transport`.

    Args:
        answer: The function.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Answer a message or a batch."""
        body = self._answer_body(request.body)
        return ClientResponse(200 if body else 204, {"content-type": "application/json"} if body else {}, body)

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _answer_body(self, body: bytes) -> bytes:
        try:
            messages = PEER.parse(body)
        except JsonRpcException as exc:
            return PEER.respond_with_error(JsonRpcInvalidMessage(exc.request_id, exc.get_error()), exc.get_error())
        answers = [self._answer_message(message) for message in messages]
        # A batch is answered with a batch, even if it has one message.
        return answers[0] if type(messages) is tuple else PEER.respond_with_batch(answers)

    def _answer_message(self, message: JsonRpcMessage) -> bytes:
        if isinstance(message, JsonRpcInvalidMessage):
            return PEER.respond_with_error(message, message.error)
        if not isinstance(message, JsonRpcRequest):
            return PEER.respond_with_error(None, JsonRpcInvalidRequestError().get_error())
        try:
            return PEER.respond_with_result(message, self._answer(message))
        except JsonRpcException as exc:
            return PEER.respond_with_error(message, exc.get_error())
