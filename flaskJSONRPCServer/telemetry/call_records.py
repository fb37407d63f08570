"""The calls of a request as the access log shows them: their names, their error codes and the id of the request.

With ``accessLog``, these classes take the places of those of the pipeline, so a server without it pays nothing. The
record of the current request is in a context variable, since the functions that read and write messages do not know
their request.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ..dispatch.answers import AnyAnswerer, Message
from ..dispatch.exchange import Exchange
from ..dispatch.idempotency.answerer import KeyedAnswerer
from ..dispatch.overrides import Overrides
from ..dispatch.routes import Endpoint
from ..sansio_jsonrpc import (
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcException,
    JsonRpcMessage,
    JsonRpcRequest,
    KeyedMessages,
    OptionalId,
)

__all__ = ["CallRecord", "RecordedAnswerer", "RecordedKeyedAnswerer", "RecordedOverrides", "current_record"]

# The most names and codes of one batch that are kept.
_MOST_KEPT = 8


@dataclass(slots=True)
class CallRecord:
    """The calls of one request.

    Attributes:
        methods: The names of the first ones.
        count: The number of all messages.
        codes: The first error codes, each once.
        request_id: The id of the request; None if nothing has asked for it.
    """

    methods: list[str] = field(default_factory=list)
    count: int = 0
    codes: list[int] = field(default_factory=list)
    request_id: str | None = None

    def add_message(self, message: object) -> None:
        """Note a message of the request."""
        self.count += 1
        if isinstance(message, JsonRpcRequest) and len(self.methods) < _MOST_KEPT:
            self.methods.append(message.method)

    def add_error(self, code: int) -> None:
        """Note an error of the answer."""
        if code not in self.codes and len(self.codes) < _MOST_KEPT:
            self.codes.append(code)


current_record: ContextVar[CallRecord | None] = ContextVar("current_record", default=None)
"""The record of the request that is being answered; None if it is not recorded."""


class RecordedOverrides(Overrides):
    """The functions of a pipeline, which also record messages, errors and ids."""

    def reader(self, *, separates_keys: bool = False) -> Callable[[bytes], JsonRpcMessage | JsonRpcBatch]:
        """Return the function that reads the text of a request."""
        read = super().reader(separates_keys=separates_keys)

        def recorded(text: bytes) -> JsonRpcMessage | JsonRpcBatch:
            try:
                message = read(text)
            except KeyedMessages as exc:
                record_messages(exc.message)
                raise
            record_messages(message)
            return message

        return recorded

    def error_writer(self) -> Callable[[OptionalId, JsonRpcError], bytes]:
        """Return the function that writes an error."""
        write = super().error_writer()

        def recorded(call_id: OptionalId, error: JsonRpcError) -> bytes:
            record = current_record.get()
            if record is not None:
                record.add_error(error.code)
            return write(call_id, error)

        return recorded

    def new_request_id(self) -> str:
        """Return the id of a request."""
        request_id = super().new_request_id()
        record = current_record.get()
        if record is not None:
            record.request_id = request_id
        return request_id


def record_messages(message: JsonRpcMessage | JsonRpcBatch) -> None:
    """Note the messages of a request."""
    record = current_record.get()
    if record is not None:
        for each in message if isinstance(message, JsonRpcBatch) else (message,):
            record.add_message(each)


class RecordedAnswerer:
    """Answers through another answerer, gives each request an id, and records a call by GET.

    Args:
        answerer: The answerer.
    """

    def __init__(self, answerer: AnyAnswerer) -> None:
        self._answerer = answerer
        self.longest_timeout_s = answerer.longest_timeout_s

    def answer_text(self, text: bytes, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer the text of a request."""
        _ = exchange.unique_id
        return self._answerer.answer_text(text, endpoint, exchange)

    def answer_message(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer one message."""
        _ = exchange.unique_id
        record = current_record.get()
        if record is not None:
            record.add_message(message)
        return self._answerer.answer_message(message, endpoint, exchange)

    def result(self, call: JsonRpcRequest, endpoint: Endpoint, exchange: Exchange) -> Any:
        """Make a call, and return its result.

        Raises:
            JsonRpcException: The error of the call.
        """
        _ = exchange.unique_id
        record = current_record.get()
        if record is None:
            return self._answerer.result(call, endpoint, exchange)
        record.add_message(call)
        try:
            return self._answerer.result(call, endpoint, exchange)
        except JsonRpcException as exc:
            record.add_error(exc.get_error().code)
            raise


class RecordedKeyedAnswerer(KeyedAnswerer):
    """Answers requests with keys, and records those that get a stored answer."""

    def note_text(self, text: bytes) -> None:
        """Record the messages of a request."""
        with contextlib.suppress(Exception):  # it was answered without being read, whatever it is
            self._read(text)  # which records them

    def note_replay(self, answer: bytes) -> None:
        """Record the errors in a stored answer."""
        record = current_record.get()
        if record is None:
            return
        with contextlib.suppress(ValueError, TypeError, KeyError):  # the user's functions may write anything
            replies = json.loads(answer)
            for reply in replies if isinstance(replies, list) else [replies]:
                if "error" in reply:
                    record.add_error(reply["error"]["code"])
