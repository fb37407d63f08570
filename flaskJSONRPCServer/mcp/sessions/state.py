"""One session: what a client has said at its beginning and since, and what runs in it.

Source: revision 2025-11-25, "Lifecycle".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...runtime.concurrency import make_lock
from ...sansio_jsonrpc import Codec, JsonRpcException, JsonRpcRequest
from ..calls.open_call import OpenCall
from ..protocol.errors import InvalidParams, InvalidRequest, MalformedRequest, SessionNotFound, TooManyOpenRequests
from ..protocol.messages import params_of
from ..protocol.requests import ClientRequest, meta_of, progress_token
from ..protocol.revisions import SESSION_REVISIONS
from ..subscriptions import MOST_URIS, Filter, every_list
from .questions import Questions

__all__ = ["MOST_URI_BYTES", "Introduction", "Session", "introduction_in"]

_FIRST_LOG_LEVEL: Final = "info"
"""The least severe level of log messages before the client chooses one."""

_MOST_CALLS: Final = 1000

_MOST_OFFER_BYTES: Final = 16 * 1024
"""The longest JSON of what a client offers; guessed. Each session keeps it, as text: objects take far more memory."""

MOST_URI_BYTES: Final = 128 * 1024
"""The most bytes of their URIs together; guessed."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """The parameters of ``initialize``.

    Attributes:
        revision: The revision of the session: the client's, or the newest one if that is not known.
        capabilities: What the client offers, by name, as JSON.
    """

    revision: str
    capabilities: bytes = b"{}"


def introduction_in(message: JsonRpcRequest, codec: Codec) -> Introduction:
    """Read the request ``initialize``.

    Raises:
        MalformedRequest: A parameter is missing or malformed, or the client offers too much.
    """
    params = params_of(message)
    revision, capabilities = params.get("protocolVersion"), params.get("capabilities")
    client = params.get("clientInfo", {})
    if not isinstance(revision, str):
        raise MalformedRequest("Invalid params: protocolVersion is not a string")
    if not isinstance(capabilities, dict) or not isinstance(client, dict):
        raise MalformedRequest("Invalid params: capabilities or clientInfo is not an object")
    offers = offers_text(capabilities, codec)
    return Introduction(revision if revision in SESSION_REVISIONS else SESSION_REVISIONS[0], offers)


def offers_text(capabilities: Mapping[str, Any], codec: Codec) -> bytes:
    """Return what a client offers as JSON.

    Raises:
        MalformedRequest: It is too long, or has no JSON form.
    """
    try:
        text = codec.dumps(capabilities)
    except JsonRpcException as exc:
        raise MalformedRequest("Invalid params: capabilities cannot be kept") from exc
    if len(text) > _MOST_OFFER_BYTES:
        raise MalformedRequest(f"Invalid params: capabilities is longer than {_MOST_OFFER_BYTES} bytes")
    return text


class Session:
    """One session.

    Args:
        session_id: Its id; empty where the connection is the session.
        introduction: What its client has said.
        codec: Returns the codec.
        wake: Lets calls that wait for answers look again.

    Attributes:
        id: As given.
        revision: The revision of its messages.
        questions: What the client has been asked.
        wanted: What the client wants to learn of changes.
        uris: The resources whose changes it wants to learn.
        log_level: The least severe level of log messages that the client wants.
        has_ended: Whether it has ended.
    """

    def __init__(
        self, session_id: str, introduction: Introduction, codec: Callable[[], Codec], wake: Callable[[], object]
    ) -> None:
        self.id = session_id
        self.revision = introduction.revision
        self.questions = Questions(codec, wake)
        self.uris: set[str] = set()
        self.wanted = Filter(every_list(), self.uris)
        self.log_level = _FIRST_LOG_LEVEL
        self.has_ended = False
        self._offers = introduction.capabilities
        self._codec = codec
        self._uri_bytes = 0  # guarded by _changing, as changes of uris are
        self._wake = wake
        self._changing = make_lock()
        self._calls: dict[tuple[type, Any], OpenCall] = {}  # guarded by _changing

    def read(self, message: JsonRpcRequest) -> ClientRequest:
        """Return a request of the session.

        Raises:
            MalformedRequest: The token for its progress is malformed.
        """
        params = params_of(message)
        meta = meta_of(params)
        return ClientRequest(
            message.id,
            message.method,
            params,
            self.revision,
            self._codec().loads(self._offers),
            progress_token=progress_token(meta),
            log_level=self.log_level,
            meta=meta,
        )

    def subscribe(self, uri: str) -> None:
        """Subscribe to changes of a resource.

        Raises:
            InvalidParams: It has subscribed to too many already, or their URIs are too long together.
        """
        with self._changing:
            if uri in self.uris:
                return
            if len(self.uris) >= MOST_URIS:
                raise InvalidParams(f"Invalid params: the session has subscribed to {MOST_URIS} resources already")
            count = bytes_in(uri)
            if self._uri_bytes + count > MOST_URI_BYTES:
                raise InvalidParams(f"Invalid params: the URIs of a session have more than {MOST_URI_BYTES} bytes")
            self.uris.add(uri)
            self._uri_bytes += count

    def unsubscribe(self, uri: str) -> None:
        """Unsubscribe from changes of a resource."""
        with self._changing:
            if uri in self.uris:
                self.uris.remove(uri)
                self._uri_bytes -= bytes_in(uri)

    @property
    def has_calls(self) -> bool:
        """Whether functions run for the client."""
        return bool(self._calls)

    def add(self, request: ClientRequest, call: OpenCall) -> None:
        """Let the client cancel a request from now on, until :meth:`remove`.

        Raises:
            SessionNotFound: The session has ended.
            InvalidRequest: A request with its id has not been answered yet.
            TooManyOpenRequests: Too many have not.
        """
        key = key_of(request.id)
        with self._changing:
            if self.has_ended:
                raise SessionNotFound
            if key in self._calls:
                raise InvalidRequest("Invalid Request: a request with this id has not been answered yet")
            if len(self._calls) >= _MOST_CALLS:
                raise TooManyOpenRequests.over(_MOST_CALLS)
            self._calls[key] = call

    def remove(self, request: ClientRequest, call: OpenCall) -> None:
        """Forget a request, whose id is free again. A second call does nothing."""
        key = key_of(request.id)
        with self._changing:
            if self._calls.get(key) is call:
                del self._calls[key]

    def cancel(self, request_id: Any) -> None:
        """Cancel a request, unless it has been answered."""
        with self._changing:
            call = self._calls.get(key_of(request_id)) if isinstance(request_id, (str, int)) else None
        if call is not None:
            call.cancel()
            self._wake()

    def end(self) -> None:
        """Cancel all requests, since the session has ended."""
        with self._changing:
            self.has_ended = True
            calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        self._wake()


def key_of(request_id: Any) -> tuple[type, Any]:
    """Return an id as a key, in which 1 and True differ."""
    return type(request_id), request_id


def bytes_in(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
