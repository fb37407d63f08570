"""Serving with cheroot: threads, and connections that are kept alive. Needs the extra ``cheroot``.

cheroot parses requests and writes answers. Connections, their TLS and the threads are those of the
:class:`~.lobby.Lobby`: cheroot's own shake hands in the thread that accepts, and give a thread to whoever sends a byte.
"""

from __future__ import annotations

import functools
import io
import logging
import socket
import ssl
import urllib.parse
from collections.abc import Callable
from typing import Any

import cheroot.server
import cheroot.wsgi

from ..http.request import CLIENT_SOCKET
from ..runtime.logs import INFO
from .chunks import ChunkedBody
from .heads import without_query
from .lobby import Connection, Lobby, LobbyBackend
from .sockets import is_unix

__all__ = ["CherootBackend"]


class HeaderReader(cheroot.server.HeaderReader):
    """Reads header fields that the lobby has checked."""

    def __call__(self, rfile: Any, hdict: Any = None) -> Any:
        """Read them, with one spelling for what cheroot compares literally."""
        fields = super().__call__(rfile, hdict)
        options = {option.strip() for option in fields.get(b"Connection", b"").lower().split(b",")}
        if options:
            fields[b"Connection"] = (
                b"close" if b"close" in options else b"Keep-Alive" if b"keep-alive" in options else b""
            )
        return fields

    def _allow_header(self, key_name: bytes) -> bool:
        return b"_" not in key_name  # in the environ it would be that of another field


class Request(cheroot.server.HTTPRequest):
    """One request and its answer."""

    header_reader = HeaderReader()
    chunks: ChunkedBody | None = None

    def read_request_headers(self) -> bool:
        """Read the head; where the client waits for ``100 Continue``, it has it then."""
        is_read: bool = super().read_request_headers()  # type: ignore[no-untyped-call]
        self.conn.wfile.flush()
        return is_read

    def send_headers(self) -> None:
        """Write the head of the answer. No request may follow what has not been read of a body."""
        if self.has_rest():
            self.close_connection = True
        super().send_headers()
        line = b" ".join([self.method, self.uri, self.request_protocol]).decode("latin-1")
        self.server.write_log(self.conn.remote_addr or "-", f'"{without_query(line)}" {self.code}')

    def write(self, chunk: bytes) -> None:
        """Write a part of the answer at once: it may be long until the next one."""
        super().write(chunk)
        self.conn.wfile.flush()

    @property
    def code(self) -> str:
        """The status code of the answer."""
        status: bytes = self.status  # type: ignore[assignment]  # its stubs say str
        return status[:3].decode()

    def has_rest(self) -> bool:
        """Tell whether the body has not been read to its end."""
        if self.chunks is not None:
            return not self.chunks.has_ended
        return getattr(self.rfile, "remaining", 0) > 0


class Gateway(cheroot.wsgi.Gateway_10):
    """Calls the application."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # its stubs say None
        """Return the environ."""
        request = self.req
        if request.chunked_read:
            request.chunks = ChunkedBody(request.conn.rfile)
            request.rfile = io.BufferedReader(request.chunks)
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        path = urllib.parse.unquote_to_bytes(request.uri.partition(b"?")[0])  # cheroot leaves %2F as it is
        environ.update(request.server.environ, PATH_INFO=path.decode("latin-1"))
        environ[CLIENT_SOCKET] = request.conn.socket
        if isinstance(request.conn.socket, ssl.SSLSocket):
            environ["wsgi.url_scheme"] = "https"
            if certificate := request.conn.socket.getpeercert(binary_form=True):
                environ["SSL_CLIENT_CERT"] = ssl.DER_cert_to_PEM_cert(certificate)
        return environ


class HTTPConnection(cheroot.server.HTTPConnection):
    """The requests and answers of one connection."""

    RequestHandlerClass = Request

    def __init__(self, server: Server, came_by: Connection) -> None:
        super().__init__(server, came_by.socket, functools.partial(make_file, came_by))
        address = came_by.address if isinstance(came_by.address, tuple) else (None, None)
        self.remote_addr, self.remote_port = address[:2]
        del self.get_peer_creds, self.resolve_peer_creds  # caches of its own, which would be garbage for the collector


def make_file(came_by: Connection, opened: socket.socket, mode: str, size: int) -> Any:
    return came_by.reader if "r" in mode else Writer(opened)


class Writer:
    """Writes to a socket, the head of an answer together with the beginning of its body."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._held: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Hold some bytes until the next flush."""
        self._held.append(data)
        return len(data)

    def flush(self) -> None:
        """Send what is held."""
        held, self._held = self._held, []
        if held:
            self._socket.sendall(b"".join(held))


class Server(cheroot.wsgi.Server):
    """What cheroot's connections want to know of their server. It neither accepts nor serves by itself."""

    ready = True

    def __init__(self, listener: socket.socket, app: Any, write_log: Callable[..., None]) -> None:
        name = listener.getsockname()
        host, port = ("localhost", 80) if is_unix(listener) else name[:2]
        super().__init__((host, port), app)
        logging.statistics.pop(f"Cheroot HTTPServer {id(self)}")  # type: ignore[attr-defined]  # cheroot's
        self.gateway = Gateway
        self.software = self.server_name
        self.environ = {"SERVER_NAME": host, "SERVER_PORT": str(port)}
        self.write_log = write_log

    def enter(self, lobby: Lobby) -> None:
        """Serve the connections of a lobby."""
        self._lobby = lobby

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Whether a connection may stay open after its answer."""
        return not self._lobby.is_stopping

    def answer(self, came_by: Connection) -> bool:
        """Answer the request that has come over a connection. Returns whether the connection stays."""
        if came_by.backend is None:
            came_by.backend = HTTPConnection(self, came_by)
        stays: bool = came_by.backend.communicate()
        came_by.backend.wfile.flush()
        return stays

    def error_log(self, msg: str = "", level: int = INFO, traceback: bool = False) -> None:
        """Log one of cheroot's messages; the base class prints it."""
        self.write_log(msg, traceback=traceback)


class CherootBackend(LobbyBackend):
    """Serves with ``cheroot``."""

    _id = "cheroot"
    _make_server = Server
