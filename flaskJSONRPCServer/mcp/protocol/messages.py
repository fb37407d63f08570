"""Messages of the Model Context Protocol: JSON-RPC 2.0, with a few more rules.

A body holds one message. An id is a string or an integer, and parameters are an object.

Source: revision 2026-07-28, "Overview", section "Messages".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from ...sansio_jsonrpc import (
    ABSENT,
    Codec,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcException,
    JsonRpcInvalidMessage,
    JsonRpcMessage,
    JsonRpcRequest,
    JsonRpcResponse,
    encode_notification,
    encode_object,
    encode_result,
    make_decoder,
)
from .errors import InvalidRequest, McpError, ParseError

__all__ = [
    "BATCH_REFUSED",
    "NO_PARAMS",
    "Body",
    "Send",
    "checked",
    "error_text",
    "notification_text",
    "params_of",
    "pong_text",
    "read_body",
]

Body = JsonRpcRequest | JsonRpcResponse | JsonRpcBatch
"""A decoded body: one message, or a batch whose messages have not been checked."""

BATCH_REFUSED: Final = "Invalid Request: a batch; send each message in a request of its own"
"""The message of the error for a batch in a revision without batches."""

Send = Callable[[bytes], object]
"""Sends a message to the client."""

NO_PARAMS: Final[Mapping[str, Any]] = {}
"""The parameters of a message without any."""

# Longer batches are refused, as by `decode`.
_MAX_BATCH_LENGTH = 1000


@lru_cache(16)
def decoder_of(codec: Codec) -> Callable[[bytes], JsonRpcMessage | JsonRpcBatch]:
    return make_decoder(codec, _MAX_BATCH_LENGTH)


def read_body(text: bytes, codec: Codec) -> Body:
    """Read the body of a request: a message, or a batch, which only one revision has.

    Raises:
        ParseError: It is not JSON, or exceeds a limit.
        InvalidRequest: It is no message of the protocol. The messages in a batch are not checked.
    """
    try:
        message = decoder_of(codec)(text)
    except JsonRpcException as exc:
        error: McpError = ParseError(exc.message) if exc.code == ParseError.code else InvalidRequest(exc.message)
        raise error from exc
    # As nearly all are: a request with an integer as the id, and an object.
    if type(message) is JsonRpcRequest and type(message.id) is int and type(message.params) is dict:
        return message
    return message if isinstance(message, JsonRpcBatch) else checked(message)


def checked(message: JsonRpcMessage) -> JsonRpcRequest | JsonRpcResponse:
    """Return a message, if the protocol allows it.

    Raises:
        InvalidRequest: It does not.
    """
    if isinstance(message, JsonRpcRequest):
        check_request(message)
    elif isinstance(message, JsonRpcInvalidMessage):
        refusal = InvalidRequest(message.error.message)
        refusal.request_id = message.id if is_id(message.id) else None
        raise refusal
    return message


def check_request(message: JsonRpcRequest) -> None:
    """Check what JSON-RPC allows and this protocol does not.

    Raises:
        InvalidRequest: The id is neither a string nor an integer, or the parameters are no object.
    """
    if message.id is not ABSENT and not is_id(message.id):
        raise InvalidRequest("Invalid Request: the id is neither a string nor an integer")
    if message.params is not None and not isinstance(message.params, dict):
        refusal = InvalidRequest("Invalid Request: params is not an object")
        refusal.request_id = message.id
        raise refusal


def is_id(value: Any) -> bool:
    """Return whether a value may be the id of a request."""
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def params_of(message: JsonRpcRequest) -> Mapping[str, Any]:
    """Return the parameters of a checked message; empty without any."""
    return message.params if isinstance(message.params, dict) else NO_PARAMS


def error_text(codec: Codec, request_id: Any, error: JsonRpcError) -> bytes:
    """Return the response with an error; without an id if the request's is not known."""
    members: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not ABSENT:
        members["data"] = error.data
    known = {} if request_id is ABSENT or request_id is None else {"id": request_id}
    return encode_object(codec, {"jsonrpc": "2.0", **known, "error": members})


def pong_text(codec: Codec, request_id: Any) -> bytes:
    """Return the response to a ``ping`` that comes before a session begins."""
    return encode_result(codec, request_id, {})


def notification_text(codec: Codec, method: str, params: Mapping[str, Any]) -> bytes:
    """Return a notification."""
    return encode_notification(codec, method, dict(params))
