"""From the messages of a request to the bytes of its answer."""

from __future__ import annotations

from ..sansio_jsonrpc import (
    ABSENT,
    Codec,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcException,
    JsonRpcInvalidMessage,
    JsonRpcInvalidRequestError,
    JsonRpcMethodNotFoundError,
    JsonRpcRequest,
    JsonRpcResponse,
    JsonRpcSerializationError,
    decode,
    encode_error,
    encode_result,
)
from ..settings import Settings
from .exchange import Exchange
from .invoker import Invoker
from .routes import Endpoint

__all__ = ["RESPONSE_TOO_LARGE", "Answerer"]

RESPONSE_TOO_LARGE = -32001
"""Code of the error in the place of an answer that would pass ``max_response_bytes``."""

Message = JsonRpcRequest | JsonRpcResponse | JsonRpcInvalidMessage


class Answerer:
    """Answers JSON-RPC messages by calling dispatchers.

    Args:
        settings: The frozen settings of the server.
        codec: The JSON codec.
        invoker: Who calls.
    """

    def __init__(self, settings: Settings, codec: Codec, invoker: Invoker) -> None:
        self._codec = codec
        self._invoker = invoker
        self._max_batch_length = settings.max_batch_length
        self._max_response_bytes = settings.max_response_bytes
        self._too_large = JsonRpcError(
            RESPONSE_TOO_LARGE, f"Response over max_response_bytes ({self._max_response_bytes} bytes)"
        )

    def answer_text(self, text: bytes, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer a request's text; the answer is empty where there is nothing to say."""
        try:
            message = decode(text, self._codec, max_batch_length=self._max_batch_length)
        except JsonRpcException as exc:  # not JSON, or an empty or too long batch
            return encode_error(self._codec, None, exc.get_error())
        if isinstance(message, JsonRpcBatch):
            return self._answer_batch(message, endpoint, exchange)
        return self.answer_message(message, endpoint, exchange)

    def answer_message(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer one message; the answer to a notification is empty."""
        reply = self._reply(message, endpoint, exchange)
        return reply if len(reply) <= self._max_response_bytes else self._refuse(message)

    def _answer_batch(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> bytes:
        replies: list[bytes] = []
        room = self._max_response_bytes
        for message in batch:
            reply = self._reply(message, endpoint, exchange) if room >= 0 else b""
            room -= len(reply)
            replies.append(reply if room >= 0 else self._refuse(message))
        said = b",".join(filter(None, replies))
        return b"[" + said + b"]" if said else b""

    def _reply(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes:
        if isinstance(message, JsonRpcRequest):
            return self._reply_to_call(message, endpoint, exchange)
        if isinstance(message, JsonRpcInvalidMessage):
            return encode_error(self._codec, message.id, message.error)
        refused = JsonRpcInvalidRequestError("Invalid Request: this is a response, and nothing was asked")
        return encode_error(self._codec, None, refused.get_error())

    def _reply_to_call(self, call: JsonRpcRequest, endpoint: Endpoint, exchange: Exchange) -> bytes:
        is_notification = call.id is ABSENT
        try:
            route = endpoint.routes.get(call.method)
            if route is None:
                raise JsonRpcMethodNotFoundError
            result = self._invoker.invoke(route, call.params, exchange, notify=is_notification)
            return b"" if is_notification else self._reply_with_result(call, result, exchange)
        except JsonRpcException as exc:
            return self._reply_with_error(call, exc.get_error(), exchange)

    def _reply_with_result(self, call: JsonRpcRequest, result: object, exchange: Exchange) -> bytes:
        try:
            return encode_result(self._codec, call.id, result)
        except JsonRpcSerializationError as exc:
            what = f"the result of {call.method!r} cannot be sent as JSON"
            raise self._invoker.internal_error(what, exchange) from exc

    def _reply_with_error(self, call: JsonRpcRequest, error: JsonRpcError, exchange: Exchange) -> bytes:
        try:
            return encode_error(self._codec, call.id, error)
        except JsonRpcSerializationError:
            what = f"the error data of {call.method!r} cannot be sent as JSON"
            return encode_error(self._codec, call.id, self._invoker.internal_error(what, exchange).get_error())

    def _refuse(self, message: Message) -> bytes:
        """Answer a message with an error, for want of room: it may have been run, or not."""
        call_id = None if isinstance(message, JsonRpcResponse) else message.id
        return encode_error(self._codec, call_id, self._too_large)
