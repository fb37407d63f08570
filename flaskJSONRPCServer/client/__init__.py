"""A client for JSON-RPC 2.0: synchronous and asynchronous, over HTTP and other transports.

It needs the standard library only. `docs/client.md` explains how to use it.
"""

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
from .typed import idempotent
from .transport import AsyncTransport, ClientRequest, ClientResponse, Transport

__all__ = [
    "AnswerTooLargeError",
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
