"""The messages between the parent and a child process of the backend ``parallel``, over a pair of sockets.

A message is its type, its length and its body. The parent sends; the child answers each call with one message.
"""

from __future__ import annotations

import socket
import struct
from enum import IntEnum

__all__ = ["MessageType", "Wire", "code_of", "with_code"]

_HEAD = struct.Struct("<BQ")

# The code of an error, after the pickled outcome: a reader of that ignores what follows it.
_CODE = struct.Struct("<q")

# Head and body of a message below this size are joined: copying them costs less than a second system call. Guessed.
_JOINED_BYTES = 16 * 1024


class MessageType(IntEnum):
    """The type of a message."""

    SETUP = 0
    """To the child: the setup of its server."""
    GLOBALS = 1
    """To the child: globals of a module."""
    FUNCTION = 2
    """To the child: a function under a number, and the folders to search for modules."""
    CALL = 3
    """To the child: a call of the function with a number."""
    END = 4
    """To the child: no more calls follow."""
    READY = 5
    """From the child: it waits for calls."""
    DONE = 6
    """From the child: the outcome of a call that returned."""
    FAILED = 7
    """From the child: the outcome of a call that raised, and the code of its error."""
    NOT_RUN = 8
    """From the child: why the function could not be loaded."""


class Wire:
    """One end of the pair.

    Args:
        connected: The socket. A message takes at most the timeout of the socket.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def send(self, message_type: MessageType, body: bytes) -> None:
        """Send a message.

        Raises:
            OSError: The other end is gone, or does not take the message in time.
        """
        head = _HEAD.pack(message_type, len(body))
        if len(body) <= _JOINED_BYTES:
            self._socket.sendall(head + body)
            return
        self._socket.sendall(head)
        self._socket.sendall(body)

    def receive(self) -> tuple[MessageType, bytearray]:
        """Wait for a message; return its type and its body.

        Raises:
            EOFError: The other end is gone.
            OSError: The other end is gone, or the message does not come in time.
        """
        message_type, length = _HEAD.unpack(self._read(_HEAD.size))
        return MessageType(message_type), self._read(length)

    def _read(self, length: int) -> bytearray:
        data = bytearray(length)
        missing = memoryview(data)
        while missing:
            count = self._socket.recv_into(missing)
            if not count:
                raise EOFError
            missing = missing[count:]
        return data


def with_code(outcome: bytes, code: int) -> bytes:
    """Return the body of a FAILED message. A code beyond 64 bits becomes the nearest one that fits."""
    return outcome + _CODE.pack(min(max(code, -(2**63)), 2**63 - 1))


def code_of(body: bytearray) -> int:
    """Return the code of the error in the body of a FAILED message."""
    code: int = _CODE.unpack_from(body, len(body) - _CODE.size)[0]
    return code
