"""From the messages of a request to the bytes of its answer."""

from __future__ import annotations

from typing import Any

from ..runtime.interrupts import is_interrupt
from ..sansio_jsonrpc import (
    ABSENT,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcException,
    JsonRpcInvalidMessage,
    JsonRpcInvalidRequestError,
    JsonRpcMethodNotFoundError,
    JsonRpcRequest,
    JsonRpcResponse,
)
from ..settings import Settings
from .antifreeze import BATCH_ENDED, batch_limiter_for
from .exchange import Exchange
from .overrides import Overrides
from .rate_limits.limiter import RateLimiter
from .replies import ReplyWriter
from .routes import Backends, Endpoint, Route
from .submission import AnyInvoker, BackendCalls, Pending

__all__ = ["RESPONSE_TOO_LARGE", "Answerer"]

RESPONSE_TOO_LARGE = -32001
"""Code of the error in the place of an answer that would pass ``max_response_bytes``."""

Message = JsonRpcRequest | JsonRpcResponse | JsonRpcInvalidMessage


class Answerer:
    """Answers JSON-RPC messages by calling dispatchers.

    Args:
        settings: The frozen settings of the server.
        overrides: Says how messages are read and written.
        invoker: Who calls in the serving thread.
        backend_calls: Who gives calls to exec backends.
        limiter: Holds messages against the rate limits; None where there are none.
    """

    def __init__(
        self,
        settings: Settings,
        overrides: Overrides,
        invoker: AnyInvoker,
        backend_calls: BackendCalls,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._read = overrides.reader()
        replies = ReplyWriter(overrides, invoker)
        self._reply_with_result = replies.result
        self._reply_with_error = replies.error
        self._reply_with_own_error = replies.own_error
        self._invoker = invoker
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

    def answer_text(self, text: bytes, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer a request's text; the answer is empty where there is nothing to say.

        Raises:
            TooManyRequests: All of its messages are beyond a rate limit.
        """
        try:
            message = self._read(text)
        except JsonRpcException as exc:  # not JSON, or an empty or too long batch
            return self._reply_with_own_error(None, exc.get_error())
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            error = self._invoker.internal_error("the request cannot be read", exchange).get_error()
            return self._reply_with_own_error(None, error)
        if self._limiter is not None:
            message = self._limiter.price(message, endpoint, exchange)
        if isinstance(message, JsonRpcBatch):
            if endpoint.has_backends or self._make_batch_limiter is not None:
                return self._answer_in_parts(message, endpoint, exchange)
            return self._answer_batch(message, endpoint, exchange)
        reply = self._reply(message, endpoint, exchange)  # as answer_message(), whose call would cost each request
        return reply if len(reply) <= self._max_response_bytes else self._refuse(message)

    def answer_message(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer one message; the answer to a notification is empty."""
        reply = self._reply(message, endpoint, exchange)
        return reply if len(reply) <= self._max_response_bytes else self._refuse(message)

    def _answer_batch(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> bytes:
        replies: list[bytes] = []
        room = self._max_response_bytes
        for message in batch:
            reply = self._reply(message, endpoint, exchange)
            room -= len(reply)
            if room < 0:  # this one has been run; those behind it are not
                return joined([*replies, *map(self._refuse, batch[len(replies) :])])
            replies.append(reply)
        return joined(replies)

    def _answer_in_parts(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer a batch, with the calls on exec backends running while the others do."""
        begun = self._begin_all(batch, endpoint, exchange)
        replies: list[bytes] = []
        room = self._max_response_bytes
        for message, part in zip(batch, begun, strict=True):
            reply = self._finish(part, exchange) if isinstance(part, Pending) else part
            room -= len(reply)
            replies.append(reply if room >= 0 else self._refuse(message))
        return joined(replies)

    def _begin_all(self, batch: JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> list[bytes | Pending]:
        limiter = None if self._make_batch_limiter is None else self._make_batch_limiter()
        room = self._max_response_bytes
        begun: list[bytes | Pending] = []
        for message in batch:
            if room < 0:
                part: bytes | Pending = self._refuse(message)
            elif limiter is not None and not limiter.may_continue():
                part = self._refuse(message, self._ended)
            else:
                part = self._begin(message, endpoint, exchange)
            room -= 0 if isinstance(part, Pending) else len(part)
            begun.append(part)
        return begun

    def _begin(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes | Pending:
        """Answer a message, or hand it over."""
        if not isinstance(message, JsonRpcRequest) or message.id is ABSENT:
            return self._reply(message, endpoint, exchange)
        route = endpoint.find(message.method)
        backend = None if route is None or route.backends is None else route.backends.dispatcher
        if route is None or backend is None:
            return self._reply(message, endpoint, exchange)
        try:
            return self._backend_calls.submit(backend, route, message, exchange)
        except JsonRpcException as exc:
            error = exc.get_error()
        return self._reply_with_error(message, error, exchange)

    def _finish(self, pending: Pending, exchange: Exchange) -> bytes:
        try:
            result = self._backend_calls.result(pending, exchange)
            return self._reply_with_result(pending.call, result, exchange)
        except JsonRpcException as exc:
            error = exc.get_error()
        return self._reply_with_error(pending.call, error, exchange)

    def _reply(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> bytes:
        if not isinstance(message, JsonRpcRequest):
            return self._reply_to_no_call(message)
        try:
            route = endpoint.find(message.method)
            if route is None:
                raise JsonRpcMethodNotFoundError
            if route.backends is None:
                result = self._invoker.invoke(route, message, exchange)
            else:
                result = self._result_elsewhere(route, route.backends, message, exchange)
            return b"" if message.id is ABSENT else self._reply_with_result(message, result, exchange)
        except JsonRpcException as exc:
            error = exc.get_error()
        # Outside the except block: if the error cannot be written, the log has the reason for that alone.
        return self._reply_with_error(message, error, exchange)

    def _reply_to_no_call(self, message: JsonRpcResponse | JsonRpcInvalidMessage) -> bytes:
        if isinstance(message, JsonRpcInvalidMessage):
            return self._reply_with_own_error(message.id, message.error)
        refused = JsonRpcInvalidRequestError("Invalid Request: this is a response, and nothing was asked")
        return self._reply_with_own_error(None, refused.get_error())

    def _result_elsewhere(self, route: Route, backends: Backends, call: JsonRpcRequest, exchange: Exchange) -> Any:
        is_notification = call.id is ABSENT
        backend = backends.notif if is_notification else backends.dispatcher
        if backend is None:
            return self._invoker.invoke(route, call, exchange)
        pending = self._backend_calls.submit(backend, route, call, exchange)
        return None if is_notification else self._backend_calls.result(pending, exchange)

    def _refuse(self, message: Message, error: JsonRpcError | None = None) -> bytes:
        """Answer a message with an error; without one, for want of room: it may have been run, or not."""
        call_id = None if isinstance(message, JsonRpcResponse) else message.id
        return self._reply_with_own_error(call_id, error or self._too_large)


def joined(replies: list[bytes]) -> bytes:
    said = b",".join(filter(None, replies))
    return b"[" + said + b"]" if said else b""
