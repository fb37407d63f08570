"""Calls without a socket: to a server object, or to a WSGI application such as Flask's, in the same process."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..deadlines import Deadline
from ..errors import AnswerTooLargeError, ClientError, ProtocolError
from .answer_fields import decompressed, joined_fields
from .base import ClientRequest, ClientResponse

__all__ = ["WsgiTransport"]

# PEP 3333: three digits, and a reason after a space.
_STATUS: Final = re.compile(r"[1-5][0-9][0-9](?: |$)", re.ASCII)
_UNPREFIXED: Final = {"Content-Type": "CONTENT_TYPE"}


class WsgiTransport:
    """Passes requests to a WSGI application in the calling thread.

    A call is not interrupted at its deadline: the application learns of the deadline as any server does. Exceptions of
    the application are raised to the caller.

    Args:
        application: The WSGI callable, or an object whose `getWSGI()` returns it.
        path: The path of the requests. None for that of the methods of a server, if all have the same.
        limit_bytes: The largest answer.

    Raises:
        TypeError: The application is neither.
    """

    def __init__(self, application: Any, path: str | None, limit_bytes: int) -> None:
        if not callable(application) and not hasattr(application, "getWSGI"):
            raise TypeError(f"{application!r} is no URL, no server and no WSGI application")
        self._application = application
        self._path = path
        self._limit_bytes = limit_bytes
        self._is_closed = False

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`."""
        if self._is_closed:
            raise ClientError("the client is closed")
        deadline.wait_s()
        if self._path is None:
            self._path = only_path(self._application)
        call = self._application.getWSGI() if hasattr(self._application, "getWSGI") else self._application
        status, fields, body = called(call, environ_of(self._path, request))
        if len(body) > self._limit_bytes:
            raise AnswerTooLargeError(f"an answer of {len(body)} bytes; at most {self._limit_bytes} are read")
        headers = joined_fields(fields)
        body = decompressed(body, headers.get("content-encoding"), limit_bytes=self._limit_bytes)
        return ClientResponse(status, headers, body)

    def close(self) -> None:
        """Refuse later requests. The application goes on."""
        self._is_closed = True


def only_path(server: Any) -> str:
    """Return the path on which all methods of a server are registered; the root if it has none, or is an application.

    Raises:
        ValueError: They have several.
    """
    if not hasattr(server, "openrpc"):
        return "/"
    paths = {method["servers"][0]["url"] for method in server.openrpc()["methods"]}
    if len(paths) > 1:
        raise ValueError(f"the server has methods on {', '.join(sorted(paths))}; choose one by path=")
    return paths.pop() if paths else "/"


def environ_of(path: str, request: ClientRequest) -> dict[str, Any]:
    """Return the environ of a POST request (PEP 3333)."""
    path, _, query = path.partition("?")
    fields = {
        _UNPREFIXED.get(name, "HTTP_" + name.upper().replace("-", "_")): value
        for name, value in request.headers.items()
    }
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        **fields,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def called(
    application: Callable[..., Iterable[bytes]], environ: dict[str, Any]
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Call a WSGI application. Return the status, the header fields and the body of its answer."""
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
        heads.append((status, fields))  # with exc_info, a second head replaces the first one
        return written.append

    chunks = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    if not heads:
        raise ProtocolError("the application has not called start_response")
    status, fields = heads[-1]
    if not isinstance(status, str) or _STATUS.match(status) is None:
        raise ProtocolError(f"the application has answered with the status {status!r}; it takes one such as '200 OK'")
    return int(status[:3]), fields, b"".join(written) + body
