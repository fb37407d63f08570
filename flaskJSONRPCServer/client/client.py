"""The synchronous client."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

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
from .transports.base import Transport
from .transports.chosen import TransportOptions, make_transport

__all__ = ["Batch", "Client"]


class Client(Caller):
    """Calls the methods of a JSON-RPC 2.0 server. Threads share a client, and forked processes may use it.

    Use it in a `with` block, or call `close`.

    Args:
        url: The URL of the server: http, https, http+unix with a percent-encoded path as its host, or tcp or tls for
            messages without HTTP. Or a server object or a WSGI application in this process, which is called without a
            socket.
        timeout: The seconds that a call may take, with its retries; None for no limit. Without this argument, 30. The
            server learns of a time that is passed, and gives up by then.
        connect_timeout: The seconds to connect, with the TLS handshake; None for no limit. The resolution of a name is
            not interrupted.
        read_timeout: The longest silence of the server within a call, in seconds; None for no limit beside `timeout`.
        auth: A pair of a name and a password, a token, a function of a `ClientRequest` that returns header fields, or
            None.
        headers: Header fields of all requests.
        retry: How calls are repeated if that is safe; None for never.
        discover: Whether to read the OpenRPC document of the server, once before the first call: calls of the methods
            that it declares idempotent may be repeated.
        transport: Sends the requests in place of HTTP connections. The arguments for connections have no effect then.
        tls: The TLS context: see `tls_context`. None trusts the authorities of the system.
        proxy: The URL of a proxy; False for none; None for the one that the environment names.
        path: The path of the methods of a server object or an application. None if all methods of a server have one.
        codec: Reads and writes JSON: a name or an object, as for `make_codec`.
        max_answer_bytes: The largest answer, before and after decompression.
        compress_min_bytes: The shortest request that is compressed; None for none.
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
        transport: Transport | None = None,
        tls: ssl.SSLContext | None = None,
        proxy: str | Literal[False] | None = None,
        path: str | None = None,
        codec: str | Codec = "json",
        max_answer_bytes: int = 64 * 1024 * 1024,
        compress_min_bytes: int | None = None,
        max_idle_connections: int = 10,
    ) -> None:
        session = make_session(url, codec, headers, auth, discovers=discover)
        if transport is None:
            transport = make_transport(
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
        self._transport = transport
        super().__init__(CallRunner(session, transport), make_options(timeout, retry))

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def batch(self) -> Batch:
        """Return a batch: see `Caller.batch`."""
        batch: Batch = super().batch()
        return batch

    def close(self) -> None:
        """Close the connections: the idle ones now, those of running calls after their answers. Later calls fail."""
        self._transport.close()


class CallRunner:
    """Runs calls at once: a `Runner`."""

    __slots__ = ("_session", "_transport")

    def __init__(self, session: Session, transport: Transport) -> None:
        self._session = session
        self._transport = transport

    def call(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> Any:
        """Call a method, and return its result."""
        return run(self._session.call(options, method, args, kwargs, signature), self._transport)

    def notify(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> None:
        """Send a notification."""
        run(self._session.notify(options, method, args, kwargs, signature), self._transport)

    def batch(self, options: CallOptions) -> Batch:
        """Return a batch."""
        return Batch(self.send_batch, options)

    def send_batch(self, options: CallOptions, pending: Sequence[PendingCall[Any]]) -> None:
        """Send the calls of a batch, and settle them."""
        run(self._session.batch(options, pending), self._transport)


def run(steps: Steps, transport: Transport) -> Any:
    """Do the steps of a call, and return its result."""
    try:
        step = next(steps)
        while True:
            if type(step) is Pause:
                time.sleep(step.seconds)
                step = next(steps)
                continue
            try:
                response = transport.send(*step)
            except TransportError as exc:
                step = steps.throw(exc)
            except StopIteration as exc:  # its value would be the result of the call
                raise RuntimeError("the transport raised StopIteration") from exc
            else:
                step = steps.send(response)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


class Batch(BatchCaller):
    """The context manager of a batch, which is sent at the end of the block."""

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish(is_sent=kind is None)
