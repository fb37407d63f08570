"""The warning that a backend logs where it listens on an address that it is not fit for."""

from __future__ import annotations

import socket

from ..runtime.logs import WARNING, ServerLog
from .sockets import Address, is_loopback, is_unix

__all__ = ["is_exposed", "warn_if_exposed"]


def is_exposed(listener: socket.socket) -> bool:
    """Return whether other machines may reach a listening socket: it is neither a Unix socket nor on loopback."""
    return not is_unix(listener) and not is_loopback(listener.getsockname()[0])


def warn_if_exposed(listener: socket.socket, log: ServerLog, backend_id: str, why: str) -> None:
    """Log a warning where other machines may reach a backend that only this one, or a proxy, should talk to.

    Args:
        listener: The listening socket.
        log: The log of the server.
        backend_id: The name of the backend.
        why: What the backend is for and what it lacks, as the rest of a sentence about it.
    """
    if is_exposed(listener):
        where = Address(*listener.getsockname()[:2])
        log.write(
            WARNING,
            f"servBackend {backend_id!r} listens on {where}, and {why}; use servBackend='auto' or 'native', or put a "
            "proxy in front that reads requests whole and bounds connections, and listen on 127.0.0.1",
        )
