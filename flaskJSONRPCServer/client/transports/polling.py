"""Ask the system whether a socket has input."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any, Final

__all__ = ["has_input"]

_poll: Final[Callable[[], Any] | None] = getattr(select, "poll", None)


def has_input(connected: Any) -> bool:
    """Return whether bytes, or the end, wait in a socket. Bytes inside a TLS socket count too.

    Windows has no poll: there the answer is yes, and the caller has to look.
    """
    descriptor = connected.fileno()
    if descriptor < 0 or _poll is None or getattr(connected, "pending", int)():
        return True
    poll = _poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
