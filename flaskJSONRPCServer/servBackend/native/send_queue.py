"""How much of what a socket has accepted its client has not taken yet, as the system counts it."""

from __future__ import annotations

import socket
import ssl
import sys

from ..sockets import is_unix

if sys.platform != "win32":
    import fcntl
    import termios

__all__ = ["TLS_RECORD_BYTES", "SendQueue"]

TLS_RECORD_BYTES = 16 * 1024
"""The largest record (RFC 8446, section 5.1)."""

# The system of a client takes bytes in steps: it reports room when its program has read a segment, or half of the
# receive buffer. A program that reads evenly thus seems to read nothing for a while. Guessed; most are smaller.
_STEP_BYTES = 8 * 1024

# Linux frees what a Unix socket holds in pieces of up to 36 KiB. Where the system does not say what it holds, a socket
# accepts more when half of a low-water mark of 128 KiB is free.
_COARSE_STEP_BYTES = 64 * 1024

_SO_NWRITE = 0x1024  # of macOS, which Python does not name


class SendQueue:
    """The bytes that the system holds for a client.

    The sizes of what a socket accepts say little about how fast its client reads: see the low-water mark in
    :mod:`.acceptor`. What a socket has accepted, less what the system still holds, has reached the client.

    Args:
        sock: The socket.

    Attributes:
        step_bytes: The largest step in which the bytes of an even reader are taken, as far as this can be known.
    """

    __slots__ = ("_sock", "step_bytes")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        is_exact = _size_of is not None and not is_unix(sock)
        self.step_bytes = _STEP_BYTES if is_exact else _COARSE_STEP_BYTES
        if isinstance(sock, ssl.SSLSocket):  # a part of a record may have been taken that counts when it is complete
            self.step_bytes += TLS_RECORD_BYTES

    def size(self) -> int:
        """Return how many bytes the system holds; 0 where it does not say."""
        if _size_of is None:
            return 0
        try:
            return _size_of(self._sock)
        except (OSError, ValueError):  # the socket has been closed
            return 0


def _linux_size(sock: socket.socket) -> int:
    # SIOCOUTQ, which has the same number: see tcp(7) and unix(7).
    return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _macos_size(sock: socket.socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)


# The function that asks this system for the bytes that a socket holds.
_size_of = {"linux": _linux_size, "darwin": _macos_size}.get(sys.platform)
