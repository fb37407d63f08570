"""The sockets at which this process gets requests from the others."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from ...errors import BindError
from ...runtime.concurrency import make_lock
from ...runtime.forks import fork_count
from ...servBackend.private import PrivateServer
from ..sources import Sources
from .forwarded import ForwardedApplication
from .socket_folder import FolderError, SocketFolder

__all__ = ["OwnSockets", "SocketError", "WsgiApplication"]

WsgiApplication = Callable[..., Iterable[bytes]]

# How long a process that ends waits for what it answers to others, and for its tasks, in seconds: as long as gunicorn
# lets it answer its own requests.
_END_S: Final = 30.0


class SocketError(Exception):
    """This process cannot have a socket. The message has the reason."""


@dataclass(frozen=True, slots=True)
class OwnSocket:
    """A socket of this process.

    Attributes:
        name: Its name in the folder.
        key: Identifies its application.
        forks: The :func:`fork_count` of the process that has opened it: one that is forked later does not serve it.
        server: Serves it.
    """

    name: str
    key: object
    forks: int
    server: PrivateServer


class OwnSockets:
    """Opens a socket for each application that other processes may pass requests on to.

    All are closed when the process ends.

    Args:
        folder: Where they are.
        sources: The parts of the server.
        take_notice: Called with each notice of another process.
    """

    def __init__(self, folder: SocketFolder, sources: Sources, take_notice: Callable[[bytes], object]) -> None:
        self._folder = folder
        self._sources = sources
        self._take_notice = take_notice
        self._changing = make_lock()
        self._sockets: tuple[OwnSocket, ...] = ()  # replaced under _changing, read without it

    def name_of(self, key: object, application: WsgiApplication) -> str:
        """Return the name of the socket of an application, which is opened first if there is none any more.

        Args:
            key: Identifies the application.
            application: Answers requests as if they had come to this process.

        Raises:
            SocketError: It cannot be opened.
        """
        own = self._find(key)
        if own is None:
            with self._changing:
                own = self._find(key) or self._open(key, application)
        return own.name

    def have(self, name: str) -> bool:
        """Return whether a socket of this process has this name."""
        return any(own.name == name for own in self._of_this_process())

    def close(self, timeout_s: float = 0.0) -> None:
        """Close all sockets, which are opened anew when they are needed.

        Args:
            timeout_s: How long to wait for the requests that are being answered.
        """
        with self._changing:
            atexit.unregister(self._end)
            closed, self._sockets = self._of_this_process(), ()
        for own in closed:
            own.server.close(timeout_s)

    def _end(self) -> None:
        """Close all sockets, and wait for the functions of calls and tasks, as the process ends."""
        ends_at = time.monotonic() + _END_S
        self._sources.streams.end_period()
        self.close(_END_S)
        self._sources.background.drain(max(0.0, ends_at - time.monotonic()))

    def _of_this_process(self) -> list[OwnSocket]:
        forks = fork_count()
        return [own for own in self._sockets if own.forks == forks]

    def _find(self, key: object) -> OwnSocket | None:
        found = (own for own in self._of_this_process() if own.key is key)
        return next((own for own in found if own.server.path.exists()), None)  # a cleaner may have removed the folder

    def _open(self, key: object, application: WsgiApplication) -> OwnSocket:
        try:
            path = self._folder.new_path()
            forwarded = ForwardedApplication(application, self._take_notice)
            facts, settings = self._sources.facts, self._sources.settings
            server = PrivateServer(f"{facts.name}-processes", path, forwarded, settings, facts.log)
        except (OSError, BindError, FolderError) as exc:
            raise SocketError(str(exc)) from exc
        own = OwnSocket(path.name, key, fork_count(), server)
        self._sockets = (*self._sockets, own)
        atexit.register(self._end)
        return own
