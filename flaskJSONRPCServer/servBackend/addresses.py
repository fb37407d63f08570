"""The addresses in the settings of a server: their hosts, and who can reach them."""

from __future__ import annotations

from collections.abc import Collection

from ..http.guard import LOOPBACK_NAMES
from ..settings import Settings
from .sockets import Address, AnyAddress, UserSocket, is_loopback, parse_addresses

__all__ = ["addresses_of", "allowed_hosts", "is_behind_loopback", "is_local_only"]


def addresses_of(settings: Settings) -> list[AnyAddress]:
    """Return the addresses in ``bindAdress``; an empty list for a server that is only mounted.

    Raises:
        SettingsError: One of them is not an address.
    """
    if settings.bindAdress is None:
        return []
    return parse_addresses(settings.bindAdress, multiple=bool(settings.multipleAdress))


def allowed_hosts(settings: Settings) -> Collection[str] | None:
    """Return the host names that requests may carry; None for any.

    A server that only this machine can reach accepts only the names of this machine. That prevents DNS rebinding, by
    which a page of another site reaches it through the user's browser.
    """
    if settings.allowed_hosts is not None or not is_local_only(settings):
        return settings.allowed_hosts
    return [*hosts_of(settings), *LOOPBACK_NAMES]


def is_local_only(settings: Settings) -> bool:
    """Return whether only this machine can reach the server: its addresses are loopback or Unix sockets."""
    return settings.bindAdress is not None and all(map(is_loopback, hosts_of(settings)))


def is_behind_loopback(settings: Settings) -> bool:
    """Return whether only browsers of this machine reach the server: no other address, no Unix socket, no proxy."""
    if settings.trusted_proxies:
        return False
    hosts = list(map(host_of, addresses_of(settings)))
    return bool(hosts) and all(host is not None and is_loopback(host) for host in hosts)


def hosts_of(settings: Settings) -> list[str]:
    """Return the hosts of the addresses that have one."""
    return [host for address in addresses_of(settings) if (host := host_of(address)) is not None]


def host_of(address: AnyAddress) -> str | None:
    """Return the host that an address is on; None for a Unix socket, which only this machine can reach."""
    bound_to = address.bound_to if isinstance(address, UserSocket) else address
    return bound_to.host if isinstance(bound_to, Address) else None
