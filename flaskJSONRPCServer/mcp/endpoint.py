"""The endpoint of a server for models: its HTTP side.

Source: revision 2026-07-28, "Streamable HTTP".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..dispatch.built_in import BuiltInUrl
from ..dispatch.exchange import Exchange
from ..http.event_streams import AnswerStream, StreamedResponse
from ..http.refusals import NotAcceptable, Refusal
from ..http.response import Response
from ..sansio_jsonrpc import ABSENT, JsonRpcRequest, JsonRpcResponse
from .accepting import Accepted, accepted_by
from .authorization import Grant, TokenGuard
from .errors import InvalidRequest, McpError, UnsupportedVersion
from .events import HEADERS, KEEP_ALIVE, event
from .features import AnyRounds, Method
from .headers import check_headers
from .messages import notification_text, read_message
from .open_call import OpenCall
from .requests import ClientRequest, read_request
from .revisions import CURRENT
from .service import Reply, Service
from .sources import Sources
from .subscriptions import filter_of

__all__ = ["Endpoint"]

_LISTEN: Final = "subscriptions/listen"
_METHODS: Final = ("POST", "GET", "DELETE", "OPTIONS")


class Endpoint:
    """Answers the HTTP requests for one URL.

    Args:
        sources: The parts of the server.
        service: Answers messages.
        rounds: Runs functions that may ask the client.
        keep_alive_s: After how many seconds of silence a stream sends a comment.
        tokens: Checks the tokens of clients; None if ``auth`` does it.
    """

    def __init__(
        self,
        sources: Sources,
        service: Service,
        rounds: AnyRounds,
        keep_alive_s: float,
        tokens: TokenGuard | None = None,
    ) -> None:
        self._sources = sources
        self._service = service
        self._rounds = rounds
        self._keep_alive_s = keep_alive_s
        self._tokens = tokens

    def url(self, segment: str) -> BuiltInUrl:
        """Return the URL of the endpoint, for the server."""
        return BuiltInUrl(segment, self.answer, methods=_METHODS, needs_auth=self._tokens is None)

    def answer(self, exchange: Exchange, rest: str) -> Response:
        """Answer a request.

        Raises:
            Refusal: It gets an HTTP error.
        """
        grant = None if self._tokens is None else self._tokens.check(exchange)
        if exchange.method != "POST":
            return Response("405 Method Not Allowed", [("Allow", "POST, OPTIONS")])
        pipeline = self._sources.pipeline()
        pipeline.check_media_type(exchange)
        accepted = accepted_by(exchange.head.get("HTTP_ACCEPT", ""))
        if not (accepted.json or accepted.events):
            raise NotAcceptable("Accept is refused: send application/json, text/event-stream")
        request_id: Any = ABSENT
        try:
            message = read_message(pipeline.body_of(exchange), self._sources.codec())
            if isinstance(message, JsonRpcResponse):
                raise InvalidRequest("Invalid Request: this is a response, and nothing was asked")
            request_id = message.id
            return self._answer_message(message, exchange, accepted, grant)
        except McpError as exc:
            return json_answer(self._service.refusal(exc, exc.request_id if request_id is ABSENT else request_id))

    def _answer_message(
        self, message: JsonRpcRequest, exchange: Exchange, accepted: Accepted, grant: Grant | None
    ) -> Response:
        """Answer a request of the current revision.

        Raises:
            McpError: It cannot be answered with a result.
        """
        if message.id is ABSENT:  # none that a client may send by HTTP has a meaning
            return Response("202 Accepted", [])
        request = read_request(message)
        check_headers(exchange.head, request)
        if request.revision != CURRENT:
            raise UnsupportedVersion(request.revision)
        if request.method == _LISTEN:
            return self._listen(request, accepted, exchange, grant)
        method = self._service.method(request.method)
        scope = self._service.scope(exchange, OpenCall(request, drop), self._rounds, grant)
        method.admit(request, scope)
        wants_events = method.runs_function and (request.progress_token is not None or request.log_level is not None)
        if accepted.events and (wants_events or not accepted.json):
            return self._stream(lambda stream: self._answer_on(stream, request, method, exchange, grant))
        return json_answer(self._service.reply(request, method, scope))

    def _answer_on(
        self,
        stream: AnswerStream,
        request: ClientRequest,
        method: Method,
        exchange: Exchange,
        grant: Grant | None,
    ) -> None:
        """Answer a request on a stream: the notifications about it, then its response."""
        codec = self._sources.codec()
        call = OpenCall(request, lambda name, params: stream.send(event(notification_text(codec, name, params))))
        stream.on_close(call.cancel)
        scope = self._service.scope(exchange, call, self._rounds, grant)
        try:
            reply = self._service.reply(request, method, scope)
        except Refusal as exc:  # too late for its status
            reply = self._service.refusal(InvalidRequest(str(exc)), request.id)
        call.end()
        stream.send(event(reply.text))
        stream.close()

    def _listen(self, request: ClientRequest, accepted: Accepted, exchange: Exchange, grant: Grant | None) -> Response:
        """Answer with a stream that stays open, and tells the client what changes."""
        if not accepted.events:
            raise NotAcceptable("Accept is refused: the answer is a stream; send text/event-stream")
        offered = self._service.notifications()
        filter_of(request, offered)  # refused before the stream begins
        scope = self._service.scope(exchange, OpenCall(request, drop), self._rounds, grant)
        watches = self._service.watches(request, scope)

        def run(stream: AnswerStream) -> None:
            subscriptions = self._service.subscriptions
            end = subscriptions.open(request, offered, lambda message: stream.send(event(message)), watches)
            stream.on_close(end)

        return self._stream(run)

    def _stream(self, run: Callable[[AnswerStream], object]) -> Response:
        return StreamedResponse("200 OK", list(HEADERS), run, heartbeat=KEEP_ALIVE, heartbeat_s=self._keep_alive_s)


def json_answer(reply: Reply) -> Response:
    """Return the answer with one message."""
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(reply.text))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Response(reply.status, headers, reply.text)


def drop(method: str, params: Mapping[str, Any]) -> None:
    """Drop a notification: the answer has room for the response only."""
