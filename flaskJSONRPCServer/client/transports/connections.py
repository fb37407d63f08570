"""Open connections: TCP and Unix sockets, through proxies, with TLS, by the time limit of the attempt."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ..deadlines import Deadline
from ..errors import ClientError, ConnectError, ConnectTimeoutError, RequestTimeoutError
from .answer_reader import read_head
from .proxies import Proxy
from .timed_socket import TimedSocket
from .urls import Target

__all__ = ["Connector"]

_TUNNEL_LIMIT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections to one server.

    Attributes:
        target: The server.
        proxy: The proxy on the way; None for none.
        tls: The TLS context; None for plain HTTP.
        connect_timeout_s: The longest time to connect, with the handshake, in seconds; None for no limit.
        read_timeout_s: The longest silence of the server, in seconds; None for no limit.
        limit_bytes: The largest body of an answer.
    """

    # The exceptions of an attempt to connect. A name that no DNS can have is a UnicodeError.
    FAILURES: ClassVar[tuple[type[Exception], ...]] = (OSError, UnicodeError, ClientError)

    target: Target
    proxy: Proxy | None
    tls: ssl.SSLContext | None
    connect_timeout_s: float | None
    read_timeout_s: float | None
    limit_bytes: int

    def request_head(self) -> bytes:
        """Return the request line and the fields that are the same for all requests.

        Through a proxy without a tunnel, the request line has the whole URL (RFC 9112, section 3.2.2).
        """
        target, fields = self.target.path, {"Host": self.target.authority}
        if self.proxy is not None and self.tls is None:
            target = f"http://{self.target.authority}{target}"
            fields |= self.proxy.fields
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {target} HTTP/1.1\r\n{lines}".encode("latin-1")

    def open(self, deadline: Deadline) -> TimedSocket:
        """Open a connection.

        Raises:
            ConnectError: There is none: it was refused, its name is unknown, its certificate is not trusted ...
            ConnectTimeoutError: The time to connect ran out.
        """
        limit = Deadline(deadline.wait_s(self.connect_timeout_s))
        raw: socket.socket | None = None
        try:
            raw = self._open_socket(limit)
            if self.proxy is not None and self.tls is not None:
                self._tunnel(raw, self.proxy, limit)
            if self.tls is not None:
                raw.settimeout(limit.wait_s())
                raw = self.tls.wrap_socket(raw, server_hostname=self.target.server_name)
            return TimedSocket(raw, self.read_timeout_s, self.limit_bytes)
        except BaseException as exc:
            if raw is not None:
                raw.close()
            if isinstance(exc, self.FAILURES):
                raise self.failure(exc) from exc
            raise

    def _open_socket(self, limit: Deadline) -> socket.socket:
        if self.target.unix_path is not None:
            return connected(socket.AF_UNIX, socket.SOCK_STREAM, 0, self.target.unix_path, limit)
        host, port = (self.target.host, self.target.port) if self.proxy is None else self.proxy.address
        failure: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                raw = connected(family, kind, protocol, address, limit)
            except OSError as exc:  # noqa: PERF203  the next address may be open
                failure = exc
            else:
                # A request is sent at once, and its answer is waited for.
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return raw
        raise failure or OSError("the name has no address")

    def _tunnel(self, raw: socket.socket, proxy: Proxy, limit: Deadline) -> None:
        """Ask the proxy for a tunnel (RFC 9110, section 9.3.6)."""
        tunnel = TimedSocket(raw, None, _TUNNEL_LIMIT_BYTES)
        tunnel.begin(limit)
        tunnel.sendall(proxy.connect_request(self.target.tunnel_address))
        status = read_head(tunnel).status
        if not 200 <= status < 300:
            raise ConnectError(f"the proxy {proxy.name} refused a tunnel: HTTP status {status}")

    def failure(self, exc: BaseException) -> ConnectError:
        """Return the exception for a connection that failed because of another one."""
        if isinstance(exc, ConnectError):
            return exc
        place = self.target.address if self.proxy is None else f"{self.target.address} through {self.proxy.name}"
        if isinstance(exc, (TimeoutError, RequestTimeoutError)):
            return ConnectTimeoutError(f"no connection to {place} in time")
        return ConnectError(f"no connection to {place}: {exc}")


def connected(family: int, kind: int, protocol: int, address: Any, limit: Deadline) -> socket.socket:
    raw = socket.socket(family, kind, protocol)
    try:
        raw.settimeout(limit.wait_s())
        raw.connect(address)
    except BaseException:
        raw.close()
        raise
    return raw
