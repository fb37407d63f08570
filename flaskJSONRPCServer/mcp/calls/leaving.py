"""Leaving a call without a result: it becomes a task, or its request fails."""

from __future__ import annotations

from typing import Any

from ...dispatch.call_control import current_call
from ...runtime.text import short_repr
from ...sansio_jsonrpc import ABSENT, JsonRpcError, JsonRpcException, JsonRpcReservedError
from ..asking.ask import MAY_BEGIN_TASK
from ..protocol.errors import is_kept_code

__all__ = ["ProtocolError", "begin_task", "begins_task", "protocol_error_in"]


class BeginTaskError(JsonRpcReservedError, registered=False):
    """A call is to become a task. The protocol catches it; a function lets it pass."""

    ERROR_CODE = -32018
    ERROR_MESSAGE = "The call becomes a task"


class ProtocolError(JsonRpcException):
    """The request of a call fails itself: it gets a JSON-RPC error rather than a result that tells the model why.

    Raise it for what the model cannot mend, such as a database that is gone. A task fails with it. A caller by
    JSON-RPC gets the error as it is.

    Args:
        message: What has happened, in a sentence for the client.
        code: The code of the error: one of -32600 to -32603, one of -32000 to -32016 except -32002, or one outside
            -32768 to -32000. The protocol keeps the others for itself.
        data: Any JSON value with details; None for no such member.

    Raises:
        TypeError: The message is no string, or the code no integer.
        ValueError: The protocol keeps the code for itself.
    """

    _WRAPPED = -32017

    def __init__(self, message: str, *, code: int = -32603, data: Any = None) -> None:
        refuse_unless_sendable(message, code)
        call = current_call()
        if call is None or call.answers is None:  # the caller takes errors as they are
            self._fill(code, message, ABSENT if data is None else data)
        else:  # other processes pass on codes and data, and no classes
            details = {} if data is None else {"data": data}
            self._fill(self._WRAPPED, message, {"code": code, **details})


def refuse_unless_sendable(message: Any, code: Any) -> None:
    """Check the message and the code of a ProtocolError.

    Raises:
        TypeError, ValueError: As there.
    """
    if not isinstance(message, str):
        raise TypeError(f"ProtocolError({short_repr(message, 100)}) is refused: it takes a string")
    if not isinstance(code, int) or isinstance(code, bool):
        raise TypeError(f"ProtocolError(code={short_repr(code, 100)}) is refused: it takes an integer")
    if is_kept_code(code):
        taken = "-32600 to -32603, -32000 to -32016 without -32002, or a code outside -32768 to -32000"
        raise ValueError(f"ProtocolError(code={code}) is refused: take {taken}")


def protocol_error_in(error: JsonRpcException) -> JsonRpcException | None:
    """Return the error of a request whose call has ended with a ProtocolError; None for any other error.

    The error may come from another process.
    """
    data = error.data
    if error.code != ProtocolError._WRAPPED or not isinstance(data, dict):
        return None
    return JsonRpcException.exc_from_error(JsonRpcError(data["code"], error.message, data.get("data", ABSENT)))


def begin_task() -> None:
    """Let this call become a task, if its client takes tasks.

    The request is answered with the task, and the function is run again from its start, as the task, with the answers
    to what it has asked. There, and where the client takes no tasks, this does nothing.

    Raises:
        JsonRpcException: The call becomes a task. Let it pass.
    """
    call = current_call()
    if call is not None and call.answers is not None and MAY_BEGIN_TASK in call.answers:
        raise BeginTaskError


def begins_task(error: JsonRpcException) -> bool:
    """Return whether a call has ended to become a task. The error may come from another process."""
    return error.code == BeginTaskError.ERROR_CODE
