"""The URLs of the addresses that a server listens on."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from .sockets import Address

__all__ = ["client_url_of", "url_of"]

# The address that a client on this machine connects to, by the address for "all interfaces".
_LOOPBACK_OF_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  nothing is bound here  # nosec


def url_of(address: Any, scheme: str) -> str:
    """Return the URL of an address, if it is a host and a port; ``unix:`` and the path for a Unix socket."""
    match address:
        case [str(host), int(port)]:
            return f"{scheme}://{Address(_LOOPBACK_OF_ANY.get(host, host), port)}/"
    return f"unix:{address}" if isinstance(address, str) else str(address)


def client_url_of(address: Any, scheme: str) -> str:
    """Return the URL of an address for a client; the host of that of a Unix socket is its path, percent-encoded."""
    if isinstance(address, str):
        return f"{scheme}+unix://{quote(address, safe='')}/"
    return url_of(address, scheme)
