"""Serving a WSGI application on a Unix socket, for the other processes of the same user."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..dispatch.facade import ServerFacade
from ..runtime.concurrency import is_patched
from ..runtime.logs import ServerLog
from ..settings import Settings
from . import find_serv_backend
from .sockets import UnixAddress, open_listener

__all__ = ["PrivateServer"]

# Requests have more than the body that the sender has got; guessed.
_MORE_BYTES = 1024 * 1024

# The most requests that are answered at once. A request may wait for one that comes later, so none waits for a thread:
# what bounds them are the threads of the processes that they come from. Guessed.
_MOST_REQUESTS = 2000


@dataclass(frozen=True, slots=True)
class ServedParts:
    """The parts of a server that a serving backend uses."""

    name: str
    log: ServerLog
    settings: Settings


class PrivateServer:
    """Serves a WSGI application on a Unix socket, with the serving backend that ``auto`` means here.

    Args:
        name: The name in the log and of the threads.
        path: The path of the socket, which no other program has.
        wsgi_app: The application.
        settings: The settings of the server whose requests come here; only its bounds count.
        log: The log.

    Raises:
        BindError: The socket cannot be made.
        MissingExtraError: gevent has patched the process, and is too old.

    Attributes:
        path: As given.
    """

    def __init__(
        self, name: str, path: Path, wsgi_app: Callable[..., Iterable[bytes]], settings: Settings, log: ServerLog
    ) -> None:
        self.path = path
        bounds = Settings(
            threads=_MOST_REQUESTS,
            max_concurrent_calls=_MOST_REQUESTS,
            max_body_bytes=settings.max_body_bytes + _MORE_BYTES,
            max_page_body_bytes=settings.max_body_bytes + _MORE_BYTES,
            max_response_bytes=settings.max_response_bytes,
            # The sender reads as fast as its own client does, which its own server judges.
            min_answer_rate=0,
        )
        parts = cast("ServerFacade", ServedParts(name, log, bounds))
        self._parts: Any = parts
        self._backend = find_serv_backend("auto", gevent=is_patched())
        self._listener = open_listener(UnixAddress(str(path)), bounds.backlog)
        try:
            self._instance = self._backend.start(self._listener.raw_address, wsgi_app, parts, False)
        except BaseException:
            self._listener.close()
            raise

    def close(self, timeout_s: float = 0) -> None:
        """Remove the socket, wait for the requests that are being answered, and stop."""
        self._listener.close()
        self._backend.stop(self._instance, 0, self._parts, timeout_s)
