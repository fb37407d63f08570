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
        with contextlib.suppress(BlockingIOError):
            self.receiver.recv(4096)
        # After the receipt: a byte that is sent in between would be received with the flag left set, and be the last.
        self._is_sent = False

    def close(self) -> None:
        """Close both ends."""
        self.receiver.close()
        self._sender.close()
