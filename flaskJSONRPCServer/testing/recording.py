"""A server whose calls are recorded in a cassette, or replayed from it."""

from __future__ import annotations

from typing import Any

from ..client import Client, ClientRequest, ClientResponse, Deadline
from .cassette import Cassette, CassetteTransport
from .live import LiveServer

__all__ = ["RecordedServer"]


class RecordedServer:
    """Replays the calls of a cassette, and sends those that it records to a server.

    Args:
        url: The URL of the server.
        cassette: The cassette.
        client_options: Options of the client that calls the server, such as `auth`.

    Attributes:
        cassette: The cassette.
        client: A client whose calls are replayed or recorded.
    """

    def __init__(self, url: str, cassette: Cassette, **client_options: Any) -> None:
        self.cassette = cassette
        self._inner = HttpSender(url, client_options)
        self._transport = CassetteTransport(cassette, self._inner)
        self.client = Client(url, **{**client_options, "transport": self._transport})
        self._live: LiveServer | None = None
        self._problems: list[str] = []

    @property
    def url(self) -> str:
        """A URL for clients of any kind. The first use starts an HTTP server on a free port of 127.0.0.1."""
        if self._live is None:
            self._live = LiveServer(self._transport, self._problems.append)
        return self._live.url

    def problems(self) -> list[str]:
        """Return why calls at `url` could not be answered."""
        return [*self._problems]

    def passed(self) -> None:
        """Write the cassette, if there are new records."""
        self.cassette.save()

    def close(self) -> None:
        """Close the client, and stop the HTTP server if there is one."""
        if self._live is not None:
            self._live.close()
        self._transport.close()


class HttpSender:
    """Sends requests to a URL: a `Transport` that makes no connection, and reads no certificates, before it has to.

    Args:
        url: The URL. It takes the place of that of the requests.
        client_options: Options of a client.
    """

    def __init__(self, url: str, client_options: dict[str, Any]) -> None:
        self._url = url
        self._client_options = client_options
        self._client: Client | None = None

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once."""
        if self._client is None:
            self._client = Client(self._url, **self._client_options)
        return self._client._transport.send(request._replace(url=self._url), deadline)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
