"""The interface of transports, and the requests and responses that pass it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from ...sansio_jsonrpc import RequestId
from ..deadlines import Deadline

__all__ = ["AsyncTransport", "ClientRequest", "ClientResponse", "Transport"]


# Named tuples, since the constructor of a frozen dataclass takes four times as long, and each call makes both.
class ClientRequest(NamedTuple):
    """One HTTP request, or one message on a stream.

    Attributes:
        url: The URL of the client.
        headers: The header fields. A transport that has none ignores them.
        body: The JSON text.
        ids: The ids of the calls in it; none for notifications, to which a stream has no answer.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    ids: tuple[RequestId, ...] = ()


class ClientResponse(NamedTuple):
    """The answer to a request.

    Attributes:
        status: The HTTP status; 200 on streams.
        headers: The header fields, with names in lower case.
        body: The body, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@runtime_checkable
class Transport(Protocol):
    """Sends requests. Threads share a transport."""

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once, and return its answer.

        Raises:
            TransportError: There is no answer. `is_sent` says whether the server may have received the request.
            ProtocolError: The answer is not HTTP.
        """

    def close(self) -> None:
        """Close all connections. Later requests fail."""


@runtime_checkable
class AsyncTransport(Protocol):
    """Sends requests from coroutines of one event loop at a time."""

    async def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once, and return its answer: see `Transport.send`."""

    async def close(self) -> None:
        """Close all connections. Later requests fail."""
