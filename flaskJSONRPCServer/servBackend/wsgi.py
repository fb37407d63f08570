"""Helpers of the serving backends that call a WSGI application themselves (PEP 3333)."""

from __future__ import annotations

import socket
from typing import Any

from .sockets import is_unix

__all__ = ["CONSTANTS", "client_variables", "close_body", "server_variables"]

CONSTANTS: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
"""The variables that do not differ between requests, for a backend with threads and complete bodies."""


def server_variables(listener: socket.socket) -> dict[str, str]:
    """Return SERVER_NAME and SERVER_PORT, which PEP 3333 requires over a Unix socket too."""
    host, port = ("localhost", 80) if is_unix(listener) else listener.getsockname()[:2]
    return {"SERVER_NAME": host, "SERVER_PORT": str(port)}


def client_variables(address: Any) -> dict[str, str]:
    """Return REMOTE_ADDR and REMOTE_PORT. The peer of a Unix socket has an empty address and no port."""
    if isinstance(address, tuple):
        return {"REMOTE_ADDR": str(address[0]), "REMOTE_PORT": str(address[1])}
    return {"REMOTE_ADDR": ""}


def close_body(body: Any) -> None:
    """Close a body of an application, whether or not all of it has been sent."""
    close = getattr(body, "close", None)
    if close is not None:
        close()
