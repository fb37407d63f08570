"""The messages of a request, and the bytes of its answer."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any, Final, Protocol

from ..runtime.interrupts import is_interrupt
from ..sansio_jsonrpc import (
    ABSENT,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidMessage,
    JsonRpcInvalidRequestError,
    JsonRpcMessage,
    JsonRpcMethodNotFoundError,
    JsonRpcRequest,
    JsonRpcResponse,
    KeyedMessages,
)
from ..settings import Settings
from .antifreeze import BATCH_ENDED, batch_limiter_for
from .exchange import Exchange
from .exec_backend import ExecBackend
from .http_errors import error_of_response
from .invoker import Invoker
from .overrides import Overrides
from .rate_limits.limiter import RateLimiter
from .replies import ReplyWriter, is_failure
from .routes import Backends, Endpoint, Route
from .submission import AnyBackendCalls, AnyInvoker, Pending

__all__ = ["RESPONSE_TOO_LARGE", "Answerer", "AnyAnswerer", "Message"]

RESPONSE_TOO_LARGE = -32001
"""Error code of a call whose reply would not fit into ``max_response_bytes``."""

_JSON_TYPES: Final = frozenset({str, int, float, bool, NoneType, list, dict})
"""The types of most results: none of them is a response of Flask."""

Message = JsonRpcRequest | JsonRpcResponse | JsonRpcInvalidMessage


class AnyAnswerer(Protocol):
    """Answers JSON-RPC messages: an :class:`Answerer`, or what wraps one."""

    def answer_text(self, text: bytes, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer the text of a request."""

    def answer_message(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer one message."""

    def result(self, call: JsonRpcRequest, endpoint: Endpoint, exchange: Exchange) -> Any:
        """Make a call, and return its result."""

    @property
    def longest_timeout_s(self) -> Callable[[bytes, Endpoint], float | None]:
        """Return the longest timeout of the calls in a text."""


class AnyKeyedAnswerer(Protocol):
    """Answers messages some of which have idempotency keys."""

    def reply(self, message: Message | JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer a message or a batch."""


class Answerer:
    """Answers JSON-RPC messages by calling dispatchers.

    The replies of a batch are written one by one, as soon as each call returns. A result may change before the batch
    ends: the next call may append to the list that this one has returned. Only integers and other immutable results
    could wait for each other. With orjson, writing these together would save 2 to 5 % of a call, and the accounting for
    ``max_response_bytes`` would cost most of that again. The encoder of the standard library, which writes for
    simplejson too, takes longer for the objects around the results than for the results alone.

    Args:
        settings: The frozen settings of the server.
        overrides: Makes the functions that read and write messages.
        invoker: Makes calls in the serving thread.
        own_invoker: Makes the calls of the server's own method.
        backend_calls: Makes calls on exec backends.
        limiter: Checks messages against the rate limits; None without rate limits.
    """

    def __init__(
        self,
        settings: Settings,
        overrides: Overrides,
        invoker: AnyInvoker,
        own_invoker: Invoker,
        backend_calls: AnyBackendCalls,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._read = overrides.reader()
        self._keyed: AnyKeyedAnswerer | None = None
        replies = self.make_replies(overrides, invoker)
        self._write_result = replies.write_result
        self._reply_with_result = replies.result
        self._reply_without_result = replies.unwritten_result
        self._reply_with_error = replies.error
        self._reply_with_own_error = replies.own_error
        self._reply_with_document = replies.document
        self._invoker = invoker
        self._own_invoker = own_invoker
        self._backend_calls = backend_calls
        self._limiter = limiter
        self._make_batch_limiter = batch_limiter_for(settings)
        self._max_response_bytes = settings.max_response_bytes
        self._too_large = JsonRpcError(
            RESPONSE_TOO_LARGE, f"Response over max_response_bytes ({self._max_response_bytes} bytes)"
        )
        self._ended = JsonRpcError(
            BATCH_ENDED, f"Not run: the batch took over antifreeze_batchMaxTime ({settings.antifreeze_batchMaxTime} ms)"
        )

    def make_replies(self, overrides: Overrides, invoker: AnyInvoker) -> ReplyWriter:
        """Return the writer of replies."""
        return ReplyWriter(overrides, invoker)

    def answer_text(self, text: bytes, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer the text of a request; the answer is empty if it has only notifications.

        Raises:
            TooManyRequests: All of its messages exceed a rate limit.
        """
        read = self._read
        try:
            message = read(text)
        except JsonRpcException as exc:  # not JSON, or an empty or too long batch
            return self._refuse_text(exc.get_error(), exchange)
        except KeyedMessages as exc:
            return self._reply_to_keyed(exc.message, endpoint, exchange)
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            return self._refuse_text(
                self._invoker.internal_error("the request cannot be read", exchange).get_error(), exchange
            )
        if self._limiter is not None:
            message = self._limiter.admit_messages(message, endpoint, exchange)
        # isinstance() takes several times as long to say no.
        if type(message) is not JsonRpcRequest and isinstance(message, JsonRpcBatch):
            exchange.counters.batches += 1
            return join_replies(self.replies(message, endpoint, exchange))
        reply = self._reply(message, endpoint, exchange)  # answer_message(), without the cost of its call
        return reply if len(reply) <= self._max_response_bytes else self.refuse(message, endpoint, exchange)

    def _reply_to_keyed(self, message: Message | JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> bytes:
        assert self._keyed is not None  # noqa: S101  without it, keys are not separated
        if self._limiter is not None:
            message = self._limiter.admit_messages(message, endpoint, exchange)
        return self._keyed.reply(message, endpoint, exchange)

    def use_keyed(self, keyed: AnyKeyedAnswerer, read: Callable[[bytes], JsonRpcMessage | JsonRpcBatch]) -> None:
        """Let calls with idempotency keys be answered elsewhere.

        Args:
            keyed: Answers them.
            read: Reads the text of a request, and raises messages with keys.
        """
        self._keyed = keyed
        self._read = read

    def replies(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> list[bytes]:
        """Answer the messages of a batch; the reply to a notification is empty."""
        if endpoint.has_backends or self._make_batch_limiter is not None:
            return self._batch_with_backends(batch, endpoint, exchange)
        return self._batch(batch, endpoint, exchange)

    def failure_reply(self, message: Message, exchange: Exchange) -> bytes:
        """Return the reply to a call whose request ends with an exception that is not the call's."""
        if isinstance(message, JsonRpcResponse) or message.id is ABSENT:
            return b""
        error = JsonRpcInternalError(data={"correlationId": exchange.unique_id}).get_error()
        return self._reply_with_own_error(message.id, error)

    def answer_message(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer one message; the answer to a notification is empty."""
        reply = self._reply(message, endpoint, exchange)
        return reply if len(reply) <= self._max_response_bytes else self.refuse(message, endpoint, exchange)

    def longest_timeout_s(self, text: bytes, endpoint: Endpoint) -> float | None:
        """Return the longest timeout of the calls in a request; None if one of them has none, or cannot be read."""
        try:
            message = self._read(text)
        except KeyedMessages as exc:
            message = exc.message
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            return None
        messages = message if isinstance(message, JsonRpcBatch) else (message,)
        timeouts = [timeout_of(message, endpoint) for message in messages]
        return None if None in timeouts else max(filter(None, timeouts), default=None)

    def _batch(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> list[bytes]:
        replies: list[bytes] = []
        bytes_left = self._max_response_bytes
        for message in batch:
            reply = self._reply(message, endpoint, exchange)
            bytes_left -= len(reply)
            if bytes_left < 0:  # this call has run; the rest of the batch does not
                refused = [self.refuse(message, endpoint, exchange) for message in batch[len(replies) :]]
                return [*replies, *refused]
            replies.append(reply)
        return replies

    def _batch_with_backends(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> list[bytes]:
        """Answer a batch whose calls on exec backends run while the other ones run here."""
        parts = self._begin_all(batch, endpoint, exchange)
        replies: list[bytes] = []
        bytes_left = self._max_response_bytes
        for message, part in zip(batch, parts, strict=True):
            reply = self._finish(part, endpoint, exchange) if isinstance(part, Pending) else part
            bytes_left -= len(reply)
            replies.append(reply if bytes_left >= 0 else self.refuse(message, endpoint, exchange))
        return replies

    def _begin_all(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> list[bytes | Pending]:
        """Answer the calls of a batch that run here, and submit the others."""
        limiter = None if self._make_batch_limiter is None else self._make_batch_limiter()
        bytes_left = self._max_response_bytes
        parts: list[bytes | Pending] = []
        for message in batch:
            if bytes_left < 0:
                part: bytes | Pending = self.refuse(message, endpoint, exchange)
            elif limiter is not None and not limiter.may_continue():
                part = self.refuse(message, endpoint, exchange, self._ended)
            else:
                part = self._begin(message, endpoint, exchange)
            bytes_left -= 0 if isinstance(part, Pending) else len(part)
            parts.append(part)
        return parts

    def _begin(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes | Pending:
        """Answer a message, or submit it to its backend."""
        if not isinstance(message, JsonRpcRequest) or message.id is ABSENT:
            return self._reply(message, endpoint, exchange)
        route = endpoint.find(message.method)
        backend = None if route is None or route.backends is None else route.backends.dispatcher
        if route is None or backend is None:
            return self._reply(message, endpoint, exchange)
        return self._submit(backend, route, message, endpoint, exchange)

    def _submit(
        self, backend: ExecBackend, route: Route, call: JsonRpcRequest, endpoint: Endpoint, exchange: Exchange
    ) -> bytes | Pending:
        """Submit a call of a batch to its backend; return an error if that fails."""
        try:
            return self._backend_calls.begin(backend, route, call, exchange)
        except JsonRpcException as exc:
            error = exc.get_error()
        return self._fail(call, error, endpoint, exchange)

    def _finish(self, pending: Pending, endpoint: Endpoint, exchange: Exchange) -> bytes:
        try:
            result = self._backend_calls.result(pending, exchange)
            return self._reply_with_result(pending.call, result, exchange, url_of(pending.call, endpoint))
        except JsonRpcException as exc:
            error = exc.get_error()
        return self._fail(pending.call, error, endpoint, exchange)

    def _reply(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes:
        if not isinstance(message, JsonRpcRequest):
            return self._reply_to_other(message, exchange)
        find, write = endpoint.find, self._write_result
        try:
            route = find(message.method)
            if route is None:
                return self._reply_to_built_in(message, endpoint, exchange)
            if route.backends is None:
                result = self._invoker.invoke(route, message, exchange)
            else:
                result = self._result_from_backend(route, route.backends, message, exchange)
            if message.id is ABSENT:
                exchange.counters.notifications += 1
                return b""
            try:  # self._reply_with_result(), without the cost of its call
                return write(message.id, result)
            except BaseException as exc:
                if not is_failure(exc):
                    raise
                failure = exc
            return self._reply_without_result(message, result, failure, exchange, route.url)
        except JsonRpcException as exc:
            error = exc.get_error()
        # Outside the except block: if the error cannot be written, the log has the reason for that alone.
        return self._fail(message, error, endpoint, exchange)

    def result(self, call: JsonRpcRequest, endpoint: Endpoint, exchange: Exchange) -> Any:
        """Make a call, and return its result, for a protocol that writes its answers itself.

        The steps are those of a call that :meth:`answer_message` answers, and so are the counts. The control of the
        exchange, if it has one, is that of this call, and ends with it. Rate limits are not checked.

        Args:
            call: The call. The server's own methods cannot be called.
            endpoint: The path of the method.
            exchange: The request of the call.

        Returns:
            The result of the function, as the invoker returns it; None for a notification on an exec backend.

        Raises:
            JsonRpcException: The error of the call; -32008 if a decorator has refused it with a response of Flask.
        """
        control, find = exchange.control, endpoint.find
        try:
            route = find(call.method)
            if route is None:
                raise JsonRpcMethodNotFoundError
            if route.backends is None:
                result = self._invoker.invoke(route, call, exchange)
            else:
                result = self._result_from_backend(route, route.backends, call, exchange)
            if type(result) not in _JSON_TYPES and (refused := error_of_response(result)) is not None:
                raise refused
            return result
        except JsonRpcException as exc:
            exchange.counters.count_error(url_of(call, endpoint), exc.get_error().code)
            raise
        finally:
            if call.id is ABSENT:
                exchange.counters.notifications += 1
            self._own_invoker.wake_waiting()  # no request that the pipeline counts ends with this call
            if control is not None:
                control.end()

    def _fail(self, call: JsonRpcRequest, error: JsonRpcError, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Count the error of a call, and answer with it."""
        exchange.counters.notifications += call.id is ABSENT
        exchange.counters.count_error(url_of(call, endpoint), error.code)
        return self._reply_with_error(call, error, exchange)

    def _reply_to_built_in(self, call: JsonRpcRequest, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer a call of the server's own method, which no exec backend runs, and no ``_callDispatcher``.

        Raises:
            JsonRpcException: It has another name, parameters, or fails.
        """
        if endpoint.built_in is None or call.method != endpoint.built_in.name:
            raise JsonRpcMethodNotFoundError
        document = self._own_invoker.invoke(endpoint.built_in, call, exchange)
        return b"" if call.id is ABSENT else self._reply_with_document(call, document, exchange)

    def _reply_to_other(self, message: JsonRpcResponse | JsonRpcInvalidMessage, exchange: Exchange) -> bytes:
        if isinstance(message, JsonRpcInvalidMessage):
            exchange.counters.count_error("", message.error.code)
            return self._reply_with_own_error(message.id, message.error)
        refused = JsonRpcInvalidRequestError("Invalid Request: this is a response, and nothing was asked")
        return self._refuse_text(refused.get_error(), exchange)

    def _refuse_text(self, error: JsonRpcError, exchange: Exchange) -> bytes:
        """Answer a text that is no request with an error."""
        exchange.counters.count_error("", error.code)
        return self._reply_with_own_error(None, error)

    def _result_from_backend(self, route: Route, backends: Backends, call: JsonRpcRequest, exchange: Exchange) -> Any:
        is_notification = call.id is ABSENT
        backend = backends.notif if is_notification else backends.dispatcher
        is_awaited = backend is None or not is_notification
        if backend is None and (backend := backends.timed) is None:
            return self._invoker.invoke(route, call, exchange)
        pending = self._backend_calls.submit(backend, route, call, exchange)
        return self._backend_calls.result(pending, exchange) if is_awaited else None

    def refuse(
        self, message: Message, endpoint: Endpoint, exchange: Exchange, error: JsonRpcError | None = None
    ) -> bytes:
        """Answer a message with an error: by default that the reply is too large, whether or not the call has run."""
        error = error or self._too_large
        call_id = None if isinstance(message, JsonRpcResponse) else message.id
        exchange.counters.count_error(url_of(message, endpoint), error.code)
        return self._reply_with_own_error(call_id, error)


def url_of(message: Message, endpoint: Endpoint) -> str:
    """Return the URL of the dispatcher that a message calls; empty if there is none."""
    route = endpoint.find(message.method) if isinstance(message, JsonRpcRequest) else None
    return "" if route is None else route.url


def timeout_of(message: Message, endpoint: Endpoint) -> float | None:
    """Return the timeout of a call in seconds; None if it has none, or cannot run."""
    route = endpoint.find(message.method) if isinstance(message, JsonRpcRequest) else None
    return None if route is None else route.timeout_s


def join_replies(replies: list[bytes]) -> bytes:
    """Return the replies as a JSON array; nothing if all of them are empty (JSON-RPC 2.0, section 6)."""
    content = b",".join(filter(None, replies))
    return b"[" + content + b"]" if content else b""
