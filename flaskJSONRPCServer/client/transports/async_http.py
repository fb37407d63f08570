"""HTTP/1.1 over pooled connections, for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

from ..deadlines import Deadline
from ..errors import ClientError, ConnectionLostError, TransportError
from .async_connections import open_stream
from .async_stream import AsyncStream
from .base import ClientRequest, ClientResponse
from .connections import Connector
from .pool import ConnectionPool
from .processes import current_process
from .request_writer import RequestWriter
from .time_limits import TimeLimit

__all__ = ["AsyncHttpTransport"]


class AsyncHttpTransport:
    """Sends requests to one server from the coroutines of an event loop.

    Args:
        connector: Describes the connections.
        max_idle: The most idle connections to keep.
        max_idle_s: The seconds after which an idle connection is not used any more.
        compress_min_bytes: The shortest body that is sent compressed; None for none.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        max_idle: int = 100,
        max_idle_s: float = 30.0,
        compress_min_bytes: int | None = None,
    ) -> None:
        self._connector = connector
        self._writer = RequestWriter(connector.request_head(), compress_min_bytes)
        self._pool: ConnectionPool[AsyncStream] = ConnectionPool(max_idle, max_idle_s, owner)

    async def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`."""
        if self._pool.is_closed:
            raise ClientError("the client is closed")
        data = self._writer.write(request)
        stream = await self._idle_stream()
        is_reused = stream is not None
        if stream is None:
            stream = await open_stream(self._connector, deadline)
        try:
            stream.begin()
            with TimeLimit(deadline):
                await stream.write(data)
                response, stays_open = await stream.read_response()
        except BaseException as exc:  # a cancelled call too: its answer would be taken for the next one
            stream.close()
            if isinstance(exc, TransportError):
                exc.is_stale = is_reused and isinstance(exc, ConnectionLostError) and not stream.received_bytes
            raise
        if stays_open:
            self._pool.give_back(stream)
        else:
            stream.close()
        return response

    async def close(self) -> None:
        """Close the idle connections, and those in use when their answers have come."""
        self._pool.close()
        await asyncio.sleep(0)  # the event loop closes them now

    async def _idle_stream(self) -> AsyncStream | None:
        while True:
            stream = self._pool.take()
            if stream is None:
                return None
            if stream.may_have_input():
                try:
                    # The event loop reads it after this step of the coroutine, and after the next one at the latest.
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                except BaseException:
                    stream.close()
                    raise
            if stream.is_idle():
                return stream
            stream.close()


def owner() -> Hashable:
    """Return whose the connections are. Another event loop cannot use them, even if the first one has ended."""
    return current_process(), asyncio.get_running_loop()
