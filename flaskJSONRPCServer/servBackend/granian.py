"""Serving with granian, which speaks HTTP in Rust, keeps connections alive, and calls from a pool of threads."""

from __future__ import annotations

import functools
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..dispatch.facade import ServerFacade
from ..errors import UnsupportedError
from ..http.refusals import BadRequest
from ..runtime.logs import ERROR, WARNING
from .exposure import warn_if_exposed
from .gate import refusal_observer
from .granian_worker import LOGGER, GranianWorker
from .sockets import is_unix
from .tls import server_context
from .unfinished import warn_of_unfinished
from .wsgi import CONSTANTS, close_body, server_variables

__all__ = ["GranianBackend"]

Headers = list[tuple[str, str]]

_EXPOSED = (
    "is for use behind a proxy: it bounds neither connections nor slow bodies nor answers that nobody reads, and takes "
    "ambiguous requests"
)

_REFUSAL = b"The request is refused: its Transfer-Encoding is not 'chunked'.\n"


class WsgiResponse:
    """Collects the status and headers that an application starts its response with, and the parts that it writes."""

    __slots__ = ("headers", "status", "written")

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []
        self.written: list[bytes] = []

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
        """Store the status and headers: the ``start_response`` of PEP 3333.

        Granian sends the headers with the body, so a second call may still replace them.
        """
        self.status = status_code(status)
        self.headers = headers
        return self.written.append


@functools.lru_cache(maxsize=64)
def status_code(status: str) -> int:
    """Return the code of a status. Cached, since an application uses few of them."""
    return int(status[:3])


class StreamedBody:
    """An iterator over the parts of a body, for granian.

    Args:
        first: The parts that the application has produced already.
        rest: The iterator over the parts that follow.
        body: The iterable that the application returned, to be closed at the end.
    """

    def __init__(self, first: list[bytes], rest: Iterator[bytes], body: Iterable[bytes]) -> None:
        self._first = first[::-1]
        self._rest = rest
        self._body = body

    def __next__(self) -> bytes:
        return self._first.pop() if self._first else next(self._rest)

    def close(self) -> None:
        """Close the iterable of the application, whether or not all of it has been sent."""
        close_body(self._body)


class WsgiAdapter:
    """Answers the requests of granian by calling the WSGI application.

    Args:
        app: The application.
        listener: The listening socket.

    Attributes:
        active_threads: The threads that are answering a request. Each adds and removes only itself, atomically.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], listener: socket.socket) -> None:
        self.active_threads: set[int] = set()
        self._app = app
        self._observe_refusal = refusal_observer(app)
        self._variables = {**CONSTANTS, "wsgi.errors": sys.stderr}
        if is_unix(listener):  # granian sets no name and port for it, and PEP 3333 requires them
            self._variables.update(server_variables(listener), REMOTE_ADDR="")

    def __call__(self, protocol: Any, environ: dict[str, Any]) -> None:
        """WsgiResponse one request."""
        thread = threading.get_ident()
        self.active_threads.add(thread)
        try:
            environ = {**environ, **self._variables}  # faster than update(), which would have to grow granian's dict
            if environ["SERVER_PROTOCOL"] != "HTTP/1.1":
                complete_http_1_0(environ)
            if "HTTP_TRANSFER_ENCODING" in environ and environ["HTTP_TRANSFER_ENCODING"].lower() != "chunked":
                headers = [("Connection", "close"), ("Content-Type", "text/plain; charset=utf-8")]
                protocol.response_bytes(400, headers, _REFUSAL)
                self._observe_refusal(environ, BadRequest("its Transfer-Encoding is not 'chunked'"))
            else:
                self._answer(protocol, environ)
        finally:
            self.active_threads.discard(thread)

    def _answer(self, protocol: Any, environ: dict[str, Any]) -> None:
        response = WsgiResponse()
        body = self._app(environ, response.start)
        if type(body) is list:
            protocol.response_bytes(response.status, response.headers, b"".join([*response.written, *body]))
        else:
            self._stream(protocol, response, body)

    def _stream(self, protocol: Any, response: WsgiResponse, body: Iterable[bytes]) -> None:
        rest = iter(body)
        try:
            first = next(rest, b"")  # an application may call start_response as late as its first part
        except BaseException:
            close_body(body)
            raise
        protocol.response_iter(response.status, response.headers, StreamedBody([*response.written, first], rest, body))


def complete_http_1_0(environ: dict[str, Any]) -> None:
    """Set the full version of an HTTP/1.0 request, and remove an empty Host: granian sets one if there is none."""
    environ["SERVER_PROTOCOL"] = "HTTP/1.0"
    if not environ["HTTP_HOST"]:
        del environ["HTTP_HOST"]


class GranianLogHandler(logging.Handler):
    """Passes granian's errors and warnings to the log of a server.

    Granian does not say which server a message is about: if several run, each logs it.
    """

    def __init__(self, server: ServerFacade) -> None:
        super().__init__()
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record."""
        level = ERROR if record.levelno >= logging.ERROR else WARNING
        self._server.log.write(level, "granian:", record.getMessage())


class GranianServer:
    """A running worker of granian, with its connection to the log."""

    def __init__(self, listener: socket.socket, app: Any, server: ServerFacade) -> None:
        settings = server.settings
        server_context(settings.ssl)  # for its error messages about bad files
        self._log = GranianLogHandler(server)
        self._logger = logging.getLogger(LOGGER)
        self._logger.propagate = False
        # The server itself logs starts and stops. Also, logging keeps an entry for each native thread that logs.
        self._logger.setLevel(logging.WARNING)
        self._logger.addHandler(self._log)
        self._adapter = WsgiAdapter(app, listener)
        self._worker = GranianWorker(
            listener,
            self._adapter,
            threads=settings.threads,
            backlog=settings.backlog,
            head_timeout_s=settings.read_timeout_s,
            tls=key_and_certificate(settings.ssl),
        )

    def stop(self, timeout_s: float) -> int | None:
        """Stop accepting, and wait for the requests that are being answered.

        Returns:
            None if all of them have ended; else how many were still being answered after the timeout.
        """
        has_ended = self._worker.stop(timeout_s)
        self._logger.removeHandler(self._log)
        return None if has_ended else len(self._adapter.active_threads)


def key_and_certificate(ssl: Any) -> tuple[str, str] | None:
    """Return the paths of the key file and the certificate file of the option ``ssl``; None without TLS."""
    if not ssl:
        return None
    key, certificate = ssl
    return os.fspath(key), os.fspath(certificate)


class GranianBackend:
    """Serves with granian's worker in this process."""

    _id = "granian"
    _supportGevent = False
    _supportNative = True
    _supportRawSocket = True
    _supportTLS = True
    _supportSSLContext = False

    def start(
        self, bindAdress: Any, wsgiApp: Callable[..., Any], server: ServerFacade, joinLoop: bool
    ) -> GranianServer:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        _, listener = bindAdress
        refuse_trusted_proxies(server.settings.trusted_proxies)
        warn_if_exposed(listener, server.log, self._id, _EXPOSED)
        return GranianServer(listener, wsgiApp, server)

    def stop(self, serverInstance: GranianServer, serverIndex: int, server: ServerFacade, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.stop(timeout)
        if cut_off is not None:
            warn_of_unfinished(server.log, cut_off, "connection", timeout)


def refuse_trusted_proxies(trusted_proxies: Sequence[str]) -> None:
    """Check that ``trusted_proxies`` is empty.

    Granian's environ does not distinguish the header X-Forwarded-For from X_Forwarded_For. A proxy overwrites the
    first, but may pass on the second as the client has sent it.

    Raises:
        UnsupportedError: There are trusted proxies.
    """
    if trusted_proxies:
        raise UnsupportedError(
            f"servBackend 'granian' cannot serve with trusted_proxies={list(trusted_proxies)!r}: a client's header "
            "X_Forwarded_For looks like the proxy's X-Forwarded-For there; use servBackend='auto' or 'native', or "
            "leave trusted_proxies out"
        )
