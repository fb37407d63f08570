"""Notices of changes, from one process to all others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ...runtime.concurrency import make_lock, start_thread
from ...runtime.log_limits import WarnOnce
from ...runtime.logs import ServerLog
from ...runtime.thread_pool import ThreadPool
from .own_sockets import OwnSockets
from .relay import notify
from .socket_folder import FolderError, SocketFolder

__all__ = ["Notice", "Notices"]

# The most notices that wait to be sent; guessed.
_MOST_WAITING: Final = 1000


@dataclass(frozen=True, slots=True)
class Notice:
    """A change of an endpoint.

    Attributes:
        path: The path of the endpoint.
        uri: The resource that has changed; None for the list of tools.
    """

    path: str
    uri: str | None = None

    @classmethod
    def read(cls, data: bytes) -> Notice:
        """Return the notice that :meth:`written` has written."""
        return cls(*json.loads(data))

    def written(self) -> bytes:
        """Return it as JSON."""
        return json.dumps([self.path, self.uri]).encode()


@dataclass(frozen=True, slots=True)
class Sending:
    """The task of sending one notice."""

    notice: Notice
    send: Callable[[Notice], object]

    def run(self) -> None:
        """Send it."""
        self.send(self.notice)


class Notices:
    """Sends notices one after the other, in a thread of its own: a process that hangs holds up no caller.

    Args:
        folder: The sockets of all processes.
        own: Those of this process.
        log: Gets a warning if notices are lost.
    """

    def __init__(self, folder: SocketFolder, own: OwnSockets, log: ServerLog) -> None:
        self._folder = folder
        self._own = own
        self._pool = ThreadPool(1, _MOST_WAITING, "notices", start_thread)
        self._changing = make_lock()
        self._waiting: set[Notice] = set()  # guarded by _changing
        self._losses = WarnOnce(log)

    def send(self, notice: Notice) -> None:
        """Send a notice soon, unless the same one waits already."""
        with self._changing:
            if notice in self._waiting:
                return
            self._waiting.add(notice)
        if not self._pool.submit(Sending(notice, self._send)):
            self._forget(notice)
            self._losses.write(f"a notice of a change is lost: {_MOST_WAITING} wait to be sent to other processes")

    def _send(self, notice: Notice) -> None:
        self._forget(notice)  # first: a change from now on needs one more
        try:
            others = [path for path in self._folder.paths() if not self._own.have(path.name)]
        except (OSError, FolderError):
            return  # no process has a socket there, which the log says when it tries to open one
        for path in others:
            notify(path, notice.written())

    def _forget(self, notice: Notice) -> None:
        with self._changing:
            self._waiting.discard(notice)
