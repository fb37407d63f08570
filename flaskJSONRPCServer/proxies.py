"""The proxies whose word about their clients is trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

__all__ = ["NO_PROXIES", "TrustedProxies", "client_address", "is_proxy"]

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# How many addresses are remembered; guessed. Beyond them, a peer costs one look through the networks again.
_MOST_KNOWN = 1024

# An IPv4 address in IPv6, such as ::ffff:192.0.2.1, has so many bits before it (RFC 4291, section 2.5.5.2).
_MAPPED_BITS = 96


class TrustedProxies:
    """The addresses of ``trusted_proxies``, which a peer may be compared to in any spelling.

    Args:
        entries: Addresses and networks that :func:`is_proxy` has accepted.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._networks = [network_of_proxy(entry) for entry in entries]
        self._known: dict[str, bool] = {}  # by the text of the address; each write is complete in itself

    def __contains__(self, peer: object) -> bool:
        """Return whether an address is that of a trusted proxy."""
        if not self._networks or not isinstance(peer, str):
            return False
        known = self._known.get(peer)
        if known is None:
            known = self._covers(peer)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[peer] = known
        return known

    def client_of(self, header: str, peer: str) -> str:
        """Return the address of the client of a trusted proxy.

        Args:
            header: X-Forwarded-For, to which each proxy has added its own client at the end.
            peer: The proxy that has sent the request.

        Returns:
            The last address that is not a trusted proxy. The peer, if all are, or if something else than an address
            comes first: what is before that has been written by nobody who is trusted.
        """
        for hop in reversed(header.split(",")):
            if not (text := hop.strip()):
                continue
            address = client_address(text)
            if address is None:
                return peer
            if address not in self:
                return address
        return peer

    def _covers(self, peer: str) -> bool:
        try:
            address = plain(ipaddress.ip_address(peer))
        except ValueError:
            return False
        return any(address in network for network in self._networks)


NO_PROXIES = TrustedProxies()


def is_proxy(entry: str) -> bool:
    """Return whether a text is an IP address or a network, such as ``10.0.0.0/8``."""
    try:
        network_of_proxy(entry)
    except ValueError:
        return False
    return True


def client_address(hop: str) -> str | None:
    """Return the IP address in an item of X-Forwarded-For, in its shortest form; None if there is none.

    >>> client_address("[2001:DB8:0::1]:443"), client_address("192.0.2.1:4711"), client_address("::ffff:192.0.2.1")
    ('2001:db8::1', '192.0.2.1', '192.0.2.1')
    """
    host, rest = hop, ""
    if hop.startswith("[") and "]" in hop:
        host, _, rest = hop[1:].partition("]")
    elif hop.count(":") == 1:
        host, _, port = hop.partition(":")
        rest = f":{port}"
    if rest and not (rest.startswith(":") and rest[1:].isdecimal()):
        return None
    try:
        return str(plain(ipaddress.ip_address(host)))
    except ValueError:
        return None


def plain(address: Ip) -> Ip:
    """Return an address without the interface of a link-local one, and an IPv4 address in IPv6 as what it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    return address.ipv4_mapped or ipaddress.IPv6Address(int(address))


def network_of_proxy(entry: str) -> Network:
    """Return the network of an address or a network.

    Raises:
        ValueError: It is neither, or a network with bits of a host, such as ``10.0.0.1/8``.
    """
    if "/" not in entry:
        return ipaddress.ip_network(plain(ipaddress.ip_address(entry)))
    network = ipaddress.ip_network(entry)
    if network.version == 6 and network.prefixlen >= _MAPPED_BITS:
        mapped = plain(network.network_address)
        if isinstance(mapped, ipaddress.IPv4Address):
            return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network
