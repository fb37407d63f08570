"""Whether the client of a request has left, as far as its connection shows."""

from __future__ import annotations

import select
from typing import Any

from ..http.request import CLIENT_SOCKETS, Environ
from ..runtime.concurrency import native

__all__ = ["has_left", "is_closed"]

# The event of a connection whose other side has closed it. It reads nothing, so it works with TLS too. A system without
# this event reports the end of both sides only.
_CLOSED: int = getattr(select, "POLLRDHUP", 0)


def is_closed(descriptor: int) -> bool:
    """Return whether a client has closed its connection, or its sending half."""
    poller: Any = native("select", "poll")()
    poller.register(descriptor, _CLOSED)
    return bool(poller.poll(0))


def has_left(environ: Environ) -> bool:
    """Return whether the client of a request has closed its connection; False if the environ does not have that."""
    client = next((environ[name] for name in CLIENT_SOCKETS if environ.get(name) is not None), None)
    if client is None:
        return False
    descriptor: int = client.fileno()
    return descriptor < 0 or is_closed(descriptor)
