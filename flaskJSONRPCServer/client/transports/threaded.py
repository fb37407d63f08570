"""Synchronous transports in asyncio."""

from __future__ import annotations

import asyncio

from ..deadlines import Deadline
from .base import ClientRequest, ClientResponse, Transport

__all__ = ["ThreadedTransport"]


class ThreadedTransport:
    """Makes an asynchronous transport of a synchronous one, which sends each request in a thread.

    A cancelled call goes on in its thread until its deadline, and its answer is dropped.

    Args:
        transport: The synchronous transport.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`."""
        return await asyncio.to_thread(self._send, request, deadline)

    def _send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        try:
            return self._transport.send(request, deadline)
        except StopIteration as exc:  # asyncio cannot pass it on, and the call would wait for ever
            raise RuntimeError("the transport raised StopIteration") from exc

    async def close(self) -> None:
        """Close the synchronous transport."""
        await asyncio.to_thread(self._transport.close)
