"""Waking a thread that waits for sockets."""

from __future__ import annotations

import contextlib
import socket

__all__ = ["Wakeup"]


class Wakeup:
    """A socket that becomes readable when another thread says so.

    Attributes:
        receiver: To be waited for.
    """

    def __init__(self) -> None:
        self.receiver, self._sender = socket.socketpair()
        self.receiver.setblocking(False)
        self._sender.setblocking(False)
        self._is_sent = False  # written by any thread: at worst a wakeup is sent twice

    def send(self) -> None:
        """Wake the thread, now or when it waits next."""
        if not self._is_sent:
            self._is_sent = True
            with contextlib.suppress(OSError):  # it is awake in any case where there is no room; or it has ended
                self._sender.send(b"\0")

    def receive(self) -> None:
        """Take note of the wakeup. What it was sent for has to be looked at after that."""
        # In this order: a wakeup that were sent between the two, the other way round, would be taken here and count as
        # sent for ever, so that no other would be.
        with contextlib.suppress(BlockingIOError):
            self.receiver.recv(4096)
        self._is_sent = False

    def close(self) -> None:
        """Close both ends."""
        self.receiver.close()
        self._sender.close()
