"""Requests on their way from one process to another: the environ as a line of JSON, and the body after it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ...http.body import read_body
from ...http.request import IS_FORWARDED, Environ

__all__ = ["NOTICES", "REQUESTS", "ForwardedApplication", "packed"]

REQUESTS: Final = "/requests"
NOTICES: Final = "/notices"
"""The URLs at the socket of a process."""

# The values of an environ that mean the same in another process.
_SENT: Final = (str, int, float)

# The fields of a body in chunks, which has been put together.
_OF_CHUNKS: Final = frozenset({"HTTP_TRANSFER_ENCODING", "wsgi.input_terminated"})


def packed(environ: Mapping[str, Any], body: bytes) -> bytes:
    """Return a request as bytes.

    Args:
        environ: Its environ. Objects such as ``wsgi.input`` mean nothing elsewhere, and are left out.
        body: Its body.
    """
    head = {name: value for name, value in environ.items() if isinstance(value, _SENT) and name not in _OF_CHUNKS}
    return b"%b\n%b" % (json.dumps({**head, "CONTENT_LENGTH": str(len(body))}).encode(), body)


def unpacked(data: bytes) -> tuple[Environ, bytes]:
    line, _, body = data.partition(b"\n")
    return json.loads(line), body


class ForwardedApplication:
    """The WSGI application that answers other processes: the requests that they pass on, and their notices.

    Args:
        app: Answers the requests as if they had come to this process.
        take_notice: Called with each notice.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], take_notice: Callable[[bytes], object]) -> None:
        self._app = app
        self._take_notice = take_notice

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        data = read_body(environ, sys.maxsize)  # the serving backend has a limit
        if environ["PATH_INFO"] == NOTICES:
            self._take_notice(data)
            start_response("204 No Content", [])
            return []
        head, body = unpacked(data)
        # What this process needs to answer has a dot in its name; all else describes the connection between the two.
        own = {name: value for name, value in environ.items() if "." in name}
        received = {**own, **head, IS_FORWARDED: True, "wsgi.input": io.BytesIO(body)}
        return self._app(received, start_response)
