"""What the parent and a child process of the backend ``parallel`` say to each other, over a pair of sockets.

A message is its kind, its length and its body. The parent sends; the child answers each call with one message.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any

__all__ = ["MessageType", "Wire"]

_HEAD = struct.Struct("<BQ")

# Below this size head and body are joined, which costs less than a second system call; guessed.
_JOINED_BYTES = 16 * 1024


class MessageType(IntEnum):
    """What a message is about."""

    SETUP = 0
    """To the child: what its server is made of."""
    GLOBALS = 1
    """To the child: globals of a module."""
    FUNCTION = 2
    """To the child: a function under a number, and where to search for modules."""
    CALL = 3
    """To the child: a call of the function of a number."""
    END = 4
    """To the child: no further call comes."""
    READY = 5
    """From the child: it waits for calls."""
    DONE = 6
    """From the child: the outcome of a call that has returned."""
    FAILED = 7
    """From the child: the outcome of a call that has raised."""
    NOT_RUN = 8
    """From the child: why the function could not be loaded."""


class Wire:
    """One end of the pair.

    Args:
        connected: The socket. What its timeout is, a message takes at most.
    """

    def __init__(self, connected: Any) -> None:
        self._socket = connected

    def send(self, kind: MessageType, body: bytes) -> None:
        """Send a message.

        Raises:
            OSError: The other end is gone, or does not take it in time.
        """
        head = _HEAD.pack(kind, len(body))
        if len(body) <= _JOINED_BYTES:
            self._socket.sendall(head + body)
            return
        self._socket.sendall(head)
        self._socket.sendall(body)

    def receive(self) -> tuple[MessageType, bytearray]:
        """Wait for a message; return its kind and its body.

        Raises:
            EOFError: The other end is gone.
            OSError: So it is, or the message does not come in time.
        """
        kind, length = _HEAD.unpack(self._read(_HEAD.size))
        return MessageType(kind), self._read(length)

    def _read(self, length: int) -> bytearray:
        read = bytearray(length)
        missing = memoryview(read)
        while missing:
            taken = self._socket.recv_into(missing)
            if not taken:
                raise EOFError
            missing = missing[taken:]
        return read
