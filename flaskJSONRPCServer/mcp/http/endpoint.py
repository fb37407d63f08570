"""The endpoint of a server for models: its HTTP side.

Source: revision 2026-07-28, "Streamable HTTP".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeGuard

from ...dispatch.call_control import PlainControl
from ...dispatch.exchange import Exchange
from ...http.event_streams import AnswerStream
from ...http.refusals import NotAcceptable, Refusal
from ...http.response import Response
from ...sansio_jsonrpc import ABSENT, JsonRpcBatch, JsonRpcRequest, JsonRpcResponse
from ..authorization import TokenGuard
from ..calls.open_call import OpenCall
from ..feature import AnyRounds, Method, Scope
from ..processes.processes import Processes
from ..protocol.errors import InvalidRequest, MalformedRequest, McpError, UnsupportedVersion
from ..protocol.events import event
from ..protocol.headers import VERSION_HEADER, check_headers
from ..protocol.messages import BATCH_REFUSED, Body, notification_text, pong_text, read_body
from ..protocol.requests import ClientRequest, is_self_contained, read_request
from ..protocol.revisions import CURRENT, LISTEN, SESSION_REVISIONS
from ..service import Reply, Service
from ..sessions.service import Caller
from ..sources import Sources
from ..subscriptions import filter_of
from ..tasks.tasks import task_ids_in
from .accepting import Accepted, accepted_by
from .answers import empty_answer, event_stream, json_answer, text_answer
from .session_endpoint import SESSION_HEADER, SessionEndpoint

__all__ = ["Endpoint"]


_NOT_ALLOWED: Final = "405 Method Not Allowed"
_FOR_CLIENTS: Final = "This URL is for clients of the Model Context Protocol, which POST their messages."


class Endpoint:
    """Answers the HTTP requests for one URL.

    Args:
        path: The path of the URL, such as ``/mcp``.
        sources: The parts of the server.
        service: Answers messages.
        rounds: Runs functions that may ask the client.
        sessions: Answers clients with sessions.
        processes: The processes that have sessions and tasks.
        keep_alive_s: After how many seconds of silence a stream sends a comment.
        tokens: Checks the tokens of clients; None if ``auth`` does it.
    """

    def __init__(
        self,
        path: str,
        sources: Sources,
        service: Service,
        rounds: AnyRounds,
        sessions: SessionEndpoint,
        processes: Processes,
        keep_alive_s: float,
        tokens: TokenGuard | None = None,
    ) -> None:
        self._path = f"{path}/"
        self._sources = sources
        self._service = service
        self._rounds = rounds
        self._sessions = sessions
        self._processes = processes
        self._keep_alive_s = keep_alive_s
        self._tokens = tokens

    def answer(self, exchange: Exchange, rest: str) -> Response:
        """Answer a request, if its token or ``auth`` lets it in.

        Raises:
            Refusal: It gets an HTTP error.
        """
        pipeline = self._sources.pipeline()
        grant = None
        if self._tokens is not None:
            grant = self._tokens.check(exchange)
        elif pipeline.has_auth:
            pipeline.authorise(exchange, self._path, None)
        if SESSION_HEADER in exchange.head and (response := self._session_elsewhere(exchange)) is not None:
            return response
        if exchange.method != "POST":
            return self._answer_without_body(Caller(exchange, grant))
        pipeline.check_media_type(exchange.head)
        accepted = accepted_by(exchange.head.get("HTTP_ACCEPT", ""))
        if not (accepted.json or accepted.events):
            raise NotAcceptable("Accept is refused: send application/json, text/event-stream")
        scope = self._service.scope(pipeline, exchange, PlainControl, self._rounds, grant)
        message: Body | None = None
        try:
            message = read_body(pipeline.body_of(exchange), pipeline.steps.codec)
            if is_self_contained(message):
                return self._answer_message(message, scope, accepted)
            return self._answer_without_revision(message, scope, accepted)
        except McpError as exc:
            return self._answer_refused(message, exc)

    def _session_elsewhere(self, exchange: Exchange) -> Response | None:
        """Return the answer of the process that has the session of a request; None if that is this one, or none."""
        ids = [exchange.head[SESSION_HEADER]]
        return self._processes.answer(exchange, ids, stays_open=exchange.method == "GET")

    def _answer_without_body(self, caller: Caller) -> Response:
        if SESSION_HEADER not in caller.exchange.head:
            return text_answer(_NOT_ALLOWED, _FOR_CLIENTS, ("Allow", "POST, OPTIONS"))
        try:
            return self._sessions.answer(caller)
        except McpError as exc:
            return json_answer(self._service.refusal(exc, ABSENT))

    def _answer_refused(self, message: Body | None, exc: McpError) -> Response:
        """Return the answer to a message that cannot be answered with a result; None for one that cannot be read."""
        request_id = message.id if isinstance(message, JsonRpcRequest) else ABSENT
        return json_answer(self._service.refusal(exc, exc.request_id if request_id is ABSENT else request_id))

    def _answer_without_revision(self, message: Body, scope: Scope, accepted: Accepted) -> Response:
        """Answer a message that does not say its revision: one that begins a session, belongs to one, or is refused.

        Raises:
            McpError, Refusal: It is refused.
        """
        exchange = scope.exchange
        if is_initialize(message):
            return self._sessions.begin(message, Caller(exchange, scope.grant), accepted)
        if SESSION_HEADER in exchange.head:
            return self._sessions.post(message, Caller(exchange, scope.grant), accepted)
        request = request_without_session(message, exchange)
        if request.method == "ping" and request.id is not ABSENT:
            return json_answer(Reply(pong_text(self._sources.codec(), request.id)))
        return self._answer_message(request, scope, accepted)

    def _answer_message(self, message: JsonRpcRequest, scope: Scope, accepted: Accepted) -> Response:
        """Answer a request of the current revision.

        Raises:
            McpError: It cannot be answered with a result.
        """
        if message.id is ABSENT:  # none that a client may send by HTTP has a meaning
            return empty_answer("202 Accepted")
        request = read_request(message)
        check_headers(scope.exchange.head, request)
        if request.revision != CURRENT:
            raise UnsupportedVersion(request.revision)
        if request.method == LISTEN:
            return self._tasks_elsewhere(request, scope.exchange) or self._listen(request, scope, accepted)
        method = self._service.method(request.method)
        if method.names_task and (response := self._tasks_elsewhere(request, scope.exchange)) is not None:
            return response
        admit = method.admit
        admit(request, scope)
        wants_events = method.runs_function and (request.progress_token is not None or request.log_level is not None)
        if accepted.events and (wants_events or not accepted.json):
            return self._stream(request, method, scope)
        return json_answer(self._service.reply(request, method, scope))

    def _tasks_elsewhere(self, request: ClientRequest, exchange: Exchange) -> Response | None:
        """Return the answer of the process that has the tasks of a request; None if that is this one, or none."""
        return self._processes.answer(exchange, task_ids_in(request), stays_open=request.method == LISTEN)

    def _stream(self, request: ClientRequest, method: Method, scope: Scope) -> Response:
        """Return the answer with a stream, on which a request is answered."""
        return event_stream(
            lambda stream: self._answer_on(stream, request, method, scope),
            self._keep_alive_s,
            ends_with_run=True,
        )

    def _answer_on(self, stream: AnswerStream, request: ClientRequest, method: Method, scope: Scope) -> None:
        """Answer a request on a stream: the notifications about it, then its response."""
        codec = self._sources.codec()

        def notify(name: str, params: Mapping[str, Any]) -> None:
            if stream.has_room:  # a notification that is lost costs less than the result
                stream.send(event(notification_text(codec, name, params)))

        call = OpenCall(request, notify)
        stream.on_close(call.cancel)
        try:
            reply = self._service.reply(request, method, replace(scope, new_control=call.new_control))
        except Refusal as exc:  # too late for its status
            reply = self._service.refusal(InvalidRequest(str(exc)), request.id)
        call.end()
        stream.send_last(event(reply.text))

    def _listen(self, request: ClientRequest, scope: Scope, accepted: Accepted) -> Response:
        """Answer with a stream that stays open, and tells the client what changes."""
        if not accepted.events:
            raise NotAcceptable("Accept is refused: the answer is a stream; send text/event-stream")
        offered = self._service.notifications()
        filter_of(request, offered)  # refused before the stream begins
        watches = self._service.watches(request, scope)
        self._processes.join(scope.exchange)  # which then learns of changes in others

        def run(stream: AnswerStream) -> None:
            subscriptions = self._service.subscriptions
            end = subscriptions.open(request, offered, lambda message: stream.send(event(message)), watches)
            stream.on_close(end)

        return event_stream(run, self._keep_alive_s, lambda: event(self._service.end_of_stream(request)))


def request_without_session(message: Body, exchange: Exchange) -> JsonRpcRequest:
    """Return the request in a body that has no session, and does not say its revision.

    Raises:
        InvalidRequest: It is none that can come outside of a session.
        MalformedRequest: It is one of a revision with sessions.
    """
    if isinstance(message, JsonRpcBatch):
        raise InvalidRequest(BATCH_REFUSED)
    if isinstance(message, JsonRpcResponse):
        raise InvalidRequest("Invalid Request: this is a response, and nothing was asked")
    revision = exchange.head.get(VERSION_HEADER)
    if revision in SESSION_REVISIONS and message.id is not ABSENT:
        remedy = f"a client of {revision} sends it with each request after initialize"
        raise MalformedRequest(f"Invalid params: Mcp-Session-Id is missing; {remedy}")
    if message.method == "ping" and message.id is not ABSENT and revision is not None:
        read_request(message)  # which refuses it; without a revision, it comes before a session begins
    return message


def is_initialize(message: Body) -> TypeGuard[JsonRpcRequest]:
    """Return whether a message begins a session."""
    return isinstance(message, JsonRpcRequest) and message.method == "initialize" and message.id is not ABSENT
