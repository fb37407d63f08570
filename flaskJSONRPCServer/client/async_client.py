"""The asynchronous client."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, cast

from ..sansio_jsonrpc import Codec
from .attempts import Pause, Steps
from .batch import BatchCaller, PendingCall
from .callers import Caller
from .errors import TransportError
from .options import UNCHANGED, CallOptions
from .parameters import Signature
from .retries import Retry
from .session import Session
from .settings import make_options, make_session
from .transports.async_chosen import make_async_transport
from .transports.base import AsyncTransport, Transport
from .transports.chosen import TransportOptions
from .transports.threaded import ThreadedTransport

__all__ = ["AsyncBatch", "AsyncClient"]


class AsyncClient(Caller):
    """Calls the methods of a JSON-RPC 2.0 server from the coroutines of one event loop: `await api.add(1, 2)`.

    Use it in an `async with` block, or await `close` in the loop. Its methods and arguments are those of `Client`;
    calls and notifications return awaitables, and batches are used by `async with`. A call that is cancelled closes its
    connection.

    Args:
        url: See `Client`, for this one and all others. A server in this process runs its calls in threads.
        timeout: The seconds that a call may take, with its retries.
        connect_timeout: The seconds to connect.
        read_timeout: The longest silence of the server within a call, in seconds.
        auth: Authorizes the requests.
        headers: Header fields of all requests.
        retry: How calls are repeated.
        transport: Sends the requests: an `AsyncTransport`, or a `Transport`, whose requests are sent in threads.
        tls: The TLS context.
        proxy: The URL of a proxy.
        path: The path of the methods of a server object or an application.
        codec: Reads and writes JSON.
        max_answer_bytes: The largest answer.
        compress_min_bytes: The shortest request that is compressed.
        max_idle_connections: The most connections that are kept for later calls.

    Raises:
        ValueError: An argument has a value that is not allowed.
    """

    def __init__(
        self,
        url: Any = None,
        *,
        timeout: float | None = UNCHANGED,
        connect_timeout: float | None = 5.0,
        read_timeout: float | None = None,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        retry: Retry | None = Retry(),  # noqa: B008  it is immutable
        discover: bool = False,
        transport: AsyncTransport | Transport | None = None,
        tls: ssl.SSLContext | None = None,
        proxy: str | Literal[False] | None = None,
        path: str | None = None,
        codec: str | Codec = "json",
        max_answer_bytes: int = 64 * 1024 * 1024,
        compress_min_bytes: int | None = None,
        max_idle_connections: int = 100,
    ) -> None:
        session = make_session(url, codec, headers, auth, discovers=discover)
        if transport is None:
            transport = make_async_transport(
                url,
                TransportOptions(
                    connect_timeout,
                    read_timeout,
                    tls,
                    proxy,
                    path,
                    max_answer_bytes,
                    compress_min_bytes,
                    max_idle_connections,
                ),
            )
        self._transport = asynchronous(transport)
        super().__init__(AsyncCallRunner(session, self._transport), make_options(timeout, retry))

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def batch(self) -> AsyncBatch:
        """Return a batch: see `Caller.batch`. It is used in an `async with` block."""
        batch: AsyncBatch = super().batch()
        return batch

    async def close(self) -> None:
        """Close the connections: the idle ones now, those of running calls after their answers. Later calls fail."""
        await self._transport.close()


def asynchronous(transport: AsyncTransport | Transport) -> AsyncTransport:
    """Return a transport, in threads if it is a synchronous one."""
    if inspect.iscoroutinefunction(transport.send):
        return cast("AsyncTransport", transport)
    return ThreadedTransport(cast("Transport", transport))


class AsyncCallRunner:
    """Returns the coroutines of calls: a `Runner`."""

    __slots__ = ("_session", "_transport")

    def __init__(self, session: Session, transport: AsyncTransport) -> None:
        self._session = session
        self._transport = transport

    async def call(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> Any:
        """Call a method, and return its result."""
        return await run(self._session.call(options, method, args, kwargs, signature), self._transport)

    async def notify(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> None:
        """Send a notification."""
        await run(self._session.notify(options, method, args, kwargs, signature), self._transport)

    def batch(self, options: CallOptions) -> AsyncBatch:
        """Return a batch."""
        return AsyncBatch(self.send_batch, options)

    async def send_batch(self, options: CallOptions, pending: Sequence[PendingCall[Any]]) -> None:
        """Send the calls of a batch, and settle them."""
        await run(self._session.batch(options, pending), self._transport)


async def run(steps: Steps, transport: AsyncTransport) -> Any:
    """Do the steps of a call, and return its result."""
    try:
        step = next(steps)
        while True:
            if type(step) is Pause:
                await asyncio.sleep(step.seconds)
                step = next(steps)
                continue
            try:
                response = await transport.send(*step)
            except TransportError as exc:
                step = steps.throw(exc)
            else:
                step = steps.send(response)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


class AsyncBatch(BatchCaller):
    """The asynchronous context manager of a batch, which is sent at the end of the block."""

    async def __aenter__(self) -> AsyncBatch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        sending = self._finish(is_sent=kind is None)
        if sending is not None:
            await sending
