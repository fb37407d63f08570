"""The HTTP side of sessions.

Source: revision 2025-11-25, "Transports", section "Streamable HTTP".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from ...dispatch.exchange import Exchange
from ...http.event_streams import StreamedResponse
from ...http.refusals import NotAcceptable
from ...http.response import Header, Response
from ...sansio_jsonrpc import ABSENT, JsonRpcBatch, JsonRpcRequest, JsonRpcResponse
from ..protocol.errors import InvalidRequest, McpError, UnsupportedVersion
from ..protocol.events import HEADERS, KEEP_ALIVE
from ..protocol.headers import VERSION_HEADER
from ..protocol.messages import checked
from ..protocol.revisions import SESSION_REVISIONS
from ..service import Reply
from ..sessions.service import Admitted, Caller, SessionService, drop
from ..sessions.store import HttpSession, Sessions, new_session_id
from ..sessions.streams import EventStream, SessionStreams, UnknownEventError
from ..subscriptions import Subscriptions
from .accepting import Accepted, accepted_by
from .answers import empty_answer, json_answer

__all__ = ["SESSION_HEADER", "SessionEndpoint"]

SESSION_HEADER: Final = "HTTP_MCP_SESSION_ID"
"""The key of the field with the id of the session in an environ."""

_LAST_EVENT_ID: Final = "HTTP_LAST_EVENT_ID"
_ACCEPTED: Final = "202 Accepted"

# The only revision with batches, and the first one whose clients know events without data.
_WITH_BATCHES: Final = "2025-03-26"
_WITH_EMPTY_EVENTS: Final = "2025-11-25"


class SessionEndpoint:
    """Answers the HTTP requests of clients with sessions.

    Args:
        service: Answers messages.
        sessions: The sessions.
        subscriptions: Tells them of changes.
        caller_of: Returns the caller of a request, hashed.
        keep_alive_s: After how many seconds of silence a stream sends a comment.
    """

    def __init__(
        self,
        service: SessionService,
        sessions: Sessions,
        subscriptions: Subscriptions,
        caller_of: Callable[[Caller], bytes],
        keep_alive_s: float,
    ) -> None:
        self._service = service
        self._sessions = sessions
        self._subscriptions = subscriptions
        self._caller_of = caller_of
        self._keep_alive_s = keep_alive_s

    def begin(self, message: JsonRpcRequest, caller: Caller, accepted: Accepted) -> Response:
        """Answer ``initialize`` with a new session.

        Raises:
            McpError: The request is malformed.
            ServiceUnavailable: There are too many sessions.
        """
        state = self._service.new_session(new_session_id(), message)
        streams = SessionStreams(self._sessions.kept_bytes, primes=state.revision >= _WITH_EMPTY_EVENTS)
        session = HttpSession(state, streams, self._caller_of(caller))
        self._sessions.add(session)
        session.leave = self._subscriptions.join(state.wanted, streams.standalone.send)
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
            return empty_answer("405 Method Not Allowed", ("Allow", "GET, POST, DELETE, OPTIONS"))
        self._sessions.end(session)
        return empty_answer("204 No Content")

    def post(self, message: Any, caller: Caller, accepted: Accepted) -> Response:
        """Answer a message, or a batch.

        Raises:
            McpError, Refusal: The request is refused.
        """
        session = self._session_of(caller)
        caller.exchange.outlives_client = True
        if isinstance(message, JsonRpcBatch):
            if session.state.revision != _WITH_BATCHES:
                raise InvalidRequest("Invalid Request: a batch; send each message in a request of its own")
            return self._answer_batch([checked(part) for part in message], session, caller, accepted)
        if isinstance(message, JsonRpcResponse) or message.id is ABSENT:
            self._service.take(session.state, message)
            return empty_answer(_ACCEPTED)
        try:
            admitted = self._service.admit(session.state, message, caller)
        except McpError as exc:
            return self._one_message(self._service.refusal(exc, message.id), session, accepted)
        if accepted.events and admitted.method.runs_function:
            return self._stream(lambda stream: self._answer_on(stream, admitted, session, caller), session)
        reply = self._service.run(session.state, admitted, caller, drop)
        return empty_answer(_ACCEPTED) if reply is None else self._one_message(reply, session, accepted)

    def _session_of(self, caller: Caller) -> HttpSession:
        """Return the session of a request.

        Raises:
            SessionNotFound: There is none, or none of this caller.
            UnsupportedVersion: The request names a revision without sessions, or an unknown one.
        """
        head = caller.exchange.head
        session = self._sessions.find(str(head[SESSION_HEADER]), self._caller_of(caller))
        revision = head.get(VERSION_HEADER)
        if revision is not None and revision not in SESSION_REVISIONS:
            raise UnsupportedVersion(str(revision)[:100])
        return session

    def _answer_batch(
        self,
        messages: Sequence[JsonRpcRequest | JsonRpcResponse],
        session: HttpSession,
        caller: Caller,
        accepted: Accepted,
    ) -> Response:
        requests: list[JsonRpcRequest] = []
        for message in messages:
            if isinstance(message, JsonRpcRequest) and message.id is not ABSENT:
                requests.append(message)
            else:
                self._service.take(session.state, message)
        if not requests:
            return empty_answer(_ACCEPTED)
        if accepted.events:
            return self._stream(lambda stream: self._answer_all_on(stream, requests, session, caller), session)
        replies = [self._service.answer(session.state, request, caller, drop) for request in requests]
        texts = [reply.text for reply in replies if reply is not None]
        return json_answer(Reply(b"[%b]" % b",".join(texts)))

    def _answer_on(self, stream: EventStream, admitted: Admitted, session: HttpSession, caller: Caller) -> None:
        """Answer a request on a stream, and end it. The end of the connection cancels nothing."""
        with ended(stream):
            send_reply(stream, self._service.run(session.state, admitted, caller, stream.send))

    def _answer_all_on(
        self, stream: EventStream, requests: Sequence[JsonRpcRequest], session: HttpSession, caller: Caller
    ) -> None:
        """Answer the requests of a batch on a stream, one after the other."""
        with ended(stream):
            for request in requests:
                send_reply(stream, self._service.answer(session.state, request, caller, stream.send))

    def _resume(self, session: HttpSession, exchange: Exchange) -> Response:
        """Answer GET: with the rest of a stream, or with the stream for what belongs to no request."""
        if not accepted_by(exchange.head.get("HTTP_ACCEPT", "")).events:
            raise NotAcceptable("Accept is refused: the answer is a stream; send text/event-stream")
        last_event_id = exchange.head.get(_LAST_EVENT_ID)
        if last_event_id is None:
            return self._response(session.streams.standalone.attach)
        try:
            stream, number = session.streams.find(last_event_id)
        except UnknownEventError as exc:
            raise InvalidRequest("Invalid Request: there is nothing to resume after this Last-Event-ID") from exc
        return self._response(lambda outlet: stream.attach(outlet, number))

    def _stream(self, run: Callable[[EventStream], object], session: HttpSession) -> Response:
        """Answer with a new stream of the session."""

        def begin(outlet: Any) -> None:
            stream = session.streams.open()
            stream.attach(outlet)
            run(stream)

        return self._response(begin)

    def _one_message(
        self, reply: Reply, session: HttpSession, accepted: Accepted, headers: Sequence[Header] = ()
    ) -> Response:
        """Answer with one message, in a form that the client accepts."""
        if accepted.json:
            return json_answer(reply, headers)

        def send(stream: EventStream) -> None:
            stream.send(reply.text)
            stream.end()

        response = self._stream(send, session)
        response.headers += headers
        return response

    def _response(self, run: Callable[[Any], object]) -> Response:
        return StreamedResponse("200 OK", list(HEADERS), run, heartbeat=KEEP_ALIVE, heartbeat_s=self._keep_alive_s)


@contextmanager
def ended(stream: EventStream) -> Iterator[None]:
    """End a stream after the block."""
    try:
        yield
    finally:
        stream.end()


def send_reply(stream: EventStream, reply: Reply | None) -> None:
    """Send a response, if there is one."""
    if reply is not None:
        stream.send(reply.text)
