"""Sending to clients that read slowly, and parting from those that still send, under pywsgi."""

from __future__ import annotations

import struct
import sys
from typing import Any

import gevent

if sys.platform != "win32":
    import fcntl
    import termios

__all__ = ["read_rest", "send_some"]

# How long a client that is still sending is listened to after its last answer: without a byte, in all, and how many
# bytes. Enough for 50 MB on their way from near by; guesses.
_LINGER_SILENT_S = 1.0
_LINGER_S = 10.0
_LINGER_BYTES = 64 * 1024 * 1024


def read_rest(connection: Any) -> None:
    """Read what a client still sends, until it stops, for a time and up to a size.

    Raises:
        OSError: The connection has broken, or the time is over.
    """
    connection.settimeout(_LINGER_SILENT_S)
    left = _LINGER_BYTES
    with gevent.Timeout(_LINGER_S, TimeoutError):
        while left > 0 and (read := len(connection.recv(65536))):
            left -= read
            gevent.sleep(0)  # a socket that is never empty would let nobody else have a turn


def send_some(connection: Any, data: memoryview) -> int:
    """Send what the system takes as soon as it takes anything; return how many bytes that are.

    Raises:
        TimeoutError: The client has read nothing for as long as the socket's timeout.
        OSError: The connection has broken.
    """
    while True:
        before = unsent_bytes(connection)
        try:
            sent: int = connection.send(data)
        except TimeoutError:
            # The system takes more only when a third of its buffer is free, megabytes, which a slow reader may need
            # longer for. It reads as long as the buffer becomes emptier.
            if before is None or before == unsent_bytes(connection):
                raise
        else:
            return sent


def unsent_bytes(connection: Any) -> int | None:
    """Return how many bytes the system has still to send, or to see acknowledged; None where it does not tell."""
    if sys.platform == "win32":
        return None
    try:
        counted = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    except OSError:  # not every system tells it of a socket
        return None
    return int(struct.unpack("i", counted)[0])
