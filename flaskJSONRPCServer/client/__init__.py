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
from .transport import AsyncTransport, ClientRequest, ClientResponse, Transport
from .typed import idempotent

if TYPE_CHECKING:
    from .async_client import AsyncBatch, AsyncClient

__all__ = [
    "AnswerTooLargeError",
    "AsyncBatch",
    "AsyncClient",
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
    "PendingCall",
    "ProtocolError",
    "RequestTimeoutError",
    "ResultError",
    "Retry",
    "Transport",
    "TransportError",
    "idempotent",
    "tls_context",
]

_ASYNCHRONOUS = {"AsyncBatch": "async_client", "AsyncClient": "async_client"}


def __getattr__(name: str) -> Any:
    """Load what needs asyncio when it is used: importing asyncio takes as long as the rest of the package."""
    if name not in _ASYNCHRONOUS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_ASYNCHRONOUS[name]}", __name__), name)
    globals()[name] = value
    return value
