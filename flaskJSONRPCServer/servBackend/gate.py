"""The gate between a serving backend and the application, which hides a restart from clients."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, runtime_checkable

from ..dispatch.streams import StreamedBody
from ..http.refusals import Refusal
from ..http.request import ReceivedRequest
from ..http.response import Response
from .wsgi import close_body

__all__ = [
    "AnswerMarker",
    "Gate",
    "RefusalObserver",
    "RpcApplication",
    "answer_marker",
    "ignore_refusal",
    "never_immediate",
    "refusal_observer",
    "service_unavailable",
]

WsgiApp = Callable[..., Iterable[bytes]]


@runtime_checkable
class RpcApplication(Protocol):
    """A WSGI application that answers its RPC requests without WSGI too.

    Three are behind each other: the application of one listening socket (``serving.ListenerApplication``), which a
    serving backend is given, perhaps with an access log around it, then :class:`Gate`, then
    :class:`~flaskJSONRPCServer.wsgi.Application`.
    """

    def respond(self, received: ReceivedRequest) -> Response | None:
        """Answer one request. Return None if it must be answered by WSGI."""

    def expires_at(self, received: ReceivedRequest) -> float | None:
        """Return when the deadlines of all calls of a request have passed; None if they never do."""

    def has_deadlines(self) -> bool:
        """Return whether calls may have deadlines: without them, no request ever expires."""

    def is_immediate(self, head: dict[str, Any]) -> bool:
        """Return whether to answer a request by WSGI although no thread is free for it."""

    def body_limit_bytes(self, head: dict[str, Any]) -> int | None:
        """Return the limit of the body of an RPC request; None for any other request."""

    def check_head(self, head: dict[str, Any]) -> None:
        """Raise the :class:`~..http.refusals.Refusal` of a request that would be refused by its head alone."""

    def refusal_headers(self, head: dict[str, Any]) -> list[tuple[str, str]]:
        """Return the headers to add to the answer when the serving backend refuses an RPC request."""


def service_unavailable(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer 503: a WSGI application for the time when there is no other."""
    start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return []


@runtime_checkable
class RefusalObserver(Protocol):
    """An application that wants to know of the requests which the serving backend refuses before they reach it."""

    def observe_refusal(self, head: dict[str, Any], refusal: Refusal) -> None:
        """Note a refusal.

        Args:
            head: The head of the request, as far as it is known.
            refusal: The reason.
        """


def refusal_observer(app: object) -> Callable[[dict[str, Any], Refusal], None]:
    """Return the function of an application that notes refusals; one without effect if it has none."""
    return app.observe_refusal if isinstance(app, RefusalObserver) else ignore_refusal


def ignore_refusal(head: dict[str, Any], refusal: Refusal) -> None:
    """Do nothing."""


@runtime_checkable
class AnswerMarker(Protocol):
    """An application that wants to know which threads run code of the user for an answer that it has returned."""

    def answering(self) -> AbstractContextManager[None]:
        """Return a context manager in which the calling thread belongs to an answer of this application."""


def answer_marker(app: object) -> Callable[[], AbstractContextManager[None]]:
    """Return the function ``answering`` of an application; one without effect if it has none."""
    return app.answering if isinstance(app, AnswerMarker) else nullcontext


def never_immediate(head: dict[str, Any]) -> bool:
    """Return False: an application of the user has no URLs that are answered immediately."""
    return False


class Gate:
    """A WSGI application that passes requests on to another one, and holds them while that one is replaced.

    The serving backend and its connections know only this object, through a ``ListenerApplication``. So the application
    behind it can be replaced without touching sockets or connections. Requests that come meanwhile wait: none is
    refused or lost.

    A request that need not wait takes no lock. It registers itself as inside before it checks whether requests are
    held. The thread that holds requests sets the flag before it checks who is inside. So one of the two always sees the
    other.

    In ``native``, the leading thread may wait here with a short call. It then loses the lead, as with any other call
    that blocks.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._app: WsgiApp = service_unavailable  # written under _condition
        self._rpc: RpcApplication | None = None  # the same application, if it is one; written under _condition
        self._held = False  # written under _condition
        self._inside: set[int] = set()  # the threads whose requests are inside; each adds and removes only itself
        # The threads that compute a part of an answer, or close it. A drain does not wait for these: an answer in parts
        # may last for ever. Each adds and removes only itself.
        self._answering: set[int] = set()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        if self._held and self.is_immediate(environ):
            return self._marked(self._app(environ, start_response))
        self._enter()
        try:
            return self._marked(self._app(environ, start_response))
        finally:
            self._leave()

    def _marked(self, body: Iterable[bytes]) -> Iterable[bytes]:
        # Serving backends send a list at once, and serve a StreamedBody without a thread. An object with a length may
        # be treated specially too.
        is_whole = isinstance(body, StreamedBody) or hasattr(body, "__len__")
        return body if is_whole else MarkedBody(body, self.answering)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Let :meth:`is_inside` say in the block that the calling thread answers a request."""
        thread = threading.get_ident()
        if thread in self._answering:  # closed while a part is computed
            yield
            return
        self._answering.add(thread)
        try:
            yield
        finally:
            self._answering.discard(thread)

    def respond(self, received: ReceivedRequest) -> Response | None:
        """Answer one request without WSGI. Return None if :meth:`__call__` must answer it."""
        # The code of _enter() and _leave() is written out here for speed: each RPC request comes this way.
        thread = threading.get_ident()
        self._inside.add(thread)
        if self._held and not self.is_immediate(received.head):
            self._wait_outside(thread)
        try:
            return None if self._rpc is None else self._rpc.respond(received)
        finally:
            self._inside.discard(thread)
            if self._held:
                self._wake_waiting()

    def is_immediate(self, head: dict[str, Any]) -> bool:
        """Return whether to answer a request although no thread is free, and also while requests are held."""
        return self._rpc is not None and self._rpc.is_immediate(head)

    def expires_at(self, received: ReceivedRequest) -> float | None:
        """Return when the deadlines of all calls of a request have passed; None if they never do. Never waits."""
        return None if self._rpc is None else self._rpc.expires_at(received)

    def has_deadlines(self) -> bool:
        """Return whether calls may have deadlines. Never waits."""
        return self._rpc is not None and self._rpc.has_deadlines()

    def body_limit_bytes(self, head: dict[str, Any]) -> int | None:
        """Return the limit of the body of an RPC request; None for any other request. Never waits."""
        return None if self._rpc is None else self._rpc.body_limit_bytes(head)

    def check_head(self, head: dict[str, Any]) -> None:
        """Raise the refusal of a request that would be refused by its head alone. Never waits."""
        if self._rpc is not None:
            self._rpc.check_head(head)

    def refusal_headers(self, head: dict[str, Any]) -> list[tuple[str, str]]:
        """Return the headers to add to the answer that refuses an RPC request. Never waits."""
        return [] if self._rpc is None else self._rpc.refusal_headers(head)

    def open(self, app: WsgiApp) -> None:
        """Pass requests on to an application, including those that are held."""
        with self._condition:
            self._app, self._held = app, False
            self._rpc = app if isinstance(app, RpcApplication) else None
            self._condition.notify_all()

    def hold(self) -> None:
        """Hold all requests that come from now on."""
        with self._condition:
            self._held = True

    def release(self) -> None:
        """Undo :meth:`hold`: requests go on to the application that has served them until now."""
        with self._condition:
            self._held = False
            self._condition.notify_all()

    def drain(self, timeout_s: float, allowed: int = 0) -> int:
        """Wait until no more than ``allowed`` requests are inside. Held requests do not count.

        Returns:
            How many are inside; more than ``allowed`` only after the timeout.
        """
        with self._condition:
            self._condition.wait_for(lambda: len(self._inside) <= allowed, timeout_s)
            return len(self._inside)

    def is_inside(self) -> bool:
        """Return whether the calling thread is answering a request, or continuing or closing its answer."""
        thread = threading.get_ident()
        return thread in self._inside or thread in self._answering

    def _enter(self) -> None:
        thread = threading.get_ident()
        self._inside.add(thread)
        if self._held:
            self._wait_outside(thread)

    def _leave(self) -> None:
        self._inside.discard(threading.get_ident())
        if self._held:
            self._wake_waiting()

    def _wait_outside(self, thread: int) -> None:
        with self._condition:
            self._inside.discard(thread)
            self._condition.notify_all()
            self._condition.wait_for(lambda: not self._held)
            self._inside.add(thread)

    def _wake_waiting(self) -> None:
        with self._condition:
            self._condition.notify_all()


class MarkedBody:
    """The body of an answer in parts, each of which is computed in a block of :meth:`Gate.answering`.

    Args:
        body: The body that the application has returned.
        answering: Returns the context manager of such a block.
    """

    def __init__(self, body: Iterable[bytes], answering: Callable[[], AbstractContextManager[None]]) -> None:
        self._body = body
        self._answering = answering
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> MarkedBody:
        return self

    def __next__(self) -> bytes:
        with self._answering():
            if self._parts is None:
                self._parts = iter(self._body)
            return next(self._parts)

    def close(self) -> None:
        """Close the body of the application (PEP 3333)."""
        with self._answering():
            close_body(self._body)
