"""The answers to requests with keys: run and stored once, and sent again to each further request with the key."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...http.refusals import BadRequest, Refusal
from ...http.response import Response, refusal_response, server_error_response
from ...runtime.interrupts import is_interrupt
from ...sansio_jsonrpc import (
    IDEMPOTENCY_KEY,
    JsonRpcBatch,
    JsonRpcException,
    JsonRpcInvalidMessage,
    JsonRpcInvalidRequestError,
    JsonRpcKeyedRequest,
    JsonRpcMessage,
    JsonRpcRequest,
)
from ...settings import Settings
from ..answers import Answerer, Message, join_replies
from ..caller_time import TIMEOUT_HEADER, caller_seconds
from ..deadlines import deadline_of
from ..exchange import Exchange
from ..rate_limits.limiter import RateLimiter
from ..rendering import Renderer
from ..routes import Endpoint
from .callers import Callers, digest
from .claims import ClaimRefusedError, Claims
from .kept_response import KeptResponse
from .keys import HEADER, HEADER_NAME, key_of_call, key_of_request
from .marks import MarkedRequest
from .slots import Entry, Slot

__all__ = ["KeyedAnswerer"]


@dataclass(frozen=True, slots=True)
class KeyedCall:
    """One message of a request, and the slot of its key; None without a key."""

    message: Message
    slot: Slot | None = None

    @property
    def has_run(self) -> bool:
        """Whether the call has run, or may have."""
        return isinstance(self.message, MarkedRequest) and self.message.mark.runs > 0


class RequestCalls:
    """The messages of a request that run under the key of the request, to learn whether any of them has run."""

    def __init__(self) -> None:
        self.calls: Sequence[KeyedCall] = ()

    @property
    def has_run(self) -> bool:
        """Whether any call has run."""
        return any(call.has_run for call in self.calls)


class KeyedAnswerer:
    """Answers requests and calls with keys, and requests with the time of their callers.

    Args:
        answerer: Answers messages; its parts mark those that run.
        renderer: Makes responses.
        read: Reads the text of a request.
        callers: Tells callers apart.
        claims: The keys.
        limiter: Checks messages against the rate limits; None without rate limits.
        settings: The frozen settings of the server.
    """

    def __init__(
        self,
        answerer: Answerer,
        renderer: Renderer,
        read: Callable[[bytes], JsonRpcMessage | JsonRpcBatch],
        callers: Callers,
        claims: Claims,
        limiter: RateLimiter | None,
        settings: Settings,
    ) -> None:
        self._answerer = answerer
        self._renderer = renderer
        self._read = read
        self._callers = callers
        self._claims = claims
        self._limiter = limiter
        self._max_response_bytes = settings.max_response_bytes
        self._takes_keys = settings.idempotency is not False
        self._takes_time = bool(settings.caller_timeouts)

    def answer(self, text: bytes, endpoint: Endpoint, exchange: Exchange) -> Response:
        """Answer a request whose head has a key, or the time of its caller, or both.

        Raises:
            Refusal: The request gets an HTTP error.
        """
        self._note_time(exchange)
        if not self._takes_keys or HEADER not in exchange.head:
            return self._renderer.render(self._reply(text, endpoint, exchange, RequestCalls()), exchange)
        key, payload = key_of_request(exchange.head[HEADER]), digest(endpoint.path, text)
        caller = self._caller(exchange)
        slot = Slot(HEADER_NAME, digest(HEADER_NAME, caller, key), payload, caller)
        try:
            entry, is_new = self._claims.claim(slot, exchange.begin_by)
            if is_new:
                kept = self._run_request(entry, text, endpoint, exchange)
            else:
                kept = KeptResponse.from_bytes(self._claims.answer_of(entry))
                self.note_text(text)
                self.note_replay(kept.body)
        except ClaimRefusedError as exc:
            self.note_text(text)
            raise exc.refusal from None
        return self._renderer.for_client(kept.response(), exchange, may_compress=kept.may_compress)

    def answer_call(self, call: JsonRpcRequest, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Answer a call by GET, whose head has the time of its caller.

        Raises:
            BadRequest: The time is malformed.
        """
        self._note_time(exchange)
        return self._single_reply(self._keyed(call, endpoint, exchange), endpoint, exchange)

    def note_text(self, text: bytes) -> None:
        """Note the text of a request that is answered without being read."""

    def note_replay(self, answer: bytes) -> None:
        """Note a stored answer, or a stored reply to one call, that is sent again."""

    def _caller(self, exchange: Exchange) -> bytes:
        """Return the caller of a request; the calls of a batch share one answer of the identity function."""
        if exchange.caller is None:
            exchange.caller = self._callers.caller_of(exchange)
        return exchange.caller

    def _note_time(self, exchange: Exchange) -> None:
        _ = exchange.unique_id  # the access log shows it
        value = exchange.head.get(TIMEOUT_HEADER) if self._takes_time else None
        if value is not None:
            exchange.begin_by = deadline_of(exchange.arrived_at, caller_seconds(value))

    def _run_request(self, entry: Entry, text: bytes, endpoint: Endpoint, exchange: Exchange) -> KeptResponse:
        """Answer a request that is the first with its key, and store the answer if any of its calls has run."""
        sent = RequestCalls()
        try:
            response, may_compress = self._renderer.render_plain(self._reply(text, endpoint, exchange, sent), exchange)
            kept = KeptResponse(response.status, tuple(response.headers), response.body, may_compress)
        except BaseException as exc:
            failed = failure_response(exc, exchange)
            kept = KeptResponse(failed.status, tuple(failed.headers), failed.body, may_compress=False)
            self._end(entry, kept.to_bytes(), has_run=sent.has_run)
            raise
        self._end(entry, kept.to_bytes(), has_run=sent.has_run)
        return kept

    def _end(self, entry: Entry, answer: bytes, *, has_run: bool) -> None:
        if has_run:
            self._claims.finish(entry, answer)
        else:
            self._claims.release(entry)

    def _reply(self, text: bytes, endpoint: Endpoint, exchange: Exchange, sent: RequestCalls) -> bytes:
        """Answer the text of a request with a key.

        Raises:
            TooManyRequests: All of its messages exceed a rate limit.
        """
        try:
            message = self._read(text)
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            return self._answerer.answer_text(text, endpoint, exchange)  # which answers with this error
        if self._limiter is not None:
            message = self._limiter.admit_messages(message, endpoint, exchange)
        return self.reply(message, endpoint, exchange, sent)

    def reply(
        self,
        message: Message | JsonRpcBatch,
        endpoint: Endpoint,
        exchange: Exchange,
        sent: RequestCalls | None = None,
    ) -> bytes:
        """Answer a message or a batch whose calls may have keys of their own.

        Args:
            message: The message or the batch.
            endpoint: Its endpoint.
            exchange: Its request.
            sent: Gets the calls, if the request itself has a key.
        """
        messages = message if isinstance(message, JsonRpcBatch) else (message,)
        calls = [self._keyed(each, endpoint, exchange) for each in messages]
        if sent is not None:
            sent.calls = calls
        if not isinstance(message, JsonRpcBatch):
            return self._single_reply(calls[0], endpoint, exchange)
        exchange.counters.batches += 1
        replies = self._batch_replies(calls, endpoint, exchange)
        return join_replies(list(self._bounded(calls, replies, endpoint, exchange)))

    def _keyed(self, message: Message, endpoint: Endpoint, exchange: Exchange) -> KeyedCall:
        """Return a message with the slot of its key, or with the error of a key that is refused."""
        if not isinstance(message, JsonRpcRequest):
            return KeyedCall(message)
        marked = MarkedRequest(message.method, message.params, message.id)
        if not isinstance(message, JsonRpcKeyedRequest) or not self._takes_keys:
            return KeyedCall(marked)
        try:
            key, caller = key_of_call(message), self._caller(exchange)
        except JsonRpcException as exc:
            return KeyedCall(JsonRpcInvalidMessage(message.id, exc.get_error()))
        except BadRequest as exc:
            error = JsonRpcInvalidRequestError(f"Invalid Request: {exc}").get_error()
            return KeyedCall(JsonRpcInvalidMessage(message.id, error))
        # The id too as it was written: a float may have rounded it.
        payload = digest(endpoint.path, repr(message.id), json.dumps(message.item, sort_keys=True, default=repr))
        return KeyedCall(marked, Slot(IDEMPOTENCY_KEY, digest(IDEMPOTENCY_KEY, caller, key), payload, caller))

    def _single_reply(self, call: KeyedCall, endpoint: Endpoint, exchange: Exchange) -> bytes:
        """Return the reply to one message: from its run, or as it was stored under its key."""
        if call.slot is None:
            return self._answerer.answer_message(call.message, endpoint, exchange)
        try:
            entry, is_new = self._claims.claim(call.slot, exchange.begin_by)
            if not is_new:
                stored = self._claims.answer_of(entry)
                self.note_replay(stored)
                return stored
        except ClaimRefusedError as exc:
            return self._answerer.answer_message(refused(call, exc), endpoint, exchange)
        return self._run_all([(call, entry)], [call], endpoint, exchange)[0]

    def _batch_replies(self, calls: Sequence[KeyedCall], endpoint: Endpoint, exchange: Exchange) -> dict[int, bytes]:
        """Return the replies to the messages of a batch, by their places.

        All keys are claimed before anything runs, and nothing is waited for while a key is claimed: two batches with
        the same keys in different orders would wait for each other.
        """
        now, later, claimed = {}, {}, []
        for place, call in enumerate(calls):
            now[place] = call
            if call.slot is not None:
                try:
                    entry, is_new = self._claims.begin(call.slot)
                except ClaimRefusedError as exc:
                    now[place] = KeyedCall(refused(call, exc))
                    continue
                if is_new:
                    claimed.append((call, entry))
                else:
                    later[place] = now.pop(place)
        own = self._run_all(claimed, list(now.values()), endpoint, exchange, is_batch=True)
        replies = {place: self._single_reply(call, endpoint, exchange) for place, call in later.items()}
        return replies | dict(zip(now, own, strict=True))

    def _run_all(
        self,
        claimed: Sequence[tuple[KeyedCall, Entry]],
        calls: Sequence[KeyedCall],
        endpoint: Endpoint,
        exchange: Exchange,
        *,
        is_batch: bool = False,
    ) -> list[bytes]:
        """Answer messages, and store the replies of those that have claimed their keys and have run."""
        places = {id(call): place for place, call in enumerate(calls)}
        replies: list[bytes] = []
        with contextlib.ExitStack() as ends:  # a key that is never given back could not be used again
            for call, entry in claimed:
                ends.callback(self._end_call, entry, call, places[id(call)], replies, exchange)
            if is_batch:
                batch = JsonRpcBatch(call.message for call in calls)
                replies += self._answerer.replies(batch, endpoint, exchange)
            else:
                replies += [self._answerer.answer_message(call.message, endpoint, exchange) for call in calls]
        return replies

    def _end_call(
        self, entry: Entry, call: KeyedCall, place: int, replies: Sequence[bytes], exchange: Exchange
    ) -> None:
        """End the entry of a call with its reply. There are none if the request ends with an exception."""
        reply = b""
        if call.has_run:
            reply = replies[place] if replies else self._answerer.failure_reply(call.message, exchange)
        self._end(entry, reply, has_run=call.has_run)

    def _bounded(
        self, calls: Sequence[KeyedCall], replies: dict[int, bytes], endpoint: Endpoint, exchange: Exchange
    ) -> Iterator[bytes]:
        """Yield the replies in the order of the batch, with an error in place of each that is too much."""
        bytes_left = self._max_response_bytes
        for place, call in enumerate(calls):
            bytes_left -= len(replies[place])
            yield replies[place] if bytes_left >= 0 else self._answerer.refuse(call.message, endpoint, exchange)


def refused(call: KeyedCall, exc: ClaimRefusedError) -> JsonRpcInvalidMessage:
    """Return the message in place of a call that its key refuses. A notification gets no answer either way."""
    assert isinstance(call.message, JsonRpcRequest)  # noqa: S101  only these have keys
    return JsonRpcInvalidMessage(call.message.id, exc.error)


def failure_response(exc: BaseException, exchange: Exchange) -> Response:
    """Return the answer to a request that ends with an exception, as the pipeline makes it."""
    return refusal_response(exc) if isinstance(exc, Refusal) else server_error_response(exchange.unique_id)
