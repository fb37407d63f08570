"""The part of a client's address that the client cannot choose."""

from __future__ import annotations

import ipaddress

from .guard import host_name

__all__ = ["network_of"]


def network_of(address: str) -> str:
    """Return the /64 network of an IPv6 address, or its mapped IPv4 address; for other hosts, the host without a port.

    A client with one IPv6 address has all 2**64 addresses of its network.

    >>> network_of("2001:db8::1"), network_of("::ffff:192.0.2.1"), network_of("192.0.2.1:4711")
    ('2001:db8::/64', '192.0.2.1', '192.0.2.1')
    """
    if ":" not in address:
        return address
    host = host_name(address) if address.startswith("[") or address.count(":") == 1 else address
    try:
        parsed = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
