"""JSON-RPC 2.0 without I/O: convert bytes to messages and messages to bytes.

Only the standard library is imported here. `docs/sansio.md` explains how to use it.
"""

from .codecs import (
    Codec,
    IncrementalCodec,
    JsonLimits,
    NumberLiteral,
    Unwritable,
    find_unwritable,
    make_codec,
)
from .decoding import KeyedMessages, decode, make_decoder, messages_of, restore_ids, separate_keys
from .encoding import (
    encode_error,
    encode_notification,
    encode_object,
    encode_request,
    encode_result,
    encode_result_text,
)
from .exceptions import (
    JsonRpcApplicationError,
    JsonRpcException,
    JsonRpcFramingError,
    JsonRpcInternalError,
    JsonRpcInvalidParamsError,
    JsonRpcInvalidRequestError,
    JsonRpcMethodNotFoundError,
    JsonRpcParseError,
    JsonRpcReservedError,
    JsonRpcSerializationError,
)
from .framing import ConcatenatedFraming, ContentLengthFraming, Framing, NewlineFraming
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
    OptionalId,
    Params,
    RequestId,
)
from .peer import JsonRpcPeer
from .stream import JsonRpcStream

__all__ = [
    "ABSENT",
    "IDEMPOTENCY_KEY",
    "Absent",
    "Codec",
    "ConcatenatedFraming",
    "ContentLengthFraming",
    "Framing",
    "IncrementalCodec",
    "JsonLimits",
    "JsonRpcApplicationError",
    "JsonRpcBatch",
    "JsonRpcError",
    "JsonRpcException",
    "JsonRpcFramingError",
    "JsonRpcInternalError",
    "JsonRpcInvalidMessage",
    "JsonRpcInvalidParamsError",
    "JsonRpcInvalidRequestError",
    "JsonRpcKeyedRequest",
    "JsonRpcMessage",
    "JsonRpcMethodNotFoundError",
    "JsonRpcParseError",
    "JsonRpcPeer",
    "JsonRpcRequest",
    "JsonRpcReservedError",
    "JsonRpcResponse",
    "JsonRpcSerializationError",
    "JsonRpcStream",
    "KeyedMessages",
    "NewlineFraming",
    "NumberLiteral",
    "OptionalId",
    "Params",
    "RequestId",
    "Unwritable",
    "decode",
    "encode_error",
    "encode_notification",
    "encode_object",
    "encode_request",
    "encode_result",
    "encode_result_text",
    "find_unwritable",
    "make_codec",
    "make_decoder",
    "messages_of",
    "restore_ids",
    "separate_keys",
]
