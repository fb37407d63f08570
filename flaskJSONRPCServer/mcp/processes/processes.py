"""The processes that serve one program, such as the workers of gunicorn, and what each of them has."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

import flask

from ...dispatch.exchange import Exchange
from ...dispatch.streams import has_one_thread
from ...http.request import IS_FORWARDED
from ...http.response import Response
from ...mounting.answers import current_app
from ...runtime.log_limits import WarnOnce
from ..asking.sealing import Sealer
from ..sources import Sources
from .forwarded import packed
from .notices import Notice, Notices
from .own_sockets import OwnSockets, SocketError, WsgiApplication
from .relay import connect, relay
from .socket_folder import FolderError, SocketFolder

__all__ = ["Processes"]

_SEPARATOR: Final = "."

_ALONE: Final = (
    "{path} is served by several processes, and sessions and tasks live in the one that began them: another answers "
    "404 or -32602. They would find each other but for this: {reason}. See docs/mcp.md"
)


class Processes:
    """Passes requests on to the process that has their session or task.

    The id of a session or task begins with the name of a socket of its process. The processes of one program have their
    sockets in one folder, whose name follows from the ``secret``.

    Args:
        sources: The parts of the server.
        sealer: That of the ``secret``.
    """

    def __init__(self, sources: Sources, sealer: Sealer) -> None:
        self._settings = sources.settings
        self._facade = sources.facts.facade
        self._streams = sources.streams
        # Servers without a name are taken for processes of the same program, as by the counters of rate limits.
        name = sealer.shared_name(f"processes {sources.settings.name or ''}")
        self._folder = SocketFolder(f"flaskJSONRPCServer-{name}")
        self._own = OwnSockets(self._folder, sources, self._take_notice)
        self._notices = Notices(self._folder, self._own, sources.facts.log)
        self._listeners: dict[str, Callable[[str | None], object]] = {}
        self._warning = WarnOnce(sources.facts.log)
        sources.background.on_end(self._own.close)

    def check(self, exchange: Exchange) -> None:
        """Warn once if several processes, which serve the endpoint of a request, cannot pass requests on."""
        reason = self._obstacle_of(exchange)
        if reason is not None:
            self._warn(exchange, reason)

    def new_id(self, exchange: Exchange, random_part: str) -> str:
        """Return the id of a session or task that begins in a request."""
        name = self.join(exchange)
        return f"{name}{_SEPARATOR}{random_part}" if name else random_part

    def join(self, exchange: Exchange) -> str:
        """Let other processes reach what begins in a request. Return the name of the socket; empty if they cannot."""
        if not self._are_several(exchange):
            return ""
        try:
            return self._own.name_of(*self._application())
        except SocketError as exc:
            self._warn(exchange, str(exc))
            return ""

    def answer(self, exchange: Exchange, ids: Iterable[str], *, stays_open: bool) -> Response | None:
        """Return the answer of another process to a request; None if this one has to answer it.

        Args:
            exchange: The request.
            ids: The ids of the sessions or tasks that it is about. The first one that a process has decides.
            stays_open: Whether a streamed answer stays open, so that ``max_streams`` counts it.

        Raises:
            Refusal: The other process has just ended, ``max_streams`` are open, or the body is refused.
        """
        if not self._are_several(exchange) or IS_FORWARDED in exchange.head:
            return None
        for name in dict.fromkeys(map(name_in, ids)):
            if self._own.have(name):
                return None
            try:
                path = self._folder.find(name)
            except FolderError as exc:
                self._warn(exchange, str(exc))
                return None
            response = None if path is None else self._answer_of(path, exchange, stays_open=stays_open)
            if response is not None:
                return response
        return None

    def _answer_of(self, path: Path, exchange: Exchange, *, stays_open: bool) -> Response | None:
        """Return the answer of the process with a socket; None if it has ended."""
        # Behind a prefix, the exchange has an environ of its own.
        environ = flask.request.environ if flask.has_request_context() else exchange.environ
        body = exchange.body(self._settings.max_body_bytes) if exchange.method == "POST" else b""
        request = packed(environ, body)
        connection = connect(path)
        if connection is None:
            return None
        keep = partial(self._streams.keep, head=exchange.head) if stays_open else uncounted
        return relay(connection, request, keep, self._streams.forget)

    def on_notice(self, path: str, callback: Callable[[str | None], object]) -> None:
        """Call a function with the URI of a resource of an endpoint that has changed, or None for its list of tools."""
        self._listeners[path] = callback

    def notify(self, path: str, uri: str | None = None) -> None:
        """Let the other processes notify their clients of a change of an endpoint: of a resource, or of its tools."""
        if self._obstacle() is None:
            self._notices.send(Notice(path, uri))

    def _take_notice(self, data: bytes) -> None:
        notice = Notice.read(data)
        listener = self._listeners.get(notice.path)
        if listener is not None:
            listener(notice.uri)

    def _are_several(self, exchange: Exchange) -> bool:
        """Return whether other processes may have sessions and tasks, or may be asked for those of this one."""
        return bool(exchange.head.get("wsgi.multiprocess")) and self._obstacle_of(exchange) is None

    def _obstacle_of(self, exchange: Exchange) -> str | None:
        """Return why the processes that get a request cannot pass it on; None if they can."""
        obstacle = self._obstacle()
        if obstacle is None and has_one_thread(exchange.head):
            return "each process has one thread, and sessions need several"
        return obstacle

    def _obstacle(self) -> str | None:
        """Return why processes cannot find each other; None if they can."""
        if self._settings.secret is None:
            return "the server has no secret="
        if not hasattr(socket, "AF_UNIX"):
            return "this system has no Unix sockets"
        return None

    def _application(self) -> tuple[object, WsgiApplication]:
        """Return what answers the present request, and the WSGI application that answers others in the same way."""
        if not flask.has_request_context():
            return self, self._facade.getWSGI()
        app = current_app()
        # Without the middleware in the attribute wsgi_app: the environ comes from behind that of the other process.
        return app, partial(type(app).wsgi_app, app)

    def _warn(self, exchange: Exchange, reason: str) -> None:
        self._warning.write(_ALONE.format(path=exchange.wsgi_path, reason=reason))


def name_in(known_id: str) -> str:
    """Return the name in the id of a session or task; empty if it has none."""
    name, separator, _ = known_id.partition(_SEPARATOR)
    return name if separator else ""


def uncounted(stream: Any) -> None:
    """Keep no room for a stream that ends with its call."""
