"""Serving with granian, whose HTTP is written in Rust: kept-alive connections, and a pool of threads for the calls."""

from __future__ import annotations

import functools
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..errors import UnsupportedError
from ..runtime.logs import ERROR, WARNING
from .exposure import warn_if_exposed
from .granian_worker import LOGGER, GranianWorker
from .sockets import is_unix
from .tls import server_context
from .wsgi import CONSTANTS, close_body, server_variables

__all__ = ["GranianBackend"]

Headers = list[tuple[str, str]]

_EXPOSED = (
    "is for use behind a proxy: it bounds neither connections nor slow bodies nor answers that nobody reads, and takes "
    "ambiguous requests"
)

_REFUSAL = b"The request is refused: its Transfer-Encoding is not 'chunked'.\n"


class WsgiResponse:
    """What an application passes to :meth:`start`, and what it writes by the function that this returns."""

    __slots__ = ("headers", "status", "written")

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []
        self.written: list[bytes] = []

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
        """Be the ``start_response`` of PEP 3333; granian sends the headers with the body, so they may still change."""
        self.status = code_of(status)
        self.headers = headers
        return self.written.append


@functools.lru_cache(maxsize=64)
def code_of(status: str) -> int:
    """Return the number in a status. An application says the same few again and again."""
    return int(status[:3])


class StreamedBody:
    """A body that comes piece by piece.

    Args:
        first: The pieces that are there already.
        rest: What the application returned.
        others: Gives the pieces after them.
    """

    def __init__(self, first: list[bytes], rest: Iterable[bytes], others: Iterator[bytes]) -> None:
        self._first = first[::-1]
        self._rest = rest
        self._others = others

    def __next__(self) -> bytes:
        return self._first.pop() if self._first else next(self._others)

    def close(self) -> None:
        """Tell the application that the body has been sent, or never will be."""
        close_body(self._rest)


class WsgiAdapter:
    """Calls the WSGI application for each of granian's requests.

    Args:
        app: The application.
        listener: The listening socket.

    Attributes:
        running: The threads that are answering a request. Each adds and removes only itself, in one step.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], listener: socket.socket) -> None:
        self.running: set[int] = set()
        self._app = app
        self._added = {**CONSTANTS, "wsgi.errors": sys.stderr}
        if is_unix(listener):  # which has no name and port, and PEP 3333 wants them
            self._added.update(server_variables(listener), REMOTE_ADDR="")

    def __call__(self, protocol: Any, environ: dict[str, Any]) -> None:
        """WsgiResponse one request."""
        thread = threading.get_ident()
        self.running.add(thread)
        try:
            environ = {**environ, **self._added}  # faster than an update, which has to enlarge granian's dict
            if environ["SERVER_PROTOCOL"] != "HTTP/1.1":
                mend_http_1_0(environ)
            if "HTTP_TRANSFER_ENCODING" in environ and environ["HTTP_TRANSFER_ENCODING"].lower() != "chunked":
                headers = [("Connection", "close"), ("Content-Type", "text/plain; charset=utf-8")]
                protocol.response_bytes(400, headers, _REFUSAL)
            else:
                self._answer(protocol, environ)
        finally:
            self.running.discard(thread)

    def _answer(self, protocol: Any, environ: dict[str, Any]) -> None:
        answer = WsgiResponse()
        body = self._app(environ, answer.start)
        if type(body) is list:
            protocol.response_bytes(answer.status, answer.headers, b"".join([*answer.written, *body]))
        else:
            self._stream(protocol, answer, body)

    def _stream(self, protocol: Any, answer: WsgiResponse, body: Iterable[bytes]) -> None:
        others = iter(body)
        try:
            first = next(others, b"")  # an application may call start_response as late as here
        except BaseException:
            close_body(body)
            raise
        protocol.response_iter(answer.status, answer.headers, StreamedBody([*answer.written, first], body, others))


def mend_http_1_0(environ: dict[str, Any]) -> None:
    """Give a request of HTTP/1.0 its version in full, and no Host where it has none."""
    environ["SERVER_PROTOCOL"] = "HTTP/1.0"
    if not environ["HTTP_HOST"]:
        del environ["HTTP_HOST"]


class GranianLogHandler(logging.Handler):
    """Hands granian's errors and warnings to a server's log.

    Granian does not tell which server they are about: where several run, each logs them.
    """

    def __init__(self, server: Any) -> None:
        super().__init__()
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record."""
        level = ERROR if record.levelno >= logging.ERROR else WARNING
        self._server.log.write(level, "granian:", record.getMessage())


class GranianServer:
    """A worker, and the log that it writes to while it runs."""

    def __init__(self, listener: socket.socket, app: Any, server: Any) -> None:
        settings = server.settings
        server_context(settings.ssl)  # says what is wrong with the files
        self._log = GranianLogHandler(server)
        self._logger = logging.getLogger(LOGGER)
        self._logger.propagate = False
        # Its starts and stops are ours to tell; and logging keeps an entry for each native thread that it meets.
        self._logger.setLevel(logging.WARNING)
        self._logger.addHandler(self._log)
        self._caller = WsgiAdapter(app, listener)
        self._worker = GranianWorker(
            listener,
            self._caller,
            threads=settings.threads,
            backlog=settings.backlog,
            head_timeout_s=settings.read_timeout_s,
            tls=files_of(settings.ssl),
        )

    def stop(self, timeout_s: float) -> int | None:
        """Stop accepting, then finish.

        Returns:
            How many requests were still being answered when the time was over. None where all has ended.
        """
        ended = self._worker.stop(timeout_s)
        self._logger.removeHandler(self._log)
        return None if ended else len(self._caller.running)


def files_of(ssl: Any) -> tuple[str, str] | None:
    """Return the key file and the certificate file that ``ssl`` names."""
    if not ssl:
        return None
    key, certificate = ssl
    return os.fspath(key), os.fspath(certificate)


class GranianBackend:
    """Serves with granian's worker, in this process."""

    _id = "granian"
    _supportGevent = False
    _supportNative = True
    _supportRawSocket = True
    _supportTLS = True
    _supportSSLContext = False

    def start(self, bindAdress: Any, wsgiApp: Callable[..., Any], server: Any, joinLoop: bool) -> GranianServer:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        _, listener = bindAdress
        refuse_trusted_proxies(server.settings.trusted_proxies)
        warn_if_exposed(listener, server.log, self._id, _EXPOSED)
        return GranianServer(listener, wsgiApp, server)

    def stop(self, serverInstance: GranianServer, serverIndex: int, server: Any, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.stop(timeout)
        if cut_off is not None:
            server.log.write(WARNING, f"{cut_off} connections were still being answered after {timeout} s")


def refuse_trusted_proxies(trusted_proxies: Sequence[str]) -> None:
    """Check that no proxy is to be believed: the environ does not tell its X-Forwarded-For from X_Forwarded_For.

    A proxy overwrites the one, and may pass the other on as the client has sent it.

    Raises:
        UnsupportedError: One is.
    """
    if trusted_proxies:
        raise UnsupportedError(
            f"servBackend 'granian' cannot serve with trusted_proxies={list(trusted_proxies)!r}: a client's header "
            "X_Forwarded_For looks like the proxy's X-Forwarded-For there; use servBackend='auto' or 'native', or "
            "leave trusted_proxies out"
        )
