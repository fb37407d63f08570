"""One session: what a client has said at its beginning and since, and what runs in it.

Source: revision 2025-11-25, "Lifecycle".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from ..runtime.concurrency import make_lock
from ..sansio_jsonrpc import Codec, JsonRpcRequest
from .errors import InvalidRequest, MalformedRequest
from .messages import params_of
from .open_call import OpenCall
from .requests import ClientRequest, meta_of, progress_token
from .revisions import SESSION_REVISIONS
from .session_questions import Questions
from .subscriptions import Filter, every_list

__all__ = ["Introduction", "Session", "introduction_in"]

_FIRST_LOG_LEVEL: Final = "info"
"""The least severe level of log messages before the client chooses one."""

_MOST_CALLS: Final = 1000


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a client says when it begins a session.

    Attributes:
        revision: The revision of the session: the client's, or the newest one if that is not known.
        capabilities: What the client offers, by name.
        client: The name and version of the client.
    """

    revision: str
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)


def introduction_in(message: JsonRpcRequest) -> Introduction:
    """Read the request ``initialize``.

    Raises:
        MalformedRequest: A parameter is missing or malformed.
    """
    params = params_of(message)
    revision, capabilities = params.get("protocolVersion"), params.get("capabilities")
    client = params.get("clientInfo", {})
    if not isinstance(revision, str):
        raise MalformedRequest("Invalid params: protocolVersion is not a string")
    if not isinstance(capabilities, dict) or not isinstance(client, dict):
        raise MalformedRequest("Invalid params: capabilities or clientInfo is not an object")
    return Introduction(revision if revision in SESSION_REVISIONS else SESSION_REVISIONS[0], capabilities, client)


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
        self._introduction = introduction
        self._wake = wake
        self._changing = make_lock()
        self._calls: dict[tuple[type, Any], OpenCall] = {}  # guarded by _changing

    def read(self, message: JsonRpcRequest) -> ClientRequest:
        """Return a request of the session.

        Raises:
            MalformedRequest: The token for its progress is malformed.
        """
        params = params_of(message)
        return ClientRequest(
            message.id,
            message.method,
            params,
            self.revision,
            self._introduction.capabilities,
            self._introduction.client,
            progress_token(meta_of(params)),
            self.log_level,
        )

    @property
    def has_calls(self) -> bool:
        """Whether functions run for the client."""
        return bool(self._calls)

    @contextmanager
    def running(self, request: ClientRequest, call: OpenCall) -> Iterator[None]:
        """Let the client cancel a request in the block, which answers it.

        Raises:
            InvalidRequest: A request with its id runs already, or too many run.
        """
        key = type(request.id), request.id
        with self._changing:
            if key in self._calls:
                raise InvalidRequest("Invalid Request: a request with this id has not been answered yet")
            if len(self._calls) >= _MOST_CALLS:
                raise InvalidRequest(f"Invalid Request: {_MOST_CALLS} requests have not been answered yet")
            self._calls[key] = call
        try:
            yield
        finally:
            with self._changing:
                del self._calls[key]

    def cancel(self, request_id: Any) -> None:
        """Cancel a request, unless it has been answered."""
        with self._changing:
            call = self._calls.get((type(request_id), request_id)) if isinstance(request_id, (str, int)) else None
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
