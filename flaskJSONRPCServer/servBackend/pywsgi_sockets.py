"""Sending to slow readers, and draining connections at their end, under pywsgi."""

from __future__ import annotations

import struct
import sys
from typing import Any

import gevent

if sys.platform != "win32":
    import fcntl
    import termios

__all__ = ["drain", "send_some"]

# How long a connection is drained after its last answer: without a byte, and in all. And how many bytes: enough for an
# upload of 50 MB from near by. All guessed; shorter than in native/protocol.py, since each takes a greenlet meanwhile.
_LINGER_SILENT_S = 1.0
_LINGER_S = 10.0
_LINGER_BYTES = 64 * 1024 * 1024


def drain(connection: Any) -> None:
    """Drain a connection until EOF, for a limited time and up to a limited size.

    Raises:
        OSError: The connection is broken, or the time is over.
    """
    connection.settimeout(_LINGER_SILENT_S)
    left = _LINGER_BYTES
    with gevent.Timeout(_LINGER_S, TimeoutError):
        while left > 0 and (count := len(connection.recv(65536))):
            left -= count
            gevent.sleep(0)  # a socket that always has bytes does not switch, and would starve other greenlets


def send_some(connection: Any, data: memoryview) -> int:
    """Send as many bytes as the system accepts, and wait until it accepts any. Return how many.

    Raises:
        TimeoutError: The client has read nothing for the timeout of the socket.
        OSError: The connection is broken.
    """
    while True:
        before = unsent_bytes(connection)
        try:
            sent: int = connection.send(data)
        except TimeoutError:
            # The system accepts more bytes only when a third of its buffer is free. That can be megabytes, for which a
            # slow reader needs longer than the timeout. A client whose buffer shrinks is still reading.
            if before is None or before == unsent_bytes(connection):
                raise
        else:
            return sent


def unsent_bytes(connection: Any) -> int | None:
    """Return how many bytes in the buffer of the system are unsent or unacknowledged; None if it does not report it."""
    if sys.platform == "win32":
        return None
    try:
        packed = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    except OSError:  # not every system supports this for a socket
        return None
    return int(struct.unpack("i", packed)[0])
