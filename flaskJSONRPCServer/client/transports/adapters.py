"""Transports over the HTTP client that a program has already: httpx, httpx2, requests or niquests.

None of them is imported here. An adapter takes the user's object, and finds its library by its class. The settings of
that object for TLS, proxies, redirects and pools apply, and the user closes it.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Collection, Iterable
from contextlib import aclosing
from types import ModuleType
from typing import Any, ClassVar, Final

from ..deadlines import Deadline
from ..errors import (
    AnswerTooLargeError,
    ClientError,
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    ProtocolError,
    RequestTimeoutError,
)
from .answer_fields import joined_fields
from .base import ClientRequest, ClientResponse
from .time_limits import TimeLimit

__all__ = ["AsyncHttpxTransport", "AsyncNiquestsTransport", "HttpxTransport", "RequestsTransport"]

_LIMIT_BYTES: Final = 64 * 1024 * 1024
_BLOCK_BYTES: Final = 64 * 1024
# Of urllib3 and of its fork: there was no connection, so nothing was sent.
_NOT_CONNECTED: Final = {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}
_NO_TUNNEL: Final = "Tunnel connection failed"


class Adapter:
    """A client of another library, as a transport.

    Args:
        client: The client.
        max_answer_bytes: The largest answer after decompression.

    Raises:
        TypeError: It is a client of a library that is not in `_LIBRARIES`.
    """

    _LIBRARIES: ClassVar[Collection[str]] = ()

    def __init__(self, client: Any, *, max_answer_bytes: int = _LIMIT_BYTES) -> None:
        self._client = client
        self._library = library_of(client, self._LIBRARIES)
        self._limit_bytes = max_answer_bytes


class HttpxTransport(Adapter):
    """Sends requests by an `httpx.Client`, or by one of httpx2.

    Each wait of it has the remaining time of the call as its limit.

    Args:
        client: The client.
        max_answer_bytes: The largest answer after decompression.

    Raises:
        TypeError: It is a client of another library.
    """

    _LIBRARIES = ("httpx", "httpx2")

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`."""
        options = httpx_options(request, deadline)
        try:
            with self._client.stream("POST", request.url, **options) as answer:
                body = collected(answer.iter_bytes(), deadline, self._limit_bytes)
        except self._library.HTTPError as exc:
            raise httpx_failure(self._library, exc) from exc
        return ClientResponse(answer.status_code, joined_fields(answer.headers.multi_items()), body)

    def close(self) -> None:
        """Do nothing: the user closes the client."""


class AsyncHttpxTransport(Adapter):
    """Sends requests by an `httpx.AsyncClient`, or by one of httpx2.

    Args:
        client: The client.
        max_answer_bytes: The largest answer after decompression.

    Raises:
        TypeError: It is a client of another library.
    """

    _LIBRARIES = ("httpx", "httpx2")

    async def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`."""
        options = httpx_options(request, deadline)
        body = bytearray()
        try:
            with TimeLimit(deadline):
                async with (
                    self._client.stream("POST", request.url, **options) as answer,
                    aclosing(answer.aiter_bytes()) as chunks,
                ):
                    async for chunk in chunks:
                        body += chunk
                        check_size(len(body), self._limit_bytes)
        except self._library.HTTPError as exc:
            raise httpx_failure(self._library, exc) from exc
        return ClientResponse(answer.status_code, joined_fields(answer.headers.multi_items()), bytes(body))

    async def close(self) -> None:
        """Do nothing: the user closes the client."""


class RequestsTransport(Adapter):
    """Sends requests by a `requests.Session`, or by a `niquests.Session`.

    Each wait of it has the remaining time of the call as its limit.

    Args:
        session: The session.
        max_answer_bytes: The largest answer after decompression.

    Raises:
        TypeError: It is a session of another library.
    """

    _LIBRARIES = ("requests", "niquests")

    def __init__(self, session: Any, *, max_answer_bytes: int = _LIMIT_BYTES) -> None:
        super().__init__(session, max_answer_bytes=max_answer_bytes)

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`."""
        options = requests_options(request, deadline)
        try:
            with self._client.post(request.url, **options) as answer:
                body = collected(answer.iter_content(_BLOCK_BYTES), deadline, self._limit_bytes)
        except self._library.exceptions.RequestException as exc:
            raise requests_failure(self._library.exceptions, exc) from exc
        return ClientResponse(answer.status_code, joined_fields(answer.headers.items()), body)

    def close(self) -> None:
        """Do nothing: the user closes the session."""


class AsyncNiquestsTransport(Adapter):
    """Sends requests by a `niquests.AsyncSession`.

    Args:
        session: The session.
        max_answer_bytes: The largest answer after decompression.

    Raises:
        TypeError: It is a session of another library.
    """

    _LIBRARIES = ("niquests",)

    def __init__(self, session: Any, *, max_answer_bytes: int = _LIMIT_BYTES) -> None:
        super().__init__(session, max_answer_bytes=max_answer_bytes)

    async def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`."""
        options = requests_options(request, deadline)
        body = bytearray()
        try:
            with TimeLimit(deadline):
                answer = await self._client.post(request.url, **options)
                async for chunk in await answer.iter_content(_BLOCK_BYTES):
                    body += chunk
                    check_size(len(body), self._limit_bytes)
        except self._library.exceptions.RequestException as exc:
            raise requests_failure(self._library.exceptions, exc) from exc
        return ClientResponse(answer.status_code, joined_fields(answer.headers.items()), bytes(body))

    async def close(self) -> None:
        """Do nothing: the user closes the session."""


def library_of(client: Any, names: Collection[str]) -> ModuleType:
    """Return the library of a client, which is loaded: the class of the client, or a base of it, comes from there.

    Raises:
        TypeError: It is none of these libraries.
    """
    for cls in type(client).__mro__:
        name = cls.__module__.partition(".")[0]
        if name in names:
            return sys.modules[name]
    raise TypeError(f"{client!r} is no client of {' or '.join(names)}")


def httpx_options(request: ClientRequest, deadline: Deadline) -> dict[str, Any]:
    return {
        "content": request.body,
        "headers": dict(request.headers),
        "timeout": deadline.wait_s(),
        "follow_redirects": False,
    }


def requests_options(request: ClientRequest, deadline: Deadline) -> dict[str, Any]:
    return {
        "data": request.body,
        "headers": dict(request.headers),
        "timeout": deadline.wait_s(),
        "allow_redirects": False,
        "stream": True,
    }


def collected(chunks: Iterable[bytes], deadline: Deadline, limit_bytes: int) -> bytes:
    """Return a body.

    Raises:
        AnswerTooLargeError: It has more bytes than the limit.
        RequestTimeoutError: The deadline has passed.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        check_size(len(body), limit_bytes)
        deadline.wait_s()
    return bytes(body)


def check_size(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise AnswerTooLargeError(f"an answer of more than {limit_bytes} bytes")


def httpx_failure(library: Any, exc: Exception) -> ClientError:
    """Return the exception for one of httpx. Those that are not of the transport concern the answer."""
    if isinstance(exc, (library.ConnectTimeout, library.PoolTimeout)):
        return ConnectTimeoutError(f"no connection in time: {exc!r}")
    if isinstance(exc, (library.ConnectError, library.ProxyError, library.UnsupportedProtocol)):
        return ConnectError(f"no connection: {exc!r}")
    if isinstance(exc, library.TimeoutException):
        return RequestTimeoutError(f"no answer in time: {exc!r}")
    if isinstance(exc, library.TransportError):
        return ConnectionLostError(f"the connection ended before the answer did: {exc!r}")
    return ProtocolError(f"the answer is not HTTP: {exc!r}")


def requests_failure(exceptions: Any, exc: Exception) -> ClientError:
    """Return the exception for one of requests or niquests."""
    if isinstance(exc, exceptions.ConnectTimeout):
        return ConnectTimeoutError(f"no connection in time: {exc}")
    if is_not_connected(exc):
        return ConnectError(f"no connection: {exc}")
    if isinstance(exc, exceptions.Timeout):
        return RequestTimeoutError(f"no answer in time: {exc}")
    if isinstance(exc, (exceptions.ConnectionError, exceptions.ChunkedEncodingError)):
        return ConnectionLostError(f"the connection ended before the answer did: {exc}")
    return ProtocolError(f"the answer is not HTTP: {exc!r}")


def is_not_connected(exc: Exception) -> bool:
    """Return whether nothing was sent. Of the failures of TLS, only a refused certificate says so.

    Others have the same exceptions in the handshake and in an answer, after which the server may have run the call. So
    has a connection to a proxy: urllib3 says "cannot connect" of one that ended after the request, too.
    """
    cause = exc.args[0] if exc.args else None
    reason = getattr(cause, "reason", cause)
    reason = getattr(reason, "original_error", reason)  # of a proxy
    if type(reason).__name__ in _NOT_CONNECTED or str(reason).startswith(_NO_TUNNEL):
        return True
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in (reason, *getattr(reason, "args", ())))
