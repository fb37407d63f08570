"""Both roles of JSON-RPC 2.0, client and server, in one object without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from .codecs import Codec, JsonLimits, make_codec
from .decoding import decode
from .encoding import encode_error, encode_notification, encode_request, encode_result
from .exceptions import JsonRpcException
from .messages import (
    JsonRpcError,
    JsonRpcInvalidMessage,
    JsonRpcMessage,
    JsonRpcRequest,
)

__all__ = ["JsonRpcPeer"]


class JsonRpcPeer:
    """A client, a server, or both at once. It converts bytes to messages and messages to bytes.

    Threads may share a peer.

    Args:
        codec: A name for `make_codec`, or a codec.
        limits: The limits on texts; None for `JsonLimits()`. A codec has its own.
        max_batch_length: The most messages in one batch that is read; None for no limit.

    Raises:
        TypeError: Limits were passed with a codec: pass them to `make_codec`.
        ImportError: There is no JSON implementation of this name.
    """

    def __init__(
        self,
        codec: str | Codec = "json",
        *,
        limits: JsonLimits | None = None,
        max_batch_length: int | None = 1000,
    ) -> None:
        if isinstance(codec, Codec) and limits is not None:
            raise TypeError("limits= beside a Codec has no effect; pass them to make_codec")
        self.codec = codec if isinstance(codec, Codec) else make_codec(codec, limits=limits)
        self.max_batch_length = max_batch_length
        # next() of a count is atomic.
        self._ids = count(1)

    def request(self, method: str, params: Any = None, *, args: Any = None) -> tuple[int, bytes]:
        """Encode a call.

        Args:
            method: The name of the method.
            params: By name (dict), by position (list or tuple), or None for none.
            args: Another name for `params`.

        Returns:
            The id, which the response will carry, and the bytes to send.

        Raises:
            TypeError: Both `params` and `args` are passed, or they have another type.
            JsonRpcSerializationError: The parameters cannot be written as JSON.
        """
        request_id = next(self._ids)
        return request_id, encode_request(self.codec, request_id, method, only_one(params, args))

    def notify(self, method: str, params: Any = None, *, args: Any = None) -> bytes:
        """Encode a notification: the arguments are those of `request`."""
        return encode_notification(self.codec, method, only_one(params, args))

    def parse(self, data: bytes) -> Sequence[JsonRpcMessage]:
        """Decode received bytes.

        Args:
            data: One JSON text: a message or a batch.

        Returns:
            The messages: a tuple of one message, or a `JsonRpcBatch`. Answer a batch with `respond_with_batch`, even if
            it has one message. Invalid messages of a batch are `JsonRpcInvalidMessage`.

        Raises:
            JsonRpcParseError: The text is not JSON.
            JsonRpcInvalidRequestError: The text is not a message; `request_id` is its id if that is valid. Or the batch
                is empty or too long.
            JsonRpcInvalidParamsError: The parameters have an integer over the limit; `request_id` is its id if that is
                valid.
        """
        message = decode(data, self.codec, max_batch_length=self.max_batch_length)
        if isinstance(message, JsonRpcInvalidMessage):
            raise exception_for(message)
        return message if isinstance(message, tuple) else (message,)

    def respond_with_result(self, request: JsonRpcRequest, result: Any) -> bytes:
        """Encode the response to a call that succeeded.

        Args:
            request: The call.
            result: Any JSON value, including None.

        Returns:
            The bytes to send; b"" for a notification, which has no response.

        Raises:
            JsonRpcSerializationError: The result cannot be written as JSON. Answer with its `get_error()`.
        """
        return encode_result(self.codec, request.id, result)

    def respond_with_error(self, request: JsonRpcRequest | JsonRpcInvalidMessage | None, error: JsonRpcError) -> bytes:
        """Encode the response to a call that failed.

        Args:
            request: The call; None if it could not be read, which makes the id null.
            error: The error, such as the result of `JsonRpcException.get_error`.

        Returns:
            The bytes to send; b"" for a notification, which has no response.

        Raises:
            JsonRpcSerializationError: The error's data cannot be written as JSON.
        """
        return encode_error(self.codec, None if request is None else request.id, error)

    def batch(self, requests: Iterable[bytes]) -> bytes:
        """Join calls into one batch.

        Args:
            requests: The bytes from `request` and `notify`.

        Raises:
            ValueError: There are no requests: an empty batch is not a message (section 6).
        """
        joined = self.respond_with_batch(requests)
        if not joined:
            raise ValueError("a batch needs at least one request; send nothing instead")
        return joined

    def respond_with_batch(self, responses: Iterable[bytes]) -> bytes:
        """Join the responses to a batch.

        Args:
            responses: The bytes from the respond methods, including b"".

        Returns:
            The bytes to send; b"" if there is no response, since an empty array must not be sent (section 6).
        """
        joined = b",".join(filter(None, responses))
        return b"[%b]" % joined if joined else b""


def only_one(params: Any, args: Any) -> Any:
    if params is not None and args is not None:
        raise TypeError("params and args are two names of one argument; pass one of them")
    return args if params is None else params


def exception_for(message: JsonRpcInvalidMessage) -> JsonRpcException:
    exc = JsonRpcException.exc_from_error(message.error)
    exc.request_id = message.id
    return exc
