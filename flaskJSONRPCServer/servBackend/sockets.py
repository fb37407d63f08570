"""Opening listening sockets. The server does this itself, so that every serving backend reports the same errors."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BindError, SettingsError, UnsupportedError
from ..runtime.concurrency import is_socket
from ..runtime.forks import release_in_forks

__all__ = [
    "Address",
    "AnyAddress",
    "Listener",
    "UnixAddress",
    "UserSocket",
    "is_loopback",
    "is_unix",
    "open_listener",
    "parse_address",
    "parse_addresses",
]

_REMEDIES = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another port (0 lets the system choose)",
    errno.EACCES: "this needs a privilege; choose a port above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address; use 127.0.0.1, or 0.0.0.0 for all",
}

_ACCEPTED_FORMS = "it takes [ip, port], such as ['127.0.0.1', 8080], the path of a Unix socket, or a socket"


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address or a host name, and a port.

    Attributes:
        host: An IP address or a host name.
        port: 0 to 65535; 0 lets the system choose.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a Unix socket, and the unbound socket to bind to it if the user passed one."""

    path: str
    socket: socket.socket | None = None

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class UserSocket:
    """A bound socket of the user, such as one inherited from a parent process or a supervisor."""

    socket: socket.socket

    @property
    def bound_to(self) -> Address | UnixAddress:
        """The address that the socket is bound to."""
        name = self.socket.getsockname()
        return UnixAddress(os.fsdecode(name)) if is_unix(self.socket) else Address(*name[:2])

    def __str__(self) -> str:
        return str(self.bound_to)


AnyAddress = Address | UnixAddress | UserSocket


class Listener:
    """A listening socket of a server.

    Attributes:
        socket: The listening socket.
        address: The address that clients connect to: ``(ip, port)`` or the path of a Unix socket.
        served_by: The documented ``(isRawSocket, ip or socketPath, port or socket)``.

    Args:
        sock: The listening socket.
        file: The socket file to remove at the end; None if there is none, or it is not the server's.
        is_raw: Whether the socket is a Unix socket, or a socket of the user.
    """

    def __init__(self, sock: socket.socket, file: SocketFile | None, *, is_raw: bool) -> None:
        self.socket = sock
        self._file = file
        name = sock.getsockname()
        self.address: Any = os.fsdecode(name) if is_unix(sock) else name[:2]
        host = self.address if is_unix(sock) else name[0]
        self.served_by = (True, host, sock) if is_raw else (False, host, name[1])
        is_users = is_raw and file is None  # it stays theirs, in a forked process too
        if not is_users and type(sock).__module__ == "socket":  # a socket of gevent's belongs to the hub of the parent
            release_in_forks(sock)

    @property
    def raw_address(self) -> tuple[str, socket.socket]:
        """The ``(ip or path, socket)`` to pass to a backend that takes sockets."""
        return self.served_by[1], self.socket

    def close(self) -> None:
        """Stop listening, and remove the socket file."""
        if self._file is not None:
            self._file.remove()
        self.socket.close()


class SocketFile:
    """The file of a Unix socket that this server has bound."""

    def __init__(self, path: str) -> None:
        self._path = Path(path).absolute()
        self._own_identity = self._identity()

    def remove(self) -> None:
        """Remove the file, unless another program has replaced it."""
        try:
            if self._identity() == self._own_identity:
                self._path.unlink()
        except FileNotFoundError:
            return

    def _identity(self) -> tuple[int, int]:
        status = self._path.lstat()
        return status.st_dev, status.st_ino


def parse_addresses(bind_address: Any, *, multiple: bool) -> list[AnyAddress]:
    """Parse the option ``bindAdress``, which is a list of addresses with ``multipleAdress``.

    Raises:
        SettingsError: The option is no list, or one of its items is no address.
    """
    if not multiple:
        return [parse_address(bind_address)]
    if not isinstance(bind_address, Sequence) or isinstance(bind_address, str) or not bind_address:
        raise SettingsError(f"bindAdress={bind_address!r} is refused: with multipleAdress it takes a list of addresses")
    return [parse_address(item) for item in bind_address]


def parse_address(bind_address: Any) -> AnyAddress:
    """Parse one address.

    Raises:
        SettingsError: It is neither a pair of a host and a port, nor a path, nor a socket.
        UnsupportedError: It is a Unix socket, and the system does not support them.
    """
    match bind_address:
        case _ if is_socket(bind_address):
            return parse_socket(None, bind_address)
        case [str(path), sock] if is_socket(sock):
            return parse_socket(path, sock)
        case str(path) | [str(path), None] if "/" in path:
            if not hasattr(socket, "AF_UNIX"):
                raise UnsupportedError(f"bindAdress={bind_address!r} is refused: this system has no Unix sockets")
            return UnixAddress(path)
        case [str(host), port] if host and "/" not in host:
            return Address(host, parse_port(port))
    remedy = "; for several addresses give multipleAdress=True" if is_list_of_addresses(bind_address) else ""
    raise SettingsError(f"bindAdress={bind_address!r} is refused: {_ACCEPTED_FORMS}{remedy}")


def is_list_of_addresses(bind_address: Any) -> bool:
    return isinstance(bind_address, (list, tuple)) and any(isinstance(item, (list, tuple)) for item in bind_address)


def parse_socket(path: str | None, sock: socket.socket) -> UnixAddress | UserSocket:
    if sock.type != socket.SOCK_STREAM or sock.fileno() < 0:
        raise SettingsError(f"bindAdress={sock!r} is refused: the socket is closed, or is no stream socket")
    name = sock.getsockname()
    if name and (is_unix(sock) or name[1]):
        return UserSocket(sock)
    if path is None or not is_unix(sock):
        raise SettingsError(f"bindAdress={sock!r} is refused: the socket is not bound; bind() it first")
    return UnixAddress(path, sock)


def parse_port(port: Any) -> int:
    text = str(port)
    if isinstance(port, (int, str)) and text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise SettingsError(f"bindAdress: port {port!r} is refused: it takes a number from 0 to 65535")


def is_unix(sock: socket.socket) -> bool:
    """Return whether a socket is a Unix socket, which has no host and port."""
    return sock.family == getattr(socket, "AF_UNIX", None)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def open_listener(address: AnyAddress, backlog: int) -> Listener:
    """Listen on an address.

    Args:
        address: The address.
        backlog: How many connections may wait to be accepted. The system may lower it.

    Raises:
        BindError: The system refuses. The message names the address and the remedy.
    """
    match address:
        case UnixAddress():
            return open_unix(address, backlog)
        case UserSocket():
            return open_given(address, backlog)
    return open_tcp(address, backlog)


def open_tcp(address: Address, backlog: int) -> Listener:
    try:
        family, kind, protocol, _, resolved = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, ValueError) as exc:  # ValueError: no encoding of a host name, such as one with an empty label
        raise cannot_listen(address, exc) from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(resolved)
        listener.listen(backlog)
    except OSError as exc:
        listener.close()
        raise cannot_listen(address, exc) from exc
    return Listener(listener, None, is_raw=False)


def open_unix(address: UnixAddress, backlog: int) -> Listener:
    listener = address.socket or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        remove_stale(address)
        listener.bind(address.path)
        file = SocketFile(address.path)
    except (OSError, ValueError) as exc:  # ValueError: a zero byte, or half of a surrogate pair
        listener.close()
        raise cannot_listen(address, exc) from exc
    try:
        # Nobody can connect before listen(), so other users never can.
        Path(address.path).chmod(0o600)
        listener.listen(backlog)
    except OSError as exc:
        file.remove()
        listener.close()
        raise cannot_listen(address, exc) from exc
    return Listener(listener, file, is_raw=True)


def open_given(address: UserSocket, backlog: int) -> Listener:
    try:
        # A duplicate, since the user keeps the socket, open, after the stop.
        listener = address.socket.dup()
        listener.listen(backlog)
    except OSError as exc:
        raise cannot_listen(address, exc) from exc
    return Listener(listener, None, is_raw=True)


def remove_stale(address: UnixAddress) -> None:
    """Remove a socket file that no program listens on any more.

    Raises:
        BindError: A program listens on it, or it is no socket.
    """
    path = Path(address.path)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(errno.EEXIST, f"cannot listen on {address}: there is a file that is no socket; choose another")
    if is_listened_on(address.path):
        raise BindError(
            errno.EADDRINUSE, f"cannot listen on {address}: another program listens there; stop it, or choose another"
        )
    path.unlink(missing_ok=True)


def is_listened_on(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # connecting to a socket with a full queue would block
        return probe.connect_ex(path) not in (errno.ECONNREFUSED, errno.ENOENT)


def cannot_listen(address: AnyAddress, exc: OSError | ValueError) -> BindError:
    if isinstance(exc, BindError):
        return exc
    # Python itself raises an OSError without a number for a path that is too long.
    code, reason = (exc.errno or errno.EINVAL, exc.strerror or exc) if isinstance(exc, OSError) else (errno.EINVAL, exc)
    remedy = _REMEDIES.get(code, "give an address of this machine")
    if isinstance(address, UnixAddress):
        remedy = "give a path in a folder that this process may write to, of no more than 100 bytes"
    shown = str(address) if str(address).isprintable() else repr(str(address))
    return BindError(code, f"cannot listen on {shown}: {reason}; {remedy}")
