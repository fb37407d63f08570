"""What a session answers, whichever way its messages come.

Source: revision 2025-11-25, "Lifecycle", "Ping", "Logging" and "Resources".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..dispatch.exchange import Exchange
from ..sansio_jsonrpc import ABSENT, JsonRpcRequest, JsonRpcResponse
from .errors import InvalidParams, InvalidRequest, McpError, MethodNotFound
from .features import Method, Result
from .messages import notification_text, params_of, result_text
from .open_call import OpenCall
from .requests import LOG_LEVELS, ClientRequest
from .service import Reply, Service
from .session_rounds import AskingRounds
from .session_state import Introduction, Session
from .sources import Sources
from .subscriptions import UPDATES

__all__ = ["SessionService"]

# Only what these revisions know; extensions belong to the revision after them.
_CAPABILITIES: Final = ("tools", "resources", "prompts", "completions")

_MOST_URIS: Final = 1000

Send = Callable[[bytes], object]
"""Sends a message to the client."""

OwnMethod = Callable[[Session, ClientRequest], Result]


class SessionService:
    """Answers the messages of sessions.

    Args:
        sources: The parts of the server.
        service: Answers what is the same without sessions.
    """

    def __init__(self, sources: Sources, service: Service) -> None:
        self._sources = sources
        self._service = service
        self._own: Mapping[str, OwnMethod] = {
            "ping": lambda session, request: {},
            "logging/setLevel": self._set_level,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
        }

    def new_session(self, session_id: str, introduction: Introduction) -> Session:
        """Return a session for a client that has introduced itself."""
        return Session(session_id, introduction, self._sources.codec, self._sources.facts.locks.wake_waiting)

    def welcome(self, session: Session, message: JsonRpcRequest) -> bytes:
        """Return the response to the request ``initialize`` that has begun a session."""
        identity = self._service.identity()
        offers = self._service.capabilities()
        capabilities = {name: offers[name] for name in _CAPABILITIES if name in offers}
        members: dict[str, Any] = {
            "protocolVersion": session.revision,
            "capabilities": {**capabilities, "logging": {}},
            "serverInfo": dict(identity.info),
        }
        if identity.instructions:
            members["instructions"] = identity.instructions
        return result_text(self._sources.codec(), message.id, members)

    def method(self, session: Session, name: str) -> Method:
        """Return a method.

        Raises:
            MethodNotFound: There is none.
            InvalidRequest: The session has begun already.
        """
        if name == "initialize":
            raise InvalidRequest("Invalid Request: the session has begun already")
        own = self._own.get(name)
        if own is not None:
            return Method(lambda request, scope: own(session, request))
        if name == "server/discover":
            raise MethodNotFound("Method not found")
        return self._service.method(name)

    def take(self, session: Session, message: JsonRpcRequest | JsonRpcResponse) -> None:
        """Take a message that has no answer: a notification, or the answer to a question."""
        if isinstance(message, JsonRpcResponse):
            session.questions.answer(message)
        elif message.method == "notifications/cancelled":
            session.cancel(params_of(message).get("requestId"))

    def answer(self, session: Session, message: JsonRpcRequest, exchange: Exchange, send: Send) -> Reply | None:
        """Answer a request.

        Args:
            session: The session.
            message: The request.
            exchange: The HTTP request that it came by.
            send: Sends the notifications and questions about it.

        Returns:
            The response; None if the client has cancelled the request.
        """
        try:
            request = session.read(message)
            method = self.method(session, request.method)
            codec = self._sources.codec
            call = OpenCall(request, lambda name, params: send(notification_text(codec(), name, params)))
            rounds = AskingRounds(session, call, send, codec, self._sources.facts.locks.wait_while)
            with session.running(request, call):
                reply = self._service.reply(request, method, exchange, call, rounds)
                call.end()
        except McpError as exc:
            reply = self._service.refusal(exc, message.id)
        else:
            if call.is_cancelled:
                return None
        return Reply(reply.text, status_in_session(reply.status))

    def runs_function(self, session: Session, message: JsonRpcRequest) -> bool:
        """Return whether a request runs a function of the user's, which may send messages and take long."""
        try:
            return message.id is not ABSENT and self.method(session, message.method).runs_function
        except McpError:
            return False

    def _set_level(self, session: Session, request: ClientRequest) -> Result:
        level = request.params.get("level")
        if level not in LOG_LEVELS:
            raise InvalidParams(f"Invalid params: level is none of {', '.join(LOG_LEVELS)}")
        session.log_level = level
        return {}

    def _subscribe(self, session: Session, request: ClientRequest) -> Result:
        uri = self._uri_in(request)
        if len(session.uris) >= _MOST_URIS:
            raise InvalidParams(f"Invalid params: the session has subscribed to {_MOST_URIS} resources already")
        session.uris.add(uri)
        return {}

    def _unsubscribe(self, session: Session, request: ClientRequest) -> Result:
        session.uris.discard(self._uri_in(request))
        return {}

    def _uri_in(self, request: ClientRequest) -> str:
        """Return the resource that a subscription is about.

        Raises:
            MethodNotFound: The endpoint does not tell of changes of resources.
            InvalidParams: There is none.
        """
        if UPDATES not in self._service.notifications():
            raise MethodNotFound("Method not found")
        uri = request.params.get("uri")
        if not isinstance(uri, str):
            raise InvalidParams("Invalid params: uri is not a string")
        return uri


def status_in_session(status: str) -> str:
    """Return the HTTP status of a response: in a session, 404 would say that the session has ended."""
    return "200 OK" if status.startswith("404") else status
