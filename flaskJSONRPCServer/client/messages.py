"""Read the answers to calls and to batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..sansio_jsonrpc import (
    Codec,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcException,
    JsonRpcInvalidMessage,
    JsonRpcInvalidRequestError,
    JsonRpcParseError,
    JsonRpcResponse,
    OptionalId,
    RequestId,
    decode,
)
from .errors import HttpStatusError, ProtocolError
from .transports.base import ClientResponse

__all__ = ["Answer", "Errors", "exception_of", "read_answer", "read_batch", "read_notified"]

Errors = Mapping[int, type[JsonRpcException]]
"""Classes of exceptions by their codes. They come before the classes that are known everywhere."""

Answer = tuple[RequestId, Any]
"""The id of a call, with its result or its `JsonRpcError`: it takes much less time to make than a `JsonRpcResponse`."""

_SUCCESS: Final = range(200, 300)


def read_answer(response: ClientResponse, request_id: int, codec: Codec, errors: Errors, url: str) -> Any:
    """Return the result of a call to a URL, which an `HttpStatusError` names.

    Raises:
        JsonRpcException: The server answered with an error.
        HttpStatusError: There is no JSON-RPC answer.
        ProtocolError: The answer is not one to this call.
    """
    message = read_message(response, codec, url)
    if message is None:
        raise ProtocolError(f"HTTP status {response.status} and no body in answer to a call")
    if isinstance(message, list):
        raise ProtocolError("a batch in answer to one call")
    answered_id, outcome = message
    if isinstance(outcome, JsonRpcError):
        if answered_id != request_id and answered_id is not None:
            raise ProtocolError(f"an error for the id {answered_id!r} in answer to the call {request_id}")
        raise exception_of(outcome, request_id, errors)
    if answered_id != request_id:
        raise ProtocolError(f"a result for the id {answered_id!r} in answer to the call {request_id}")
    return outcome


def read_notified(response: ClientResponse, codec: Codec, url: str) -> None:
    """Check the answer to a notification, which has no body; a result in it is ignored.

    Raises:
        JsonRpcException: The server answered with an error: it could not read the notification.
        HttpStatusError: The status says that the notification was refused.
        ProtocolError: The answer is not JSON-RPC.
    """
    message = read_message(response, codec, url)
    if isinstance(message, tuple) and isinstance(message[1], JsonRpcError):
        raise exception_of(message[1], None, {})


def read_batch(response: ClientResponse, codec: Codec, url: str) -> list[Answer]:
    """Return the answers to a batch, in the order of the server.

    Raises:
        JsonRpcException: The server refused the whole batch with one error.
        HttpStatusError: There is no JSON-RPC answer.
        ProtocolError: The answer is not a batch of responses.
    """
    message = read_message(response, codec, url)
    if message is None:
        return []
    if isinstance(message, list):
        return message
    answered_id, outcome = message
    if isinstance(outcome, JsonRpcError) and answered_id is None:
        raise exception_of(outcome, None, {})
    raise ProtocolError("one message in answer to a batch")


def exception_of(error: JsonRpcError, request_id: OptionalId, errors: Errors) -> JsonRpcException:
    """Return the exception for an error: of the class that declares its code."""
    declared = errors.get(error.code)
    exc = JsonRpcException.exc_from_error(error)
    if declared is not None and type(exc) is not declared:
        other = declared.__new__(declared)
        other.__setstate__({**exc.__dict__})
        other.args = exc.args
        exc = other
    exc.request_id = request_id
    return exc


def read_message(response: ClientResponse, codec: Codec, url: str) -> Answer | list[Answer] | None:
    """Return the answer, or those of a batch; None if there is no body."""
    if response.status not in _SUCCESS:
        return error_of_status(response, codec, url)
    if not response.body:
        return None
    return decode_answers(response.body, codec)


def error_of_status(response: ClientResponse, codec: Codec, url: str) -> Answer:
    """Return the error that came with an HTTP status of failure, as some servers send them.

    Raises:
        HttpStatusError: The body is anything else.
    """
    try:
        message = decode_answers(response.body, codec)
    except ProtocolError:
        message = None
    if isinstance(message, tuple) and isinstance(message[1], JsonRpcError):
        return message
    raise HttpStatusError(response.status, response.body.decode("utf-8", "replace"), response.headers, url)


def decode_answers(body: bytes, codec: Codec) -> Answer | list[Answer]:
    """Decode an answer, or those to a batch. Results take a fast path past the checks that give reasons.

    Raises:
        ProtocolError: It is not a response, or a batch of them.
    """
    try:
        tree = codec.loads(body)
    except JsonRpcParseError:
        return decode_slowly(body, codec)
    is_batch = type(tree) is list and bool(tree)
    answers = results_in(tree if is_batch else [tree])
    if answers is None:
        return decode_slowly(body, codec)
    return answers if is_batch else answers[0]


def results_in(items: list[Any]) -> list[Answer] | None:
    """Return the results in plain responses, with integers as ids; None if an item is anything else."""
    try:
        # With three members, there is neither an error nor a method.
        answers: list[Answer] = [
            (item["id"], item["result"])
            for item in items
            if len(item) == 3 and item["jsonrpc"] == "2.0" and type(item["id"]) is int
        ]
    except (KeyError, TypeError):  # TypeError: it is no object
        return None
    return answers if len(answers) == len(items) else None


def decode_slowly(body: bytes, codec: Codec) -> Answer | list[Answer]:
    try:
        message = decode(body, codec, max_batch_length=None)
    except (JsonRpcParseError, JsonRpcInvalidRequestError) as exc:
        raise ProtocolError(f"the answer is not JSON-RPC: {exc.message}; it begins with {body[:80]!r}") from exc
    if isinstance(message, JsonRpcBatch):
        return [checked_answer(item) for item in message]
    return checked_answer(message)


def checked_answer(message: Any) -> Answer:
    if isinstance(message, JsonRpcResponse):
        return message.id, message.result if message.error is None else message.error
    if isinstance(message, JsonRpcInvalidMessage):
        raise ProtocolError(f"the answer is not JSON-RPC: {message.error.message}")
    raise ProtocolError("the answer has a call in it")
