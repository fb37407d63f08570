"""Calls, notifications and batches as steps without I/O, for the synchronous and the asynchronous client."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final

from ..sansio_jsonrpc import (
    ABSENT,
    Codec,
    JsonRpcException,
    JsonRpcMethodNotFoundError,
    JsonRpcSerializationError,
    OptionalId,
    RequestId,
    encode_request,
)
from .attempts import Steps, attempts
from .authorization import Authorize
from .batch import PendingCall, settle
from .deadlines import Deadline
from .discovered import Discovered, discovered_in
from .errors import ClientError, ConnectionLostError
from .messages import read_answer, read_batch, read_notified
from .options import CallOptions, first_id, idempotency_headers
from .parameters import Signature, merged
from .retries import RetryBudget
from .transports.base import ClientRequest
from .transports.headers import merged_headers

__all__ = ["Session"]

_DISCOVER: Final = "rpc.discover"
# The document only decides about repetitions, so most of the time is left to the call. The numbers are guessed.
_DISCOVERY_SHARE: Final = 0.25
_DISCOVERY_TIMEOUT_S: Final = 10.0
_DISCOVERY_PAUSE_S: Final = 30.0


class Session:
    """Makes the steps of calls. Threads share it.

    Args:
        url: The URL of the requests.
        shown_url: That of the messages of exceptions.
        codec: Writes the parameters and reads the answers.
        headers: The header fields of all requests.
        authorize: Returns the header fields that authorize a request; None for none.
        discovers: Whether the document of the server says which methods are idempotent.
    """

    def __init__(
        self,
        url: str,
        shown_url: str,
        codec: Codec,
        headers: Mapping[str, str],
        authorize: Authorize | None,
        *,
        discovers: bool = False,
    ) -> None:
        self._url = url
        self._shown_url = shown_url
        self._codec = codec
        self._headers = headers
        self._authorize = authorize
        self._budget = RetryBudget()
        # next() of a count is atomic.
        self._ids = count(1)
        self._discovers = discovers
        # Written by any thread, at worst twice with the same value.
        self._discovered: Discovered | None = None
        # When to read the document again after a failure, on the monotonic clock. Written by any thread.
        self._discovers_from = 0.0

    def call(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> Steps:
        """Call a method, and return its result."""
        deadline = Deadline(options.timeout_s)
        params: Any = args or kwargs
        if args and kwargs:
            params = yield from self._params(options, deadline, method, args, kwargs, signature)
        if self._discovers:
            options = yield from self._informed(options, deadline, (method,))
        request_id = next(self._ids_for(options))
        body = self._encode(request_id, method, params)
        response = yield from self._attempts(options, body, deadline, (request_id,))
        result = read_answer(response, request_id, self._codec, options.errors, self._shown_url)
        return result if options.read_result is None else options.read_result(result)

    def notify(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> Steps:
        """Send a notification, and return None."""
        deadline = Deadline(options.timeout_s)
        params: Any = args or kwargs
        if args and kwargs:
            params = yield from self._params(options, deadline, method, args, kwargs, signature)
        if self._discovers:
            options = yield from self._informed(options, deadline, (method,))
        body = self._encode(ABSENT, method, params)
        response = yield from self._attempts(options, body, deadline, ())
        read_notified(response, self._codec, self._shown_url)

    def batch(self, options: CallOptions, pending: Sequence[PendingCall[Any]]) -> Steps:
        """Send calls and notifications as one batch, and settle them.

        Raises:
            JsonRpcException: The server refused the batch as a whole.
            ProtocolError: There is an answer to none of the calls.
        """
        deadline = Deadline(options.timeout_s)
        if self._discovers:
            options = yield from self._informed(options, deadline, [call.method for call in pending])
        ids = self._ids_for(options)
        messages: list[dict[str, Any]] = []
        expected: dict[RequestId, PendingCall[Any]] = {}
        for call in pending:
            params: Any = call.args or call.kwargs or []
            if call.args and call.kwargs:
                params = yield from self._params(options, deadline, call.method, call.args, call.kwargs, call.signature)
            if call.is_notification:
                messages.append({"jsonrpc": "2.0", "method": call.method, "params": params})
            else:
                call.id = request_id = next(ids)
                expected[request_id] = call
                messages.append({"jsonrpc": "2.0", "method": call.method, "params": params, "id": request_id})
        try:
            body = self._encode_batch(messages)
            response = yield from self._attempts(options, body, deadline, tuple(expected))
            answers = read_batch(response, self._codec, self._shown_url)
        except BaseException as exc:
            # Not an Exception: the call was interrupted or cancelled, which closes its steps.
            failure = exc if isinstance(exc, Exception) else ConnectionLostError("interrupted before the answer came")
            for call in expected.values():
                call.fail(failure)
            raise
        settle(expected, answers)

    def _ids_for(self, options: CallOptions) -> Iterator[int]:
        first = first_id(options)
        return self._ids if first is None else count(first)

    def _encode(self, request_id: OptionalId, method: str, params: Any) -> bytes:
        try:
            return encode_request(self._codec, request_id, method, params or None)
        except JsonRpcSerializationError as exc:
            raise TypeError(f"the parameters of {method} have no JSON form: {exc.__cause__}") from exc

    def _encode_batch(self, messages: Sequence[Mapping[str, Any]]) -> bytes:
        """Encode the messages of a batch at once, which takes a third of the time of each by itself."""
        try:
            return self._codec.dumps(messages)
        except JsonRpcSerializationError:
            # One of them cannot be encoded: the exception names it.
            texts = [self._encode(each.get("id", ABSENT), each["method"], each["params"]) for each in messages]
            return b"[%b]" % b",".join(texts)

    def _attempts(self, options: CallOptions, body: bytes, deadline: Deadline, ids: tuple[RequestId, ...]) -> Steps:
        headers = self._headers
        if options.headers or options.idempotency_key:
            headers = merged_headers(headers, idempotency_headers(options))
        request = ClientRequest(self._url, headers, body, ids)
        if self._authorize is not None:
            request = request._replace(headers=merged_headers(headers, self._authorize(request)))
        return attempts(request, deadline, options, self._budget)

    def _params(
        self,
        options: CallOptions,
        deadline: Deadline,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None,
    ) -> Steps:
        """Return positional and named arguments together by name, since JSON-RPC has either."""
        if signature is None:
            discovered = yield from self._discover(options, deadline)
            signature = discovered.signatures.get(method)
        return merged(method, args, kwargs, signature)

    def _informed(self, options: CallOptions, deadline: Deadline, methods: Iterable[str]) -> Steps:
        """Return the options of a request: with what the server says of its methods, unless the user has said it.

        A document that cannot be read, or not in a share of the time, is no reason to fail: the calls are not repeated
        then, and the document is not read again for a while.
        """
        if options.is_safe or options.is_idempotent is not None:
            return options
        if self._discovered is None and time.monotonic() < self._discovers_from:
            return options
        try:
            discovered = yield from self._discover(options, deadline.part(_DISCOVERY_SHARE, _DISCOVERY_TIMEOUT_S))
        except (ClientError, JsonRpcException):
            self._discovers_from = time.monotonic() + _DISCOVERY_PAUSE_S
            return options
        return replace(options, is_idempotent=discovered.idempotent.issuperset(methods))

    def _discover(self, options: CallOptions, deadline: Deadline) -> Steps:
        """Return what the OpenRPC document of the server says; nothing if it has none. It is read once."""
        if self._discovered is not None:
            return self._discovered
        # The key of the call marks another payload.
        options = replace(options, idempotency_key=None, is_idempotent=True)
        request_id = next(self._ids)
        body = self._encode(request_id, _DISCOVER, None)
        response = yield from self._attempts(options, body, deadline, (request_id,))
        try:
            self._discovered = discovered_in(read_answer(response, request_id, self._codec, {}, self._shown_url))
        except JsonRpcMethodNotFoundError:
            self._discovered = Discovered()
        return self._discovered
