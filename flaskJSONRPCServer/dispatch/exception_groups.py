"""Groups of exceptions, as ``asyncio.TaskGroup`` raises them."""

from __future__ import annotations

import builtins
from typing import Any, Final

from ..sansio_jsonrpc import JsonRpcException

__all__ = ["json_rpc_error_in"]

_GROUP: Final[Any] = getattr(builtins, "BaseExceptionGroup", ())  # since Python 3.11


def json_rpc_error_in(exc: BaseException) -> JsonRpcException | None:
    """Return an exception that is a JSON-RPC error, or the first one of a group that has only such; else None.

    The groups in a group count as their exceptions.
    """
    if isinstance(exc, JsonRpcException):
        return exc
    return first_in_group(exc) if isinstance(exc, _GROUP) else None


def first_in_group(group: Any) -> JsonRpcException | None:
    first: JsonRpcException | None = None
    remaining = [group]
    while remaining:
        exc = remaining.pop()
        if isinstance(exc, _GROUP):
            remaining.extend(reversed(exc.exceptions))
        elif isinstance(exc, JsonRpcException):
            first = first or exc
        else:
            return None
    return first
