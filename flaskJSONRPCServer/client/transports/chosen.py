"""The transport for a server: chosen by its URL, or by its class."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, Literal

from ...sansio_jsonrpc import NewlineFraming
from ..callers import checked_timeout
from .base import Transport
from .connections import Connector
from .http import HttpTransport
from .proxies import find_proxy
from .stream import TcpTransport
from .urls import is_stream_url, parse_stream_url, parse_url, shown
from .wsgi import WsgiTransport

__all__ = ["TransportOptions", "make_transport"]


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """The arguments of a client that concern its transport. `Client` documents them."""

    connect_timeout: float | None
    read_timeout: float | None
    tls: ssl.SSLContext | None
    proxy: str | Literal[False] | None
    path: str | None
    max_answer_bytes: int
    compress_min_bytes: int | None
    max_idle_connections: int

    def connector(self, url: str) -> Connector:
        """Return what opens the connections to the server of a URL.

        Raises:
            ValueError: The URL, the proxy or a time is not allowed.
        """
        target = parse_url(url)
        if self.tls is not None and not target.is_tls:
            raise ValueError(f"tls= beside {shown(url)!r}, which is not https")
        if self.path is not None:
            raise ValueError(f"path= beside {shown(url)!r}; write the path into the URL")
        return Connector(
            target,
            find_proxy(self.proxy, target),
            (self.tls or ssl.create_default_context()) if target.is_tls else None,
            checked_timeout("connect_timeout", self.connect_timeout),
            checked_timeout("read_timeout", self.read_timeout),
            self.max_answer_bytes,
        )

    def stream(self, url: str) -> TcpTransport:
        """Return the transport for a stream of messages, one a line.

        Raises:
            ValueError: The URL, a time or an option is not allowed.
        """
        target = parse_stream_url(url)
        for name in ("read_timeout", "proxy", "path", "compress_min_bytes"):
            if getattr(self, name) not in (None, False):
                raise ValueError(f"{name}= beside {url!r}, which is no HTTP")
        if self.tls is not None and not target.is_tls:
            raise ValueError(f"tls= beside {url!r}; begin it with tls://")
        return TcpTransport(
            target.host,
            target.port,
            framing=NewlineFraming(self.max_answer_bytes),
            connect_timeout=checked_timeout("connect_timeout", self.connect_timeout),
            tls=(self.tls or ssl.create_default_context()) if target.is_tls else None,
        )


def make_transport(server: Any, options: TransportOptions) -> Transport:
    """Return the transport to a server: a URL, a server object or a WSGI application.

    Raises:
        ValueError: The URL or an option is not allowed.
        TypeError: The server is none of these.
    """
    if not isinstance(server, str):
        return WsgiTransport(server, options.path, options.max_answer_bytes)
    if is_stream_url(server):
        return options.stream(server)
    return HttpTransport(
        options.connector(server),
        max_idle=options.max_idle_connections,
        compress_min_bytes=options.compress_min_bytes,
    )
