"""The documented underscore methods that a user may override, as the pipeline uses them.

:class:`Overrides` looks once whether a method is overridden, and gives the pipeline either the server's own function or
the user's method. A request pays nothing for that check. Assigning such a method to an instance rebuilds the pipeline.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any

from ..http.request import Request, RequestCopy
from ..http.response import Response, as_werkzeug, encoded, from_werkzeug
from ..sansio_jsonrpc import (
    ABSENT,
    Codec,
    JsonLimits,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcException,
    JsonRpcInvalidRequestError,
    JsonRpcMessage,
    OptionalId,
    Unwritable,
    encode_error,
    encode_object,
    encode_result,
    encode_result_text,
    find_unwritable,
    make_codec,
    make_decoder,
    messages_of,
    restore_ids,
    separate_keys,
)
from ..settings import Settings
from .facade import ServerFacade
from .remote import members_of

__all__ = ["OVERRIDABLE", "Overrides", "json_limits", "parsed_request", "prepared_response", "replacement"]

OVERRIDABLE = frozenset(
    {
        "_calcMimeType",
        "_callDispatcher",
        "_compressResponse",
        "_copyRequestContext",
        "_parseJSON",
        "_parseRequest",
        "_prepResponse",
        "_requestHandler",
        "_requestProcess",
        "_serializeJSON",
    }
)
"""The methods whose override changes the steps of a pipeline; all others are looked up when they are used."""


def replacement(facade: ServerFacade, standard: type, name: str) -> Callable[..., Any] | None:
    """Return the user's override of a documented method; None if it is not overridden."""
    method: Callable[..., Any] = getattr(facade, name)
    return None if getattr(method, "__func__", method) is getattr(standard, name) else method


def json_limits(settings: Settings) -> JsonLimits:
    """Return the limits of the settings on JSON texts."""
    return JsonLimits(max_depth=settings.max_nesting_depth, max_integer_digits=settings.max_integer_digits)


class Overrides:
    """Makes the steps of a pipeline: the server's own functions, or the methods that override them.

    Args:
        facade: The server object of the user.
        standard: The class with the server's own methods.
        settings: The frozen settings of the server.
        codec: The JSON codec of ``jsonBackend``.

    Attributes:
        codec: The codec to use.
    """

    def __init__(self, facade: ServerFacade, standard: type, settings: Settings, codec: Codec) -> None:
        self._facade = facade
        self._standard = standard
        self._max_batch_length = settings.max_batch_length
        self._max_body_bytes = settings.max_body_bytes
        self._backend_codec = codec
        self.codec = self._codec(settings, codec)

    def replaced(self, name: str) -> Callable[..., Any] | None:
        """Return the user's override of a documented method; None if it is not overridden."""
        return replacement(self._facade, self._standard, name)

    def reader(self, *, separates_keys: bool = False) -> Callable[[bytes], JsonRpcMessage | JsonRpcBatch]:
        """Return the function that reads the text of a request.

        It raises the exceptions of :func:`~flaskJSONRPCServer.sansio_jsonrpc.decode`.

        Args:
            separates_keys: Whether it raises messages with idempotency keys.
        """
        parse = self.replaced("_parseRequest")
        if parse is None:
            return make_decoder(self.codec, self._max_batch_length, separates_keys=separates_keys)
        return lambda text: self._messages_from(parse(text), text, separates_keys=separates_keys)

    def result_writer(self) -> Callable[[OptionalId, Any], bytes]:
        """Return the function that writes a result; it raises JsonRpcSerializationError if JSON has no form for it."""
        if self._writes_members():
            return MethodType(encode_result, self.codec)  # faster to call than a partial
        return lambda call_id, result: self._write(call_id, {"result": result}, is_error=False)

    def text_writer(self) -> Callable[[OptionalId, bytes], bytes] | None:
        """Return the function that writes a result which is JSON already; None if an override has to see its value."""
        return MethodType(encode_result_text, self.codec) if self._writes_members() else None

    def error_writer(self) -> Callable[[OptionalId, JsonRpcError], bytes]:
        """Return the function that writes an error; it raises as that of :meth:`result_writer`, about the data."""
        if self._writes_members():
            return MethodType(encode_error, self.codec)
        return lambda call_id, error: self._write(call_id, members_of(error), is_error=True)

    def find_unwritable(self, values: Mapping[str, Any], reason: BaseException) -> Unwritable:
        """Find the part of some values that cannot be written as JSON.

        The ``jsonBackend`` decides: an overridden ``_serializeJSON`` takes whole responses only.
        """
        return find_unwritable(self._backend_codec, values, reason)

    def compressor(self) -> Callable[[Response], Response]:
        """Return the function that compresses a response."""
        compress = self.replaced("_compressResponse")
        if compress is None:
            return lambda response: encoded(response, "gzip", self._facade._compressGZIP(response.body))
        return lambda response: from_werkzeug(compress(as_werkzeug(response)))

    def gunzip(self, body: bytes) -> bytes:
        """Decompress the body of a request."""
        plain: bytes = self._facade._uncompressGZIP(body)
        return plain

    def copy_request(self, request: Request) -> dict[str, Any]:
        """Return a copy of a request, for ``auth`` and for exec backends."""
        copy = self.replaced("_copyRequestContext")
        if copy is None:
            return RequestCopy(request, self._max_body_bytes)
        request.read_through_parsed()
        copied: dict[str, Any] = copy(request.parsed)
        return copied

    def new_request_id(self) -> str:
        """Return a unique id for a request; it cannot be guessed."""
        return str(self._facade._sha1(secrets.token_bytes(16)))

    def _codec(self, settings: Settings, codec: Codec) -> Codec:
        if self.replaced("_parseJSON") is None and self.replaced("_serializeJSON") is None:
            return codec
        limits = json_limits(settings)
        return make_codec(OverriddenJson(self._facade), limits=limits)

    def _writes_members(self) -> bool:
        return self.replaced("_prepResponse") is None and self.replaced("_serializeJSON") is None

    def _write(self, call_id: OptionalId, members: dict[str, Any], *, is_error: bool) -> bytes:
        if call_id is ABSENT:
            return b""
        response = self._facade._prepResponse({"id": call_id, **members}, is_error)
        if self.replaced("_serializeJSON") is None:
            return encode_object(self.codec, response)
        return self.codec.dumps(response)

    def _messages_from(
        self, parsed: tuple[bool, Any], text: bytes, *, separates_keys: bool
    ) -> JsonRpcMessage | JsonRpcBatch:
        messages = messages_from(parsed, text, self._max_batch_length)
        restore_ids(messages, text, self.codec)
        if separates_keys:
            separate_keys(messages)
        return messages


class OverriddenJson:
    """A JSON backend that calls the documented methods of a server."""

    def __init__(self, facade: ServerFacade) -> None:
        self.loads = facade._parseJSON
        self.dumps = facade._serializeJSON


def parsed_request(
    loads: Callable[[str | bytes], Any], text: str | bytes, *, max_batch_length: int | None
) -> tuple[bool, Any]:
    """Parse the text of a request: the documented ``_parseRequest``.

    Args:
        loads: Parses JSON; it raises JsonRpcException.
        text: The text.
        max_batch_length: The largest number of calls in a batch; None for no limit.

    Returns:
        ``(True, requests)``: a list of JSON values, each of which may still be an invalid request. Or
        ``(False, error)``: the JsonRpcError of a text that is no JSON, or of an empty or too long batch.
    """
    try:
        tree = loads(text)
        messages_of(tree, max_batch_length=max_batch_length)
    except JsonRpcException as exc:
        return False, exc.get_error()
    return True, tree if isinstance(tree, list) else [tree]


def messages_from(parsed: tuple[bool, Any], text: bytes, max_batch_length: int | None) -> JsonRpcMessage | JsonRpcBatch:
    """Return the messages in the result of a ``_parseRequest``.

    They are a batch, to be answered by an array, if the text is an array or if there is not exactly one request.

    Raises:
        JsonRpcException: The status is False.
    """
    status, requests = parsed
    if not status:
        raise JsonRpcException.exc_from_error(error_from(requests))
    is_batch = text.lstrip().startswith(b"[") or len(requests) != 1
    return messages_of(list(requests) if is_batch else requests[0], max_batch_length=max_batch_length)


def error_from(reason: Any) -> JsonRpcError:
    """Return the error in the result of a ``_parseRequest``: an error, an exception, or a reason as text."""
    match reason:
        case JsonRpcError():
            return reason
        case JsonRpcException():
            return reason.get_error()
    return JsonRpcInvalidRequestError(f"Invalid Request: {reason}").get_error()


def prepared_response(data: Mapping[str, Any], *, is_error: bool) -> dict[str, Any]:
    """Return a response object: the documented ``_prepResponse``.

    Args:
        data: ``id`` and ``result``; for an error ``id``, ``code``, ``message`` and optionally ``data``.
        is_error: Whether the response is an error.
    """
    members = dict(data)
    call_id = members.pop("id", None)
    answer = {"error": members} if is_error else {"result": members.get("result")}
    return {"jsonrpc": "2.0", **answer, "id": call_id}
