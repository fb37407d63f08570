"""Waking a thread that waits in a selector."""

from __future__ import annotations

import contextlib
import socket

from ...runtime.forks import release_in_forks

__all__ = ["Wakeup"]


class Wakeup:
    """A pair of sockets, one of which becomes readable when another thread calls :meth:`send`.

    Attributes:
        receiver: The socket to register with the selector.
    """

    def __init__(self) -> None:
        self.receiver, self._sender = socket.socketpair()
        self.receiver.setblocking(False)
        self._sender.setblocking(False)
        release_in_forks(self.receiver)
        release_in_forks(self._sender)
        self._is_sent = False  # written by any thread: at worst a wakeup is sent twice

    def send(self) -> None:
        """Wake the thread, now or at its next wait."""
        if not self._is_sent:
            self._is_sent = True
            with contextlib.suppress(OSError):  # a full buffer wakes it anyway; or the thread has ended
                self._sender.send(b"\0")

    def receive(self) -> None:
        """Consume the wakeup. Look at the reasons for it only after this."""
        # Receive first, then reset the flag. The other way round, a wakeup sent between the two would be received here
        # while the flag stays set, and no wakeup would ever be sent again.
        with contextlib.suppress(BlockingIOError):
            self.receiver.recv(4096)
        self._is_sent = False

    def close(self) -> None:
        """Close both ends."""
        self.receiver.close()
        self._sender.close()
