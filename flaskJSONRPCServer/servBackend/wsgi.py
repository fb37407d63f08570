"""What the serving backends share that call a WSGI application themselves (PEP 3333)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from .sockets import is_unix

__all__ = [
    "CONSTANTS",
    "DeclaredBody",
    "client_variables",
    "close_body",
    "content_length",
    "has_no_body",
    "server_variables",
]

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


def has_no_body(status: str) -> bool:
    """Return whether an answer with this status never has a body (RFC 9110, section 6.4.1)."""
    return status[:3] in ("204", "304")


def content_length(headers: Sequence[tuple[str, str]]) -> int | None:
    """Return the length that an application declares for its body; None where it declares none.

    Raises:
        ValueError: It is not a plain number, or is declared twice: the client would read another one.
    """
    values = [value for name, value in headers if name.lower() == "content-length"]
    if not values:
        return None
    if len(values) > 1 or not (values[0].isascii() and values[0].isdigit()):
        raise ValueError(f"the application declared Content-Length {', '.join(values)}; declare one number")
    return int(values[0])


class DeclaredBody:
    """Passes on the parts of a body of declared length, and checks that they do not exceed it.

    Args:
        length: The declared length, in bytes.

    Attributes:
        left_bytes: How many bytes are still to be sent.
    """

    def __init__(self, length: int) -> None:
        self.left_bytes = length

    def __call__(self, part: bytes) -> bytes:
        """Return the part as it is.

        Raises:
            ValueError: The part exceeds the declared length. The client would read the rest as its next answer.
        """
        self.left_bytes -= len(part)
        if self.left_bytes < 0:
            raise ValueError("the application returned more bytes than its Content-Length")
        return part
