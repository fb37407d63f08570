"""The replies to calls, and the errors in place of values that cannot be written as JSON."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from ..runtime.interrupts import is_interrupt
from ..sansio_jsonrpc import (
    ABSENT,
    JsonRpcError,
    JsonRpcException,
    JsonRpcRequest,
    JsonRpcSerializationError,
    OptionalId,
    Unwritable,
    encode_error,
    make_codec,
)
from .documents import WrittenDocument
from .exchange import Exchange
from .http_errors import error_of_response
from .overrides import Overrides
from .submission import AnyInvoker

__all__ = ["ReplyWriter", "is_failure"]

_STANDARD_CODEC: Final = make_codec("json")


class ReplyWriter:
    """Writes replies.

    The user's code may raise anything here: a JSON implementation, ``_fixJSON``, ``_prepResponse``,
    ``_serializeJSON``. The call gets an answer all the same.

    A codec only reports that a value has no JSON form. The place in the value is searched for afterwards, so a value
    that can be written costs nothing more.

    Args:
        overrides: Makes the functions that write messages.
        invoker: Logs failures.

    Attributes:
        write_result: Writes the reply to a call that succeeded; it raises what :func:`is_failure` tells apart.
    """

    def __init__(self, overrides: Overrides, invoker: AnyInvoker) -> None:
        self.write_result = overrides.result_writer()
        self._write_error = overrides.error_writer()
        self._write_text = overrides.text_writer()
        self._find_unwritable = overrides.find_unwritable
        self._invoker = invoker

    def result(self, call: JsonRpcRequest, result: object, exchange: Exchange, url: str = "") -> bytes:
        """Return the reply to a call that succeeded; -32603 if its result cannot be written.

        Args:
            call: The call.
            result: Its result.
            exchange: The request of the call.
            url: The URL of the dispatcher, under which an error is counted.

        Raises:
            JsonRpcException: An overridden ``_prepResponse`` raised it.
        """
        try:
            return self.write_result(call.id, result)
        except BaseException as exc:
            if not is_failure(exc):
                raise
            failure = exc
        # Outside the except block, so that the log has the reason alone, without this failure as its context.
        return self.unwritten_result(call, result, failure, exchange, url)

    def unwritten_result(
        self, call: JsonRpcRequest, result: object, failure: BaseException, exchange: Exchange, url: str
    ) -> bytes:
        """Return the reply in place of a result that cannot be written.

        Args:
            call: The call.
            result: Its result.
            failure: The exception of :attr:`write_result`.
            exchange: The request of the call.
            url: The URL of the dispatcher, under which the error is counted.
        """
        if (refused := error_of_response(result)) is not None:
            exchange.counters.count_error(url, refused.get_error().code)
            return self.error(call, refused.get_error(), exchange)
        what = f"the result of {call.method!r} cannot be sent as JSON"
        error = self._logged(what, {"result": result}, failure, exchange)
        exchange.counters.count_error(url, error.code)
        return self.own_error(call.id, error)

    def document(self, call: JsonRpcRequest, document: WrittenDocument, exchange: Exchange) -> bytes:
        """Return the reply to a call whose result is a document."""
        if self._write_text is None:
            return self.result(call, document.tree(), exchange)
        return self._write_text(call.id, document.text)

    def error(self, call: JsonRpcRequest, error: JsonRpcError, exchange: Exchange) -> bytes:
        """Return the reply to a call that failed; -32603 if the error cannot be written."""
        try:
            return self._write_error(call.id, error)
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            failure = exc
        if error.data is ABSENT:
            with contextlib.suppress(JsonRpcSerializationError):
                return encode_error(_STANDARD_CODEC, call.id, error)
        what = f"the error of {call.method!r} cannot be sent as JSON"
        return self.own_error(call.id, self._logged(what, parts_of(error), failure, exchange))

    def own_error(self, call_id: OptionalId, error: JsonRpcError) -> bytes:
        """Return the reply with an error of the server's own, without the user's code if that code fails."""
        try:
            return self._write_error(call_id, error)
        except BaseException as exc:
            if is_interrupt(exc):
                raise
        return encode_error(_STANDARD_CODEC, call_id, error)

    def _logged(self, what: str, values: dict[str, Any], failure: BaseException, exchange: Exchange) -> JsonRpcError:
        """Log why values cannot be written, and which part of them; return the error for the client."""
        is_searched = not isinstance(failure, KeyboardInterrupt)  # it would end the search
        part = self._find_unwritable(values, failure) if is_searched else Unwritable(next(iter(values)), failure)
        try:
            raise part.reason
        except BaseException:  # noqa: BLE001  raised here, so that it is logged with its traceback
            return self._invoker.internal_error(f"{what}: {part}", exchange).get_error()


def parts_of(error: JsonRpcError) -> dict[str, Any]:
    """Return the parts of an error that a dispatcher can choose."""
    message = {"message": error.message}
    return message if error.data is ABSENT else {"data": error.data, **message}


def is_failure(exc: BaseException) -> bool:
    """Return whether an exception of a writer is a failure, not an answer, nor raised by a signal."""
    is_deliberate = isinstance(exc, JsonRpcException) and not isinstance(exc, JsonRpcSerializationError)
    return not (is_deliberate or is_interrupt(exc))
