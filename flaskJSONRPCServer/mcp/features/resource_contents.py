"""The contents of a resource, from what its function returns."""

from __future__ import annotations

from typing import Any

from ...runtime.text import short_repr
from ...sansio_jsonrpc import Codec, JsonRpcSerializationError
from ..content import EmbeddedResource, names_content, resource_contents
from .functions import ServedFunction

__all__ = ["contents_of"]

_JSON = "application/json"


def contents_of(
    value: Any, uri: str, mime_type: str | None, function: ServedFunction, codec: Codec
) -> list[dict[str, Any]]:
    """Return the contents of a resource as JSON values.

    Args:
        value: What its function has returned: a text, bytes, contents with their own URIs, or a JSON value.
        uri: The URI that was asked for.
        mime_type: The media type of the resource; None for the usual one of such a value.
        function: The function, whose hint says how a JSON value is written.
        codec: Writes it.

    Raises:
        TypeError: The value has no JSON form.
    """
    if isinstance(value, EmbeddedResource):
        return [contents_in(value)]
    if is_several(value, function):
        return [contents_in(part) for part in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return [resource_contents(uri, bytes(value), mime_type)]
    if isinstance(value, str):
        return [resource_contents(uri, value, mime_type)]
    return [resource_contents(uri, json_text(value, function, codec), mime_type or _JSON)]


def json_text(value: Any, function: ServedFunction, codec: Codec) -> str:
    """Return a value as JSON, written by the hint of its function.

    Raises:
        TypeError: It has no JSON form.
    """
    written = value if function.write is None else function.write(value)
    try:
        return codec.dumps(written).decode()
    except JsonRpcSerializationError as exc:  # it would be sent without being logged
        raise TypeError(f"a resource returns {short_repr(value)}, which has no JSON form") from exc


def is_several(value: Any, function: ServedFunction) -> bool:
    """Return whether a value is a list of contents; an empty list is one if the hint says so."""
    if not isinstance(value, (list, tuple)):
        return False
    result = function.contract.result
    return any(isinstance(part, EmbeddedResource) for part in value) or (
        not value and result is not None and names_content(result.hint)
    )


def contents_in(part: Any) -> dict[str, Any]:
    if not isinstance(part, EmbeddedResource):
        raise TypeError(f"a resource returns {short_repr(part)} among contents; each is an EmbeddedResource")
    return resource_contents(part.uri, part.contents, part.mime_type)
