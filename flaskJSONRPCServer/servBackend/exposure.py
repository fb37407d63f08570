"""The warning about a backend that other machines can reach although it is not fit for that."""

from __future__ import annotations

import socket

from ..runtime.logs import WARNING, ServerLog
from .sockets import Address, is_loopback, is_unix

__all__ = ["is_exposed", "warn_if_exposed"]


def is_exposed(listener: socket.socket) -> bool:
    """Return whether other machines may reach a listening socket: neither a Unix socket nor one on loopback."""
    return not is_unix(listener) and not is_loopback(listener.getsockname()[0])


def warn_if_exposed(listener: socket.socket, log: ServerLog, backend_id: str, why: str) -> None:
    """Log a warning if other machines may reach a backend that only this machine or a proxy should talk to.

    Args:
        listener: The listening socket.
        log: The log of the server.
        backend_id: The name of the backend.
        why: The purpose of the backend and its missing bounds, as the rest of a sentence about it.
    """
    if is_exposed(listener):
        where = Address(*listener.getsockname()[:2])
        log.write(
            WARNING,
            f"servBackend {backend_id!r} listens on {where}, and {why}; use servBackend='auto' or 'native', or put a "
            "proxy in front that reads requests whole and bounds connections, and listen on 127.0.0.1",
        )
