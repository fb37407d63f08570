"""The proxy on the way to a server."""

from __future__ import annotations

import base64
import urllib.request
from dataclasses import dataclass
from typing import Literal

from .urls import Target, parse_url

__all__ = ["Proxy", "find_proxy"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is reached by plain HTTP.

    Attributes:
        address: Its host and port.
        authorization: The value of the field Proxy-Authorization; None for none.
    """

    address: tuple[str, int]
    authorization: str | None

    @property
    def name(self) -> str:
        """The host and the port, for messages: without the password."""
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def fields(self) -> dict[str, str]:
        """The header fields for the proxy."""
        return {} if self.authorization is None else {"Proxy-Authorization": self.authorization}

    def connect_request(self, address: str) -> bytes:
        """Return the request for a tunnel to a host and port."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.fields.items())
        return f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n".encode("latin-1")


def find_proxy(proxy: str | Literal[False] | None, target: Target) -> Proxy | None:
    """Return the proxy on the way to a server.

    Args:
        proxy: Its URL; False for none; None for the one that the environment names, such as HTTPS_PROXY and NO_PROXY.
        target: The server.

    Raises:
        ValueError: The URL is not one of a proxy that is reached by http.
        TypeError: It is neither a URL nor False nor None.
    """
    if proxy is not None and proxy is not False and not isinstance(proxy, str):
        takes = "the URL of a proxy, None for the one that the environment names, or False for none"
        raise TypeError(f"proxy={proxy!r}; it takes {takes}")
    if proxy is False or target.unix_path is not None:
        return None
    url = environment_proxy(target) if proxy is None else proxy
    if url is None:
        return None
    parsed = parse_url(url if "://" in url else f"http://{url}")
    if parsed.is_tls or parsed.unix_path is not None:
        raise ValueError(f"the proxy {parsed.address} is not reached by http://, which is the only supported way")
    return Proxy((parsed.host, parsed.port), None if parsed.user is None else basic(*parsed.user))


def environment_proxy(target: Target) -> str | None:
    # The environment has IPv6 addresses with brackets or without.
    if urllib.request.proxy_bypass(target.address) or urllib.request.proxy_bypass(target.host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get("https" if target.is_tls else "http") or proxies.get("all")


def basic(user: str, password: str) -> str:
    """Return the value of an Authorization field (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
