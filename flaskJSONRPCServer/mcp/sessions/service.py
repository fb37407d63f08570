"""Answers the messages of a session, independent of the transport.

Source: revision 2025-11-25, "Lifecycle", "Ping", "Logging" and "Resources".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ...dispatch.exchange import Exchange
from ...http.refusals import Refusal
from ...sansio_jsonrpc import JsonRpcRequest, JsonRpcResponse, encode_result
from ..authorization import Grant
from ..calls.open_call import OpenCall
from ..feature import Method, Result, Scope
from ..protocol.errors import (
    InvalidParams,
    InvalidRequest,
    McpError,
    MethodNotFound,
    SessionNotFound,
    resource_not_found,
)
from ..protocol.messages import Send, notification_text, params_of
from ..protocol.requests import LOG_LEVELS, ClientRequest
from ..service import Reply, Service
from ..sources import Sources
from ..subscriptions import UPDATES
from .presence import while_present
from .rounds import AskingRounds
from .state import Session, introduction_in
from .waiting import WaitingCalls

__all__ = ["Caller", "RunningRequest", "SessionRequest", "SessionService", "drop"]

# Only what these revisions know; extensions belong to the revision after them.
_CAPABILITIES: Final = ("logging", "tools", "resources", "prompts", "completions")

OwnMethod = Callable[[Session, ClientRequest], Result]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request.

    Attributes:
        exchange: The HTTP request that it comes by.
        grant: What the token of the client allows; None without tokens.
        has_left: Returns whether the client has gone, as far as the transport knows.
    """

    exchange: Exchange
    grant: Grant | None = None
    has_left: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A request of a session.

    Attributes:
        request: The request.
        method: Its method.
        is_admitted: Whether it has been checked by the method, rather than to be checked before its answer.
    """

    request: ClientRequest
    method: Method
    is_admitted: bool = False


@dataclass(frozen=True, slots=True)
class RunningRequest:
    """A request that its client can cancel.

    Attributes:
        asked: The request.
        call: Its notifications and its cancellation.
        send: Sends the questions about it.
    """

    asked: SessionRequest
    call: OpenCall
    send: Send


class SessionService:
    """Answers the messages of sessions.

    Args:
        sources: The parts of the server.
        service: Answers what is the same without sessions.
        has_resource: Returns whether there is a resource with a URI.
        waiting: Counts the calls that wait for answers.
    """

    def __init__(
        self, sources: Sources, service: Service, has_resource: Callable[[str], bool], waiting: WaitingCalls
    ) -> None:
        self._sources = sources
        self._service = service
        self._has_resource = has_resource
        self._waiting = waiting
        self._own: Mapping[str, OwnMethod] = {
            "ping": lambda session, request: {},
            "logging/setLevel": self._set_level,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
        }

    def new_session(self, session_id: str, message: JsonRpcRequest) -> Session:
        """Return a session for a client that has sent ``initialize``.

        Raises:
            MalformedRequest: A parameter is missing or malformed.
        """
        introduction = introduction_in(message, self._sources.codec())
        return Session(session_id, introduction, self._sources.codec, self._sources.facts.locks.wake_waiting)

    def welcome(self, session: Session, message: JsonRpcRequest) -> bytes:
        """Return the response to the request ``initialize`` that has begun a session."""
        identity = self._service.identity(self._sources.pipeline())
        offers = self._service.capabilities()
        capabilities = {name: offers[name] for name in _CAPABILITIES if name in offers}
        members: dict[str, Any] = {
            "protocolVersion": session.revision,
            "capabilities": capabilities,
            "serverInfo": dict(identity.info),
        }
        if identity.instructions:
            members["instructions"] = identity.instructions
        return encode_result(self._sources.codec(), message.id, members)

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
        method = self._service.method(name)
        if not method.is_in_sessions:
            raise MethodNotFound("Method not found")
        return method

    def take(self, session: Session, message: JsonRpcRequest | JsonRpcResponse) -> None:
        """Take a message that has no answer: a notification, or the answer to a question."""
        if isinstance(message, JsonRpcResponse):
            session.questions.answer(message)
        elif message.method == "notifications/cancelled":
            session.cancel(params_of(message).get("requestId"))

    def read(self, session: Session, message: JsonRpcRequest) -> SessionRequest:
        """Return a request, and its method.

        Raises:
            McpError: It is malformed, or there is no such method.
        """
        request = session.read(message)
        return SessionRequest(request, self.method(session, request.method))

    def admit(self, session: Session, asked: SessionRequest, caller: Caller) -> SessionRequest:
        """Check a request before its answer begins.

        Args:
            session: The session.
            asked: The request.
            caller: Who makes it.

        Raises:
            McpError, Refusal: It is refused.
        """
        call = OpenCall(asked.request, lambda name, params: None)
        asked.method.admit(asked.request, self._scope(session, call, caller, drop))
        return replace(asked, is_admitted=True)

    def begin(self, session: Session, asked: SessionRequest, send: Send, notify: Send | None = None) -> RunningRequest:
        """Let the client cancel a request from now on. Then call :meth:`answer`, or :meth:`leave`.

        Args:
            session: The session.
            asked: The request.
            send: Sends the questions about it.
            notify: Sends the notifications about it; None for ``send``.

        Raises:
            McpError: A request with its id has not been answered yet, too many have not, or the session has ended.
        """
        codec, tell = self._sources.codec, notify or send
        call = OpenCall(asked.request, lambda name, params: tell(notification_text(codec(), name, params)))
        session.add(asked.request, call)
        return RunningRequest(asked, call, send)

    def leave(self, session: Session, running: RunningRequest) -> None:
        """Forget a request that will not be answered. Nothing happens if it has been."""
        session.remove(running.asked.request, running.call)

    def answer(self, session: Session, running: RunningRequest, caller: Caller) -> Reply | None:
        """Answer a request.

        Args:
            session: The session.
            running: The request.
            caller: Who makes it.

        Returns:
            The response; None if the client has cancelled the request.

        Raises:
            Refusal: It gets an HTTP error.
        """
        asked, call = running.asked, running.call
        scope = self._scope(session, call, caller, running.send)
        try:
            if not asked.is_admitted:
                asked.method.admit(asked.request, scope)
            reply = self._service.reply(asked.request, asked.method, scope)
            call.end()
        except McpError as exc:
            reply = self.refusal(exc, asked.request.id)
        finally:
            self.leave(session, running)
        return None if call.is_cancelled else Reply(reply.text, status_in_session(reply.status))

    def answer_in_message(self, session: Session, running: RunningRequest, caller: Caller) -> Reply | None:
        """As :meth:`answer`, but for a place that has no HTTP status: a refusal is a message too."""
        try:
            return self.answer(session, running, caller)
        except Refusal as exc:
            return None if running.call.is_cancelled else self.refusal(exc, running.asked.request.id)

    def refusal(self, exc: McpError | Refusal, request_id: Any) -> Reply:
        """Return the response to a request that is refused."""
        error = exc if isinstance(exc, McpError) else InvalidRequest(str(exc))
        reply = self._service.refusal(error, request_id)
        has_ended = isinstance(exc, SessionNotFound)
        return Reply(reply.text, reply.status if has_ended else status_in_session(reply.status))

    def _scope(self, session: Session, call: OpenCall, caller: Caller, send: Send) -> Scope:
        codec, locks = self._sources.codec, self._sources.facts.locks
        is_over = self._sources.streams.watch_period()
        questions = None if send is drop else send
        wait_while = while_present(locks.wait_while, caller.has_left)
        rounds = AskingRounds(session, call, questions, codec, wait_while, is_over, self._waiting)
        pipeline = self._sources.pipeline()
        return self._service.scope(pipeline, caller.exchange, call.new_control, rounds, caller.grant)

    def _set_level(self, session: Session, request: ClientRequest) -> Result:
        level = request.params.get("level")
        if level not in LOG_LEVELS:
            raise InvalidParams(f"Invalid params: level is none of {', '.join(LOG_LEVELS)}")
        session.log_level = level
        return {}

    def _subscribe(self, session: Session, request: ClientRequest) -> Result:
        uri = self._uri_in(request)
        if not self._has_resource(uri):
            raise resource_not_found(uri, request.revision)
        session.subscribe(uri)
        return {}

    def _unsubscribe(self, session: Session, request: ClientRequest) -> Result:
        session.unsubscribe(self._uri_in(request))
        return {}

    def _uri_in(self, request: ClientRequest) -> str:
        """Return the resource that a subscription is about.

        Raises:
            MethodNotFound: The endpoint sends no changes of resources.
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


def drop(message: bytes) -> None:
    """Drop a message: the answer has room for the response only."""
