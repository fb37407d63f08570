"""The asynchronous transport for a server: chosen by its URL, or by its class."""

from __future__ import annotations

from typing import Any

from .async_http import AsyncHttpTransport
from .base import AsyncTransport
from .chosen import TransportOptions
from .threaded import ThreadedTransport
from .urls import is_stream_url
from .wsgi import WsgiTransport

__all__ = ["make_async_transport"]


def make_async_transport(server: Any, options: TransportOptions) -> AsyncTransport:
    """Return the transport to a server: see `make_transport`."""
    if not isinstance(server, str):
        return ThreadedTransport(WsgiTransport(server, options.path, options.max_answer_bytes))
    if is_stream_url(server):
        return ThreadedTransport(options.stream(server))
    return AsyncHttpTransport(
        options.connector(server),
        max_idle=options.max_idle_connections,
        compress_min_bytes=options.compress_min_bytes,
    )
