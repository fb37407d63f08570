"""Encode values to the bytes of one message, with the members in the order jsonrpc, result or error, id."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any, Final

from .codecs import Codec, NumberLiteral
from .exceptions import JsonRpcSerializationError
from .messages import ABSENT, JsonRpcError, OptionalId

__all__ = [
    "encode_error",
    "encode_notification",
    "encode_object",
    "encode_request",
    "encode_result",
    "encode_result_text",
]

_PARAMS_TYPES: Final = (dict, list, tuple, type(None))


def encode_request(codec: Codec, request_id: OptionalId, method: str, params: Any = None) -> bytes:
    """Encode a call.

    Args:
        codec: The codec that writes the values.
        request_id: The id of the call; `ABSENT` makes a notification.
        method: The name of the method.
        params: By name (dict), by position (list or tuple), or None for none.

    Raises:
        TypeError: The id, the name or the parameters have a type that the specification does not allow.
        JsonRpcSerializationError: The parameters cannot be written as JSON.

    Source: JSON-RPC 2.0, section 4.
    """
    if not isinstance(method, str):
        raise TypeError(f"method must be a str, not {type(method).__name__}")
    if not isinstance(params, _PARAMS_TYPES):
        raise TypeError(f"params must be a dict, a list, a tuple or None, not {type(params).__name__}")
    params_member = b"" if params is None else b',"params":' + codec.dumps(params)
    id_member = b"" if request_id is ABSENT else b',"id":' + encode_id(codec, request_id)
    return b'{"jsonrpc":"2.0","method":%b%b%b}' % (codec.dumps(method), params_member, id_member)


def encode_notification(codec: Codec, method: str, params: Any = None) -> bytes:
    """Encode a notification: see `encode_request`."""
    return encode_request(codec, ABSENT, method, params)


def encode_result(codec: Codec, request_id: OptionalId, result: Any) -> bytes:
    """Encode the response to a call that succeeded.

    Args:
        codec: The codec that writes the values.
        request_id: The id of the call, unchanged.
        result: Any JSON value, including None.

    Returns:
        The response; b"" if the id is `ABSENT`, since a notification has no response.

    Raises:
        TypeError: The id has a type that the specification does not allow.
        JsonRpcSerializationError: The result cannot be written as JSON. Answer with its `get_error()`.

    Source: JSON-RPC 2.0, section 5.
    """
    if type(request_id) is int:
        try:
            if type(result) is int and codec.writes_standard_form:
                return b'{"jsonrpc":"2.0","result":%d,"id":%d}' % (result, request_id)
            return b'{"jsonrpc":"2.0","result":%b,"id":%d}' % (codec.dumps(result), request_id)
        except ValueError:  # too many digits: the code below raises the documented exception
            pass
    if request_id is ABSENT:
        return b""
    return b'{"jsonrpc":"2.0","result":%b,"id":%b}' % (codec.dumps(result), encode_id(codec, request_id))


def encode_result_text(codec: Codec, request_id: OptionalId, result: bytes) -> bytes:
    """Encode the response to a call whose result is JSON already.

    Args:
        codec: The codec that writes the id.
        request_id: The id of the call, unchanged.
        result: The result as JSON, in UTF-8.

    Returns:
        The response; b"" if the id is `ABSENT`, since a notification has no response.
    """
    if request_id is ABSENT:
        return b""
    return b'{"jsonrpc":"2.0","result":%b,"id":%b}' % (result, encode_id(codec, request_id))


def encode_error(codec: Codec, request_id: OptionalId, error: JsonRpcError) -> bytes:
    """Encode the response to a call that failed.

    Args:
        codec: The codec that writes the values.
        request_id: The id of the call; None if it is not known.
        error: The error.

    Returns:
        The response; b"" if the id is `ABSENT`, since a notification has no response.

    Raises:
        TypeError: The id has a type that the specification does not allow.
        JsonRpcSerializationError: The error's data cannot be written as JSON.

    Source: JSON-RPC 2.0, section 5.1.
    """
    if request_id is ABSENT:
        return b""
    members = {"code": error.code, "message": error.message}
    if error.data is not ABSENT:
        members["data"] = error.data
    return b'{"jsonrpc":"2.0","error":%b,"id":%b}' % (codec.dumps(members), encode_id(codec, request_id))


def encode_object(codec: Codec, value: Any) -> bytes:
    """Encode a value as `codec.dumps` does, but keep the characters of the id of a response object.

    Raises:
        JsonRpcSerializationError: The value has no JSON form.
    """
    if type(value) is not dict or not isinstance(value.get("id"), NumberLiteral):
        return codec.dumps(value)
    members = [
        b'"id":' + encode_id(codec, member) if name == "id" else codec.dumps({name: member}).strip()[1:-1]
        for name, member in value.items()
    ]
    return b"{%b}" % b",".join(members)


def encode_id(codec: Codec, request_id: OptionalId) -> bytes:
    if type(request_id) is int:
        try:
            return b"%d" % request_id
        except ValueError as exc:  # too many digits
            raise JsonRpcSerializationError from exc
    if request_id is None:
        return b"null"
    if type(request_id) is str:
        return codec.dumps(request_id)
    if isinstance(request_id, (float, Decimal)):  # without the codec: a custom one may round it
        return encode_fraction(request_id)
    raise TypeError(f"an id must be a str, an int, a float or None, not {type(request_id).__name__}")


def encode_fraction(number: float | Decimal) -> bytes:
    if isinstance(number, NumberLiteral):
        return number.text.encode()
    if not isfinite(number):
        raise JsonRpcSerializationError from ValueError(f"an id cannot be {number}: JSON has no such number")
    return str(number).encode() if isinstance(number, Decimal) else float.__repr__(number).encode()
