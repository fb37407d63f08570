"""From values to the bytes of one message, members in the order jsonrpc, result or error, id."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any, Final

from .codecs import Codec, NumberLiteral
from .exceptions import JsonRpcSerializationError
from .messages import ABSENT, JsonRpcError, OptionalId

_PARAMS_TYPES: Final = (dict, list, tuple, type(None))


def encode_request(codec: Codec, request_id: OptionalId, method: str, params: Any = None) -> bytes:
    """Write a call.

    Args:
        codec: What writes the values.
        request_id: The id of the call; `ABSENT` makes a notification.
        method: The name of what to call.
        params: By name (dict), by position (list or tuple), or None for none.

    Raises:
        TypeError: The id, the name or the parameters are of a type that the specification does not allow.
        JsonRpcSerializationError: The parameters cannot be written as JSON.

    Source: JSON-RPC 2.0, section 4.
    """
    if not isinstance(method, str):
        raise TypeError(f"method must be a str, not {type(method).__name__}")
    if not isinstance(params, _PARAMS_TYPES):
        raise TypeError(f"params must be a dict, a list, a tuple or None, not {type(params).__name__}")
    params_member = b"" if params is None else b',"params":' + codec.dumps(params)
    id_member = b"" if request_id is ABSENT else b',"id":' + _encode_id(codec, request_id)
    return b'{"jsonrpc":"2.0","method":%b%b%b}' % (codec.dumps(method), params_member, id_member)


def encode_notification(codec: Codec, method: str, params: Any = None) -> bytes:
    """Write a notification: see `encode_request`."""
    return encode_request(codec, ABSENT, method, params)


def encode_result(codec: Codec, request_id: OptionalId, result: Any) -> bytes:
    """Write the response of a call that succeeded.

    Args:
        codec: What writes the values.
        request_id: The id of the call, as it came.
        result: Any JSON value, None included.

    Returns:
        The response; b"" where the id is `ABSENT`: a notification has none.

    Raises:
        TypeError: The id is of a type that the specification does not allow.
        JsonRpcSerializationError: The result cannot be written as JSON. Answer with its `get_error()`.

    Source: JSON-RPC 2.0, section 5.
    """
    if type(request_id) is int:
        try:
            if type(result) is int and codec.writes_standard_form:
                return b'{"jsonrpc":"2.0","result":%d,"id":%d}' % (result, request_id)
            return b'{"jsonrpc":"2.0","result":%b,"id":%d}' % (codec.dumps(result), request_id)
        except ValueError:  # of too many digits: below it becomes what is documented
            pass
    if request_id is ABSENT:
        return b""
    return b'{"jsonrpc":"2.0","result":%b,"id":%b}' % (codec.dumps(result), _encode_id(codec, request_id))


def encode_error(codec: Codec, request_id: OptionalId, error: JsonRpcError) -> bytes:
    """Write the response of a call that failed.

    Args:
        codec: What writes the values.
        request_id: The id of the call; None where it is not known.
        error: What went wrong.

    Returns:
        The response; b"" where the id is `ABSENT`: a notification has none.

    Raises:
        TypeError: The id is of a type that the specification does not allow.
        JsonRpcSerializationError: The error's data cannot be written as JSON.

    Source: JSON-RPC 2.0, section 5.1.
    """
    if request_id is ABSENT:
        return b""
    members = {"code": error.code, "message": error.message}
    if error.data is not ABSENT:
        members["data"] = error.data
    return b'{"jsonrpc":"2.0","error":%b,"id":%b}' % (codec.dumps(members), _encode_id(codec, request_id))


def encode_object(codec: Codec, value: Any) -> bytes:
    """Write a value as `codec.dumps` does; the id of a response object keeps its characters.

    Raises:
        JsonRpcSerializationError: The value has no JSON form.
    """
    if type(value) is not dict or not isinstance(value.get("id"), NumberLiteral):
        return codec.dumps(value)
    members = [
        b'"id":' + _encode_id(codec, member) if name == "id" else codec.dumps({name: member}).strip()[1:-1]
        for name, member in value.items()
    ]
    return b"{%b}" % b",".join(members)


def _encode_id(codec: Codec, request_id: OptionalId) -> bytes:
    if type(request_id) is int:
        try:
            return b"%d" % request_id
        except ValueError as exc:  # of too many digits
            raise JsonRpcSerializationError from exc
    if request_id is None:
        return b"null"
    if type(request_id) is str:
        return codec.dumps(request_id)
    if isinstance(request_id, (float, Decimal)):  # not by the codec: a custom one may round it
        return _encode_fraction(request_id)
    raise TypeError(f"an id must be a str, an int, a float or None, not {type(request_id).__name__}")


def _encode_fraction(number: float | Decimal) -> bytes:
    if isinstance(number, NumberLiteral):
        return number.text.encode()
    if not isfinite(number):
        raise JsonRpcSerializationError from ValueError(f"an id cannot be {number}: JSON has no such number")
    return str(number).encode() if isinstance(number, Decimal) else float.__repr__(number).encode()
