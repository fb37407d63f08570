"""The HTTP side of sessions.

Source: revision 2025-11-25, "Transports", section "Streamable HTTP".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeGuard

from ...dispatch.exchange import Exchange
from ...dispatch.streams import ONE_THREAD
from ...http.event_streams import AnswerStream
from ...http.refusals import NotAcceptable
from ...http.request import Environ
from ...http.response import Header, Response
from ...runtime.log_limits import WarnOnce
from ...runtime.logs import ServerLog
from ...sansio_jsonrpc import ABSENT, JsonRpcBatch, JsonRpcRequest, JsonRpcResponse
from ..protocol.errors import InvalidRequest, McpError, SessionNotFound
from ..protocol.headers import check_session_revision
from ..protocol.messages import BATCH_REFUSED, Body, checked
from ..protocol.revisions import BATCH_REVISION
from ..service import Reply
from ..sessions.service import Caller, RunningRequest, SessionRequest, SessionService, drop
from ..sessions.store import HttpSession, Sessions, new_session_id
from ..sessions.streams import EventStream, SessionStreams, UnknownEventError
from ..subscriptions import Subscriptions
from .accepting import Accepted, accepted_by
from .answers import empty_answer, event_stream, json_answer, text_answer

__all__ = ["SESSION_HEADER", "SessionEndpoint"]

SESSION_HEADER: Final = "HTTP_MCP_SESSION_ID"
"""The key of the field with the id of the session in an environ."""

_LAST_EVENT_ID: Final = "HTTP_LAST_EVENT_ID"
_ACCEPTED: Final = "202 Accepted"
_NOT_ALLOWED: Final = "405 Method Not Allowed"

# The first revision whose clients know events without data.
_WITH_EMPTY_EVENTS: Final = "2025-11-25"

_UNKNOWN: Final = (
    "a client sent the id of a session that this process does not have: the session or its process has ended, or "
    "another process has it; see docs/mcp.md"
)


class SessionEndpoint:
    """Answers the HTTP requests of clients with sessions.

    Args:
        service: Answers messages.
        sessions: The sessions.
        subscriptions: Tells them of changes.
        caller_of: Returns the caller of a request, hashed.
        keep_alive_s: After how many seconds of silence a stream sends a comment.
        log: Gets a warning of unknown sessions.
        new_id: Returns the id of a session that begins in a request, given what is random in it.
        can_stream: Returns whether a stream may stay open behind the serving program of a request, given its head.
    """

    def __init__(
        self,
        service: SessionService,
        sessions: Sessions,
        subscriptions: Subscriptions,
        caller_of: Callable[[Caller], bytes],
        keep_alive_s: float,
        log: ServerLog,
        new_id: Callable[[Exchange, str], str],
        can_stream: Callable[[Environ], bool],
    ) -> None:
        self._service = service
        self._sessions = sessions
        self._subscriptions = subscriptions
        self._caller_of = caller_of
        self._keep_alive_s = keep_alive_s
        self._unknown = WarnOnce(log)
        self._new_id = new_id
        self._can_stream = can_stream

    def begin(self, message: JsonRpcRequest, caller: Caller, accepted: Accepted) -> Response:
        """Answer ``initialize`` with a new session.

        Raises:
            McpError: The request is malformed.
            ServiceUnavailable: There are too many sessions.
        """
        session_id = self._new_id(caller.exchange, new_session_id())
        state = self._service.new_session(session_id, message)
        streams = SessionStreams(self._sessions.kept_bytes, primes=state.revision >= _WITH_EMPTY_EVENTS)
        session = HttpSession(state, streams, self._caller_of(caller))
        # First, as the session can end as soon as it is added.
        session.leave = self._subscriptions.join(state.wanted, streams.standalone.send)
        try:
            self._sessions.add(session)
        except BaseException:
            session.end()
            raise
        named = [("Mcp-Session-Id", state.id), ("Access-Control-Expose-Headers", "Mcp-Session-Id")]
        text = self._service.welcome(state, message)
        return self._one_message(Reply(text), session, accepted, named)

    def end_all(self) -> None:
        """End all sessions: the server has stopped."""
        self._sessions.end_all()

    def answer(self, caller: Caller) -> Response:
        """Answer GET and DELETE.

        Raises:
            McpError, Refusal: The request is refused.
        """
        session = self._session_of(caller)
        method = caller.exchange.method
        if method == "GET":
            return self._resume(session, caller.exchange)
        if method != "DELETE":
            return empty_answer(_NOT_ALLOWED, ("Allow", "GET, POST, DELETE, OPTIONS"))
        self._sessions.end(session)
        return empty_answer("204 No Content")

    def post(self, message: Body, caller: Caller, accepted: Accepted) -> Response:
        """Answer a message, or a batch.

        Raises:
            McpError, Refusal: The request is refused.
        """
        session = self._session_of(caller)
        caller.exchange.outlives_client = True
        caller = replace(caller, has_left=partial(self._sessions.has_left, session))
        with self._sessions.using(session):
            if isinstance(message, JsonRpcBatch):
                if session.state.revision != BATCH_REVISION:
                    raise InvalidRequest(BATCH_REFUSED)
                return self._answer_batch([checked(part) for part in message], session, caller, accepted)
            if isinstance(message, JsonRpcResponse) or message.id is ABSENT:
                self._service.take(session.state, message)
                return empty_answer(_ACCEPTED)
            return self._answer_request(message, session, caller, accepted)

    def _session_of(self, caller: Caller) -> HttpSession:
        """Return the session of a request.

        Raises:
            SessionNotFound: There is none, or none of this caller.
            UnsupportedVersion: The request names an unknown revision.
            InvalidRequest: It names the revision without sessions.
        """
        head = caller.exchange.head
        try:
            session = self._sessions.find(str(head[SESSION_HEADER]), self._caller_of(caller))
        except SessionNotFound:
            self._unknown.write(_UNKNOWN)  # with several processes, another one may have it
            raise
        check_session_revision(head, session.state.revision)
        return session

    def _answer_request(
        self, message: JsonRpcRequest, session: HttpSession, caller: Caller, accepted: Accepted
    ) -> Response:
        """Answer a request.

        Raises:
            Refusal: It gets an HTTP error, since its answer has not begun.
        """
        try:
            asked = self._service.admit(session.state, self._service.read(session.state, message), caller)
        except McpError as exc:
            return self._one_message(self._service.refusal(exc, message.id), session, accepted)
        if accepted.events and asked.method.runs_function:
            return self._stream(lambda stream: self._replies([asked], session, caller, stream), session)
        begun = self._begin_request(asked, session, None)
        reply = begun if isinstance(begun, Reply) else self._service.answer(session.state, begun, caller)
        return empty_answer(_ACCEPTED) if reply is None else self._one_message(reply, session, accepted)

    def _answer_batch(
        self,
        messages: Sequence[JsonRpcRequest | JsonRpcResponse],
        session: HttpSession,
        caller: Caller,
        accepted: Accepted,
    ) -> Response:
        if accepted.events and any(map(is_request, messages)):
            return self._stream(lambda stream: self._replies(messages, session, caller, stream), session)
        texts = [reply.text for reply in self._replies(messages, session, caller)]
        return json_answer(Reply(b"[%b]" % b",".join(texts))) if texts else empty_answer(_ACCEPTED)

    def _replies(
        self,
        messages: Sequence[JsonRpcRequest | JsonRpcResponse | SessionRequest],
        session: HttpSession,
        caller: Caller,
        stream: EventStream | None = None,
    ) -> Iterator[Reply]:
        """Take all messages in their order; return an iterator that answers one request after the other.

        From now on, the client can cancel each request. The end of the connection cancels nothing.
        """
        begun: list[RunningRequest | Reply] = []
        for message in messages:
            if isinstance(message, SessionRequest) or is_request(message):
                begun.append(self._begin_request(message, session, stream))
            else:
                self._service.take(session.state, message)
        return self._answers_to(begun, session, caller)

    def _begin_request(
        self, message: JsonRpcRequest | SessionRequest, session: HttpSession, stream: EventStream | None
    ) -> RunningRequest | Reply:
        """Begin to answer a request, on a stream or without one; return its refusal if it has none."""
        try:
            asked = message if isinstance(message, SessionRequest) else self._service.read(session.state, message)
            if stream is None:
                return self._service.begin(session.state, asked, drop)
            return self._service.begin(session.state, asked, stream.send, stream.offer)
        except McpError as exc:
            return self._service.refusal(exc, id_of(message))

    def _answers_to(
        self, begun: Sequence[RunningRequest | Reply], session: HttpSession, caller: Caller
    ) -> Iterator[Reply]:
        running = [request for request in begun if isinstance(request, RunningRequest)]
        answer = self._service.answer_in_message
        try:
            for request in begun:
                reply = request if isinstance(request, Reply) else answer(session.state, request, caller)
                if reply is not None:
                    yield reply
        finally:
            for request in running:
                self._service.leave(session.state, request)

    def _resume(self, session: HttpSession, exchange: Exchange) -> Response:
        """Answer GET: with the rest of a stream, or with the stream for what belongs to no request."""
        if not accepted_by(exchange.head.get("HTTP_ACCEPT", "")).events:
            raise NotAcceptable("Accept is refused: the answer is a stream; send text/event-stream")
        last_event_id = exchange.head.get(_LAST_EVENT_ID)
        try:
            stream, number = session.streams.find(last_event_id)
        except UnknownEventError as exc:
            raise InvalidRequest("Invalid Request: there is nothing to resume after this Last-Event-ID") from exc
        if stream is session.streams.standalone and not self._can_stream(exchange.head):
            return text_answer(_NOT_ALLOWED, f"No stream: {ONE_THREAD}.", ("Allow", "POST, DELETE, OPTIONS"))
        has_ended = stream.has_ended
        stream.detach()  # whose room the new connection takes
        return self._response(lambda outlet: stream.attach(outlet, number), session, ends_with_run=has_ended)

    def _stream(self, begin: Callable[[EventStream], Iterable[Reply]], session: HttpSession) -> Response:
        """Answer with a new stream of the session, which ends after some responses.

        Args:
            begin: Begins to answer requests, and returns their responses.
            session: The session.
        """

        def run(outlet: AnswerStream) -> None:
            stream = session.streams.open()
            with ended(stream), self._sessions.using(session):
                replies = begin(stream)  # first, as a client that gets something of the stream may cancel the requests
                stream.attach(outlet)
                for reply in replies:
                    stream.send(reply.text)

        return self._response(run, session, ends_with_run=True)

    def _one_message(
        self, reply: Reply, session: HttpSession, accepted: Accepted, headers: Sequence[Header] = ()
    ) -> Response:
        """Answer with one message, in a form that the client accepts."""
        if accepted.json:
            return json_answer(reply, headers)
        response = self._stream(lambda stream: [reply], session)
        response.headers += headers
        return response

    def _response(
        self, run: Callable[[AnswerStream], object], session: HttpSession, *, ends_with_run: bool = False
    ) -> Response:
        def begin(outlet: AnswerStream) -> None:
            self._sessions.connect(session, outlet)
            run(outlet)

        return event_stream(begin, self._keep_alive_s, ends_with_run=ends_with_run)


@contextmanager
def ended(stream: EventStream) -> Iterator[None]:
    """End a stream after the block."""
    try:
        yield
    finally:
        stream.end()


def is_request(message: JsonRpcRequest | JsonRpcResponse) -> TypeGuard[JsonRpcRequest]:
    """Return whether a message is a request that is answered."""
    return isinstance(message, JsonRpcRequest) and message.id is not ABSENT


def id_of(message: JsonRpcRequest | SessionRequest) -> Any:
    """Return the id of a request."""
    return message.request.id if isinstance(message, SessionRequest) else message.id
