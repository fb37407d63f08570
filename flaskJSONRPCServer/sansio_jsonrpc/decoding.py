"""Decode bytes to messages, and check them against JSON-RPC 2.0, sections 4 to 6."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from .codecs import Codec, LongInteger, NumberLiteral, exact_number
from .exceptions import JsonRpcInvalidParamsError, JsonRpcInvalidRequestError, JsonRpcLongIntegerError
from .messages import (
    ABSENT,
    IDEMPOTENCY_KEY,
    Absent,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcInvalidMessage,
    JsonRpcKeyedRequest,
    JsonRpcMessage,
    JsonRpcRequest,
    JsonRpcResponse,
    RequestId,
)

__all__ = ["KeyedMessages", "decode", "make_decoder", "messages_of", "restore_ids", "separate_keys"]

# A custom implementation may read fractions as Decimal.
_FRACTION_TYPES: Final = frozenset({float, Decimal})
_WHOLE_ID_TYPES: Final = frozenset({str, int, type(None), Absent})
_ID_OR_ABSENT_TYPES: Final = _WHOLE_ID_TYPES | _FRACTION_TYPES | {NumberLiteral}
_ID_TYPES: Final = _ID_OR_ABSENT_TYPES - {Absent}
_STR: Final = frozenset({str})
_INT: Final = frozenset({int})
_PARAMS_TYPES: Final = frozenset({dict, list, Absent})
# Without __init__: there is one request per call, and a constructor in Python takes half as long again.
_new_request: Final = JsonRpcRequest.__new__
_TYPE_NAMES: Final = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    Decimal: "a number",
    bool: "a boolean",
    type(None): "null",
    Absent: "missing",
    LongInteger: LongInteger.MARK.value,
}


def decode(data: bytes, codec: Codec, *, max_batch_length: int | None = 1000) -> JsonRpcMessage | JsonRpcBatch:
    """Decode one JSON text to one message or to a batch.

    Args:
        data: One JSON text.
        codec: The codec that reads it.
        max_batch_length: The most messages in a batch; None for no limit.

    Returns:
        One message or a batch. JSON that is not a message becomes a `JsonRpcInvalidMessage`, so that the other messages
        of a batch can be answered.

    Raises:
        JsonRpcParseError: The text is not JSON. Answer with the id null.
        JsonRpcInvalidRequestError: The batch is empty or too long. Answer with the id null; run nothing.

    Source: JSON-RPC 2.0, sections 4, 5 and 6.
    """
    return make_decoder(codec, max_batch_length)(data)


def make_decoder(
    codec: Codec, max_batch_length: int | None, *, separates_keys: bool = False
) -> Callable[[bytes], JsonRpcMessage | JsonRpcBatch]:
    """Return `decode` for one codec and one limit, for callers with many texts.

    Args:
        codec: The codec that reads the texts.
        max_batch_length: The most messages in a batch; None for no limit.
        separates_keys: Whether the function raises messages with idempotency keys, as :func:`separate_keys` does. Then
            nobody has to look for them.
    """
    loads = codec.loads

    def decode_text(data: bytes) -> JsonRpcMessage | JsonRpcBatch:
        try:
            tree = loads(data)
            if type(tree) is dict:
                return decode_object(tree)
            return decode_tree(tree, decode_object, max_batch_length)
        except JsonRpcLongIntegerError as exc:
            message = decode_marked(exc, max_batch_length)
        except UnusualCallError:
            message = messages_of(tree, max_batch_length=max_batch_length)
        restore_ids(message, data, codec)
        if separates_keys:
            separate_keys(message)
        return message

    return decode_text


def separate_keys(message: JsonRpcMessage | JsonRpcBatch) -> None:
    """Raise messages with idempotency keys.

    Raises:
        KeyedMessages: A message has one.
    """
    messages = message if isinstance(message, JsonRpcBatch) else (message,)
    if any(isinstance(single, JsonRpcKeyedRequest) for single in messages):
        raise KeyedMessages(message)


def messages_of(tree: Any, *, max_batch_length: int | None = 1000) -> JsonRpcMessage | JsonRpcBatch:
    """Convert the value of a JSON text to one message or to a batch.

    Args:
        tree: The value, as a JSON decoder returns it.
        max_batch_length: The most messages in a batch; None for no limit.

    Returns:
        See :func:`decode`.

    Raises:
        JsonRpcInvalidRequestError: The batch is empty or too long. Answer with the id null; run nothing.
    """
    return decode_tree(tree, decode_any, max_batch_length)


def restore_ids(message: JsonRpcMessage | JsonRpcBatch, data: bytes, codec: Codec) -> None:
    """Replace ids that a float has rounded by the exact numbers of the text.

    The text is read a second time, keeping the characters of its numbers.

    Args:
        message: The message or the batch, which is changed in place.
        data: The text that it was decoded from.
        codec: The codec that decoded it.

    Source: JSON-RPC 2.0, section 5: the id of a response is the same as that of its request.
    """
    messages = message if isinstance(message, JsonRpcBatch) else (message,)
    if not any(isinstance(single.id, (float, Decimal)) for single in messages):
        return
    tree = codec.loads_literals(data)
    items = tree if isinstance(tree, list) else [tree]
    for single, item in zip(messages, items, strict=False):
        if isinstance(single.id, (float, Decimal)):
            single.id = exact_number(single.id, item.get("id") if isinstance(item, dict) else None)


class UnusualCallError(Exception):
    """An id may have been rounded, or a call has an idempotency key.

    It is an exception, so that other messages do not pay for what these need.
    """


class KeyedMessages(Exception):
    """Messages with idempotency keys.

    Attributes:
        message: The message or the batch.
    """

    def __init__(self, message: JsonRpcMessage | JsonRpcBatch) -> None:
        super().__init__()
        self.message = message


def decode_tree(
    tree: Any, decode_dict: Callable[[dict[str, Any]], JsonRpcMessage], max_batch_length: int | None
) -> JsonRpcMessage | JsonRpcBatch:
    if isinstance(tree, list):
        check_length(tree, max_batch_length)
        return JsonRpcBatch([decode_dict(item) if isinstance(item, dict) else decode_any(item) for item in tree])
    return decode_dict(tree) if isinstance(tree, dict) else decode_any(tree)


def check_length(tree: list[Any], max_batch_length: int | None) -> None:
    if not tree:
        raise JsonRpcInvalidRequestError("Invalid Request: the batch is empty")
    if max_batch_length is not None and len(tree) > max_batch_length:
        raise JsonRpcInvalidRequestError(
            f"Invalid Request: a batch of {len(tree)}; at most {max_batch_length} are read"
        )


def decode_object(item: dict[str, Any]) -> JsonRpcMessage:
    """Decode a message, with a fast path for calls whose id cannot be rounded.

    Raises:
        UnusualCallError: The id may have been rounded, or the call has an idempotency key.
    """
    try:
        method, params, request_id = item["method"], item.get("params"), item.get("id", ABSENT)
        if (
            item["jsonrpc"] == "2.0"
            and type(method) is str
            and (type(params) is dict or type(params) is list or (params is None and "params" not in item))
            and (type(request_id) is int or type(request_id) in _WHOLE_ID_TYPES)
            and "idempotencyKey" not in item  # the constant would take longer
        ):
            message = _new_request(JsonRpcRequest)
            message.method, message.params, message.id = method, params, request_id
            return message
    except KeyError:  # a member is missing
        pass
    if type(item.get("id")) in _FRACTION_TYPES or IDEMPOTENCY_KEY in item:
        raise UnusualCallError
    return decode_any(item)


def decode_any(item: Any) -> JsonRpcMessage:
    if not isinstance(item, dict):
        return invalid_message(None, f"a message must be an object, not {type_name(item)}")
    if "method" not in item:
        return decode_response(item)
    fault = fault_of_request(item)
    if fault:
        return invalid_message(valid_id(item), fault)
    members = item["method"], item.get("params"), item.get("id", ABSENT)
    return JsonRpcKeyedRequest(*members, item) if IDEMPOTENCY_KEY in item else JsonRpcRequest(*members)


def decode_response(item: dict[str, Any]) -> JsonRpcMessage:
    fault = fault_of_response(item)
    if fault:
        return invalid_message(valid_id(item), fault)
    if "error" not in item:
        return JsonRpcResponse(item["id"], item["result"])
    error = item["error"]
    return JsonRpcResponse(item["id"], error=JsonRpcError(error["code"], error["message"], error.get("data", ABSENT)))


def fault_of_request(item: dict[str, Any]) -> str:
    return (
        fault_of_version(item)
        or fault_of_member(item, "method", _STR, "a string")
        or fault_of_member(item, "params", _PARAMS_TYPES, "an array or an object")
        or fault_of_member(item, "id", _ID_OR_ABSENT_TYPES, "a string, a number or null")
    )


def fault_of_response(item: dict[str, Any]) -> str:
    if ("result" in item) == ("error" in item):
        return "a message must have one of method, result and error"
    return (
        fault_of_version(item)
        or fault_of_member(item, "id", _ID_TYPES, "a string, a number or null")
        or fault_of_error(item.get("error", ABSENT))
    )


def fault_of_error(error: Any) -> str:
    if error is ABSENT:
        return ""
    if not isinstance(error, dict):
        return f"error must be an object, not {type_name(error)}"
    return fault_of_member(error, "code", _INT, "an integer") or fault_of_member(error, "message", _STR, "a string")


def fault_of_version(item: dict[str, Any]) -> str:
    if item.get("jsonrpc") == "2.0":
        return ""
    # Notifications, errors and parameters of 1.0 differ. Guessing the version would answer some messages wrongly.
    reason = "" if "jsonrpc" in item else "; without it this is JSON-RPC 1.0, which is not served"
    return f'jsonrpc must be "2.0"{reason}'


def fault_of_member(item: dict[str, Any], member: str, types: frozenset[object], expected: str) -> str:
    value = item.get(member, ABSENT)
    return "" if type(value) in types else f"{member} must be {expected}, not {type_name(value)}"


def type_name(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def valid_id(item: dict[str, Any]) -> RequestId:
    request_id: RequestId = item.get("id")
    return request_id if type(request_id) in _ID_TYPES else None


def invalid_message(request_id: RequestId, fault: str) -> JsonRpcInvalidMessage:
    return JsonRpcInvalidMessage(request_id, JsonRpcInvalidRequestError(f"Invalid Request: {fault}").get_error())


def decode_marked(exc: JsonRpcLongIntegerError, max_batch_length: int | None) -> JsonRpcMessage | JsonRpcBatch:
    if isinstance(exc.tree, list):
        check_length(exc.tree, max_batch_length)
        return JsonRpcBatch(refuse_marked(decode_any(item), exc) for item in exc.tree)
    return refuse_marked(decode_any(exc.tree), exc)


def refuse_marked(message: JsonRpcMessage, exc: JsonRpcLongIntegerError) -> JsonRpcMessage:
    """Return an invalid message for one with the mark of a long integer; return any other message unchanged."""
    fault = exc.message.removeprefix("Parse error: ")
    if isinstance(message, JsonRpcRequest) and has_mark(message.params):
        return JsonRpcInvalidMessage(message.id, JsonRpcInvalidParamsError(f"Invalid params: {fault}").get_error())
    if isinstance(message, JsonRpcResponse) and has_mark([message.result, message.error and message.error.data]):
        return invalid_message(message.id, fault)
    return message


def has_mark(value: Any) -> bool:
    unseen = [value]
    while unseen:
        value = unseen.pop()
        if value is LongInteger.MARK:
            return True
        unseen.extend(children_of(value))
    return False


def children_of(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
