"""Socket activation: listening sockets that this process inherits from systemd or another supervisor."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import MutableMapping

from ..errors import BindError

__all__ = ["inherited_socket", "systemd_sockets"]

# The first descriptor that systemd passes, after the standard streams.
_FIRST_DESCRIPTOR = 3

_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

_NO_SOCKETS = "start the service by its .socket unit (my-api.socket for my-api.service), or give an address"


def systemd_sockets(environ: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the listening sockets that systemd passes to this process, in the order of its unit.

    The ``LISTEN_`` variables are removed, so that no child process uses them.

    Args:
        environ: The environment of the process.

    Returns:
        At least one socket, for ``bindAdress`` with ``multipleAdress=True``.

    Raises:
        BindError: There are no sockets, they are for another process, or one of them cannot listen.

    Source: sd_listen_fds(3).
    """
    count = read_socket_count(environ)
    sockets = [inherited_socket(_FIRST_DESCRIPTOR + number) for number in range(count)]
    for name in _VARIABLES:
        environ.pop(name, None)
    return sockets


def read_socket_count(environ: MutableMapping[str, str]) -> int:
    """Return how many sockets systemd passes to this process.

    Raises:
        BindError: There are no sockets for this process.
    """
    pid, count = environ.get("LISTEN_PID"), environ.get("LISTEN_FDS")
    if pid is None or count is None:
        missing = "LISTEN_PID" if pid is None else "LISTEN_FDS"
        raise BindError(errno.ENOENT, f"systemd has handed no sockets down: {missing} is not set; {_NO_SOCKETS}")
    if pid != str(os.getpid()):
        raise BindError(
            errno.ESRCH,
            f"the sockets of systemd are for the process LISTEN_PID={pid}, and this is {os.getpid()}; let ExecStart= "
            "run python itself, without a shell or another program between, or take the descriptor by its number: fd://3",
        )
    if not (count.isascii() and count.isdecimal()) or int(count) < 1:
        raise BindError(errno.EINVAL, f"LISTEN_FDS={count!r} is no number of sockets, from 1 on; {_NO_SOCKETS}")
    return int(count)


def inherited_socket(descriptor: int) -> socket.socket:
    """Return the listening socket of an inherited descriptor. Child processes do not inherit it in turn.

    Args:
        descriptor: The number of the descriptor.

    Raises:
        BindError: The descriptor is not open, is no stream socket, or is a connection.
    """
    try:
        os.fstat(descriptor)  # first, since socket() truncates a number that is too large
    except (OSError, OverflowError) as exc:
        raise descriptor_error(descriptor, errno.EBADF, "not open in this process") from exc
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError as exc:
        raise descriptor_error(descriptor, exc.errno or errno.ENOTSOCK, "no socket") from exc
    if sock.type != socket.SOCK_STREAM:
        # The descriptor belongs to the caller, and stays open.
        sock.detach()
        raise descriptor_error(descriptor, errno.EPROTOTYPE, "no stream socket; use ListenStream= in the .socket unit")
    if is_connected(sock):
        sock.detach()
        raise descriptor_error(descriptor, errno.EISCONN, "a connection; use Accept=no in the .socket unit")
    sock.set_inheritable(False)
    return sock


def is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def descriptor_error(descriptor: int, number: int, what: str) -> BindError:
    return BindError(
        number, f"cannot listen on descriptor {descriptor}: it is {what}; hand down a socket that is bound and listens"
    )
