"""Requests of revision 2026-07-28 over the standard streams: each says all that is needed to answer it.

Source: revision 2026-07-28, "stdio", "Cancellation" and "Subscriptions".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ...dispatch.call_control import PlainControl
from ...dispatch.exchange import Exchange
from ...http.refusals import Refusal
from ...runtime.concurrency import make_lock
from ...sansio_jsonrpc import JsonRpcRequest
from ..calls.open_call import OpenCall
from ..feature import AnyRounds
from ..protocol.errors import InvalidRequest, McpError, TooManyOpenRequests, UnsupportedVersion
from ..protocol.messages import Send, notification_text
from ..protocol.requests import ClientRequest, read_request
from ..protocol.revisions import CURRENT
from ..service import Service
from ..sources import Sources

__all__ = ["MOST_SUBSCRIPTIONS", "SelfContained"]

MOST_SUBSCRIPTIONS: Final = 100
"""The most requests for notifications that are open at the same time; guessed."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that has not been answered.

    Attributes:
        cancel: Ends it, since the client wants no answer any more.
        end: Ends it, since the server ends.
        is_subscription: Whether it stays open to tell the client of changes.
    """

    cancel: Callable[[], object]
    end: Callable[[], object]
    is_subscription: bool = False


class SelfContained:
    """Answers the requests of one client.

    Args:
        sources: The parts of the server.
        service: Answers messages.
        rounds: Runs functions that may ask the client.
    """

    def __init__(self, sources: Sources, service: Service, rounds: AnyRounds) -> None:
        self._sources = sources
        self._service = service
        self._rounds = rounds
        self._changing = make_lock()
        self._open: dict[tuple[type, Any], OpenRequest] = {}  # guarded by _changing

    def read(self, message: JsonRpcRequest) -> ClientRequest:
        """Return a request.

        Raises:
            MalformedRequest: ``_meta`` is missing or incomplete.
            UnsupportedVersion: It is made in another revision.
        """
        request = read_request(message)
        if request.revision != CURRENT:
            raise UnsupportedVersion(request.revision)
        return request

    def answer(
        self, request: ClientRequest, exchange: Exchange, send: Send, reply_to: Callable[[bytes | None], object]
    ) -> Callable[[], object]:
        """Return a function that answers a request.

        Args:
            request: The request.
            exchange: The exchange of its call.
            send: Sends the notifications about it.
            reply_to: Takes the response; None if the client has cancelled the request.

        Raises:
            McpError: It cannot be answered with a result.
        """
        method = self._service.method(request.method)
        codec = self._sources.codec
        call = OpenCall(request, lambda name, params: send(notification_text(codec(), name, params)))
        scope = self._service.scope(self._sources.pipeline(), exchange, call.new_control, self._rounds)
        key = self._add(request, OpenRequest(call.cancel, call.cancel))

        def run() -> None:
            try:
                method.admit(request, scope)
                reply = self._service.reply(request, method, scope)
            except (McpError, Refusal) as exc:
                error = exc if isinstance(exc, McpError) else InvalidRequest(str(exc))
                reply = self._service.refusal(error, request.id)
            finally:
                self._remove(key)
            call.end()
            reply_to(None if call.is_cancelled else reply.text)

        return run

    def remove(self, request: ClientRequest) -> None:
        """Forget a request whose function from :meth:`answer` will not be called: its id is free again."""
        self._remove((type(request.id), request.id))

    def listen(self, request: ClientRequest, exchange: Exchange, send: Send) -> None:
        """Open a subscription, which lasts until the client cancels the request.

        Raises:
            McpError: The request has no valid filter, its id is in use, or too many are open.
        """
        scope = self._service.scope(self._sources.pipeline(), exchange, PlainControl, self._rounds)
        watches = self._service.watches(request, scope)
        self._check_room(request)
        cancel = self._service.subscriptions.open(request, self._service.notifications(), send, watches)

        def end() -> None:
            cancel()
            params = {"requestId": request.id, "reason": "the server ends"}
            send(notification_text(self._sources.codec(), "notifications/cancelled", params))

        self._add(request, OpenRequest(cancel, end, is_subscription=True))

    def cancel(self, request_id: Any) -> None:
        """Cancel a request, unless it has been answered."""
        request = self._remove((type(request_id), request_id)) if isinstance(request_id, (str, int)) else None
        if request is not None:
            request.cancel()

    def end(self) -> None:
        """Cancel all requests, since the client has gone."""
        with self._changing:
            requests = list(self._open.values())
            self._open.clear()
        for request in requests:
            request.end()

    def _check_room(self, request: ClientRequest) -> None:
        """Check that a request may open one more subscription. Only the thread that reads messages opens any.

        Raises:
            InvalidRequest: Its id is in use.
            TooManyOpenRequests: Too many are open.
        """
        with self._changing:
            self._check_id((type(request.id), request.id))
            count = sum(request.is_subscription for request in self._open.values())
        if count >= MOST_SUBSCRIPTIONS:
            message = f"{MOST_SUBSCRIPTIONS} subscriptions are open already; cancel one before you open another"
            raise TooManyOpenRequests(message)

    def _add(self, request: ClientRequest, open_request: OpenRequest) -> tuple[type, Any]:
        key = type(request.id), request.id
        with self._changing:
            self._check_id(key)
            self._open[key] = open_request
        return key

    def _check_id(self, key: tuple[type, Any]) -> None:
        if key in self._open:
            raise InvalidRequest("Invalid Request: a request with this id has not been answered yet")

    def _remove(self, key: tuple[type, Any]) -> OpenRequest | None:
        with self._changing:
            return self._open.pop(key, None)
