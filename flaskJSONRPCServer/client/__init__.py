"""A client for JSON-RPC 2.0: synchronous and asynchronous, over HTTP and other transports.

It needs the standard library only. `docs/client.md` explains how to use it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .authorization import BasicAuth, BearerAuth
from .batch import PendingCall
from .client import Batch, Client
from .deadlines import Deadline
from .errors import (
    AnswerTooLargeError,
    ClientError,
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    HttpStatusError,
    ProtocolError,
    RequestTimeoutError,
    ResultError,
    TransportError,
)
from .retries import Retry
from .settings import tls_context
from .transports.base import AsyncTransport, ClientRequest, ClientResponse, Transport
from .transports.stream import StdioTransport, StreamTransport, TcpTransport
from .types.views import idempotent

if TYPE_CHECKING:
    from .async_client import AsyncBatch, AsyncClient
    from .transports.adapters import AsyncHttpxTransport, AsyncNiquestsTransport, HttpxTransport, RequestsTransport
    from .transports.threaded import ThreadedTransport

__all__ = [
    "AnswerTooLargeError",
    "AsyncBatch",
    "AsyncClient",
    "AsyncHttpxTransport",
    "AsyncNiquestsTransport",
    "AsyncTransport",
    "BasicAuth",
    "Batch",
    "BearerAuth",
    "Client",
    "ClientError",
    "ClientRequest",
    "ClientResponse",
    "ConnectError",
    "ConnectTimeoutError",
    "ConnectionLostError",
    "Deadline",
    "HttpStatusError",
    "HttpxTransport",
    "PendingCall",
    "ProtocolError",
    "RequestTimeoutError",
    "RequestsTransport",
    "ResultError",
    "Retry",
    "StdioTransport",
    "StreamTransport",
    "TcpTransport",
    "ThreadedTransport",
    "Transport",
    "TransportError",
    "idempotent",
    "tls_context",
]

# What needs asyncio: importing that takes as long as the rest of the package.
_LAZY = {
    "AsyncBatch": "async_client",
    "AsyncClient": "async_client",
    "AsyncHttpxTransport": "transports.adapters",
    "AsyncNiquestsTransport": "transports.adapters",
    "HttpxTransport": "transports.adapters",
    "RequestsTransport": "transports.adapters",
    "ThreadedTransport": "transports.threaded",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value
