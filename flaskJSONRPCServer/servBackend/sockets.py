"""Listening sockets, opened by the server itself, so that every serving backend reports the same errors."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BindError, SettingsError

__all__ = ["Address", "open_listener", "parse_address"]

_REMEDIES = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another port (0 lets the system choose)",
    errno.EACCES: "this needs a privilege; choose a port above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address; use 127.0.0.1, or 0.0.0.0 for all",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens.

    Attributes:
        host: An IP address or a host name.
        port: 0 to 65535; 0 lets the system choose.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(bind_address: Any) -> Address:
    """Read the ``bindAdress`` option, ``[ip, port]``.

    Raises:
        SettingsError: It is not a pair of a host and a port.
    """
    is_pair = isinstance(bind_address, Sequence) and not isinstance(bind_address, str) and len(bind_address) == 2
    if not is_pair or not isinstance(bind_address[0], str) or not bind_address[0]:
        raise SettingsError(f"bindAdress={bind_address!r} is refused: it takes [ip, port], such as ['127.0.0.1', 8080]")
    return Address(bind_address[0], parse_port(bind_address[1]))


def parse_port(port: Any) -> int:
    text = str(port)
    if isinstance(port, (int, str)) and text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise SettingsError(f"bindAdress: port {port!r} is refused: it takes a number from 0 to 65535")


def open_listener(address: Address, backlog: int) -> socket.socket:
    """Listen on an address.

    Args:
        address: The address.
        backlog: How many connections may wait to be accepted; the system may cap it.

    Raises:
        BindError: The system refuses; the message names the address and the remedy.
    """
    try:
        family, kind, protocol, _, resolved = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise cannot_listen(address, exc) from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(resolved)
        listener.listen(backlog)
    except OSError as exc:
        listener.close()
        raise cannot_listen(address, exc) from exc
    return listener


def cannot_listen(address: Address, exc: OSError) -> BindError:
    remedy = _REMEDIES.get(exc.errno or 0, "give an address of this machine")
    return BindError(exc.errno, f"cannot listen on {address}: {exc.strerror}; {remedy}")
