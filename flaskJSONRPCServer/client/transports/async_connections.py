"""Open connections for asyncio: as `.connections` does for threads."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from ..deadlines import Deadline
from ..errors import ConnectError, ProtocolError
from .async_stream import AsyncStream, CountingReader
from .connections import Connector
from .http_head import MAX_HEAD_BYTES, parse_head
from .time_limits import TimeLimit

__all__ = ["open_stream"]


async def open_stream(connector: Connector, deadline: Deadline) -> AsyncStream:
    """Open a connection.

    Raises:
        ConnectError: There is none.
        ConnectTimeoutError: The time to connect ran out.
    """
    limit = Deadline(deadline.wait_s(connector.connect_timeout_s))
    try:
        with TimeLimit(limit):
            return await open_without_limit(connector)
    except connector.FAILURES as exc:
        raise connector.failure(exc) from exc


async def open_without_limit(connector: Connector) -> AsyncStream:
    raw = await open_socket(connector)
    try:
        if connector.proxy is not None and connector.tls is not None:
            await tunnel(raw, connector)
        return await wrapped(raw, connector)
    except BaseException:
        raw.close()
        raise


async def open_socket(connector: Connector) -> socket.socket:
    target = connector.target
    if target.unix_path is not None:
        return await connected(socket.AF_UNIX, socket.SOCK_STREAM, 0, target.unix_path)
    host, port = (target.host, target.port) if connector.proxy is None else connector.proxy.address
    failure: OSError | None = None
    addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in addresses:
        try:
            return await connected(family, kind, protocol, address)
        except OSError as exc:  # noqa: PERF203  the next address may be open
            failure = exc
    raise failure or OSError("the name has no address")


async def connected(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    raw = socket.socket(family, kind, protocol)
    try:
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, address)
    except BaseException:
        raw.close()
        raise
    return raw


async def tunnel(raw: socket.socket, connector: Connector) -> None:
    """Ask the proxy for a tunnel (RFC 9110, section 9.3.6)."""
    loop = asyncio.get_running_loop()
    assert connector.proxy is not None  # noqa: S101  for type checkers
    await loop.sock_sendall(raw, connector.proxy.connect_request(connector.target.tunnel_address))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = await loop.sock_recv(raw, 1)  # not a byte more: the next ones belong to the TLS handshake
        head += data
        if not data or len(head) > MAX_HEAD_BYTES:
            raise ProtocolError("the proxy sent no answer to CONNECT")
    status = parse_head(head).status
    if not 200 <= status < 300:
        raise ConnectError(f"the proxy {connector.proxy.name} refused a tunnel: HTTP status {status}")


async def wrapped(raw: socket.socket, connector: Connector) -> AsyncStream:
    """Return the stream on a connected socket, with TLS if it is used."""
    loop = asyncio.get_running_loop()
    reader = CountingReader(limit=MAX_HEAD_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    host = connector.target.server_name if connector.tls is not None else None
    transport, _ = await loop.create_connection(lambda: protocol, sock=raw, ssl=connector.tls, server_hostname=host)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    return AsyncStream(reader, writer, connector.read_timeout_s, connector.limit_bytes)
