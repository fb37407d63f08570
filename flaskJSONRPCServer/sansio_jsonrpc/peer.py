"""The two roles of JSON-RPC 2.0 in one object, which never reads or writes a socket."""

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


class JsonRpcPeer:
    """A client, a server, or both at once: bytes go in and messages come out, messages go in and bytes come out.

    Threads may share one.

    Args:
        codec: A name for `make_codec`, or a codec.
        limits: What a text may ask for; None stands for `JsonLimits()`. A codec brings its own.
        max_batch_length: The most messages that are read in one batch; None for no limit.

    Raises:
        TypeError: Limits were given beside a codec: give them to `make_codec`.
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
        # next() of a count is one step for all threads.
        self._ids = count(1)

    def request(self, method: str, params: Any = None, *, args: Any = None) -> tuple[int, bytes]:
        """Write a call.

        Args:
            method: The name of what to call.
            params: By name (dict), by position (list or tuple), or None for none.
            args: Another name for `params`.

        Returns:
            The id, which the response will carry, and the bytes to send.

        Raises:
            TypeError: `params` and `args` are both given, or of another type.
            JsonRpcSerializationError: The parameters cannot be written as JSON.
        """
        request_id = next(self._ids)
        return request_id, encode_request(self.codec, request_id, method, _only_one(params, args))

    def notify(self, method: str, params: Any = None, *, args: Any = None) -> bytes:
        """Write a call that gets no response: the arguments are those of `request`."""
        return encode_notification(self.codec, method, _only_one(params, args))

    def parse(self, data: bytes) -> Sequence[JsonRpcMessage]:
        """Read what came in.

        Args:
            data: One JSON text: a message or a batch.

        Returns:
            The messages: a tuple of one, or a `JsonRpcBatch`, which is to be answered with `respond_with_batch` even
            if it is of one. In a batch, what is no message is a `JsonRpcInvalidMessage`.

        Raises:
            JsonRpcParseError: It is not JSON.
            JsonRpcInvalidRequestError: It is not a message; `request_id` is its id where that is valid. Or the batch
                is empty or too long.
            JsonRpcInvalidParamsError: The parameters hold an integer over the limit; `request_id` as before.
        """
        message = decode(data, self.codec, max_batch_length=self.max_batch_length)
        if isinstance(message, JsonRpcInvalidMessage):
            raise _exception_for(message)
        return message if isinstance(message, tuple) else (message,)

    def respond_with_result(self, request: JsonRpcRequest, result: Any) -> bytes:
        """Write the response of a call that succeeded.

        Args:
            request: The call.
            result: Any JSON value, None included.

        Returns:
            The bytes to send; b"" for a notification, which has no response.

        Raises:
            JsonRpcSerializationError: The result cannot be written as JSON. Answer with its `get_error()`.
        """
        return encode_result(self.codec, request.id, result)

    def respond_with_error(self, request: JsonRpcRequest | JsonRpcInvalidMessage | None, error: JsonRpcError) -> bytes:
        """Write the response of a call that failed.

        Args:
            request: The call; None where it could not be read: the id is null then.
            error: What went wrong, as `JsonRpcException.get_error` gives it.

        Returns:
            The bytes to send; b"" for a notification, which has no response.

        Raises:
            JsonRpcSerializationError: The error's data cannot be written as JSON.
        """
        return encode_error(self.codec, None if request is None else request.id, error)

    def batch(self, requests: Iterable[bytes]) -> bytes:
        """Join calls into one batch.

        Args:
            requests: What `request` and `notify` gave.

        Raises:
            ValueError: There are none: an empty batch is not a message (section 6).
        """
        joined = self.respond_with_batch(requests)
        if not joined:
            raise ValueError("a batch needs at least one request; send nothing instead")
        return joined

    def respond_with_batch(self, responses: Iterable[bytes]) -> bytes:
        """Join the responses to a batch.

        Args:
            responses: What the respond methods gave, b"" included.

        Returns:
            The bytes to send; b"" where nothing is to be said, since an empty array must not be sent (section 6).
        """
        joined = b",".join(filter(None, responses))
        return b"[%b]" % joined if joined else b""


def _only_one(params: Any, args: Any) -> Any:
    if params is not None and args is not None:
        raise TypeError("params and args are two names of one argument; pass one of them")
    return args if params is None else params


def _exception_for(message: JsonRpcInvalidMessage) -> JsonRpcException:
    exc = JsonRpcException.exc_from_error(message.error)
    exc.request_id = message.id
    return exc
