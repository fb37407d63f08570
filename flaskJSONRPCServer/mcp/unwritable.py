"""Values that are to be sent, and have no JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..sansio_jsonrpc import Codec, JsonRpcError, JsonRpcInternalError, JsonRpcSerializationError, find_unwritable

__all__ = ["UnwritableError", "in_place_of_unwritable", "unwritable_error"]


class UnwritableError(TypeError):
    """A value has no JSON form. The message names the place in it, for the log."""


def unwritable_error(codec: Codec, values: Mapping[str, Any], failure: BaseException) -> UnwritableError:
    """Return the error for values that a codec cannot write. Call it outside the ``except`` block.

    Args:
        codec: The codec.
        values: At least one value by its name, which begins the name of the place.
        failure: The exception of the codec.
    """
    part = find_unwritable(codec, values, failure)
    error = UnwritableError(f"no JSON form: {part}")
    error.__cause__ = part.reason
    return error


def in_place_of_unwritable(logged: JsonRpcInternalError) -> JsonRpcError:
    """Return the error in place of one whose data has no JSON form, which has been logged."""
    error = logged.get_error()
    return JsonRpcError(error.code, JsonRpcSerializationError().message, error.data)
