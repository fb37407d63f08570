"""The parts of a pipeline that can be replaced while it is in use, and the steps around the answer to a request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..http.request import Request, RequestOptions
from ..http.response import Response
from ..runtime.contexts import own_context
from ..sansio_jsonrpc import Codec
from .answers import AnyAnswerer
from .built_in import BuiltInUrls
from .discovery import Discovery
from .exchange import Exchange
from .idempotency.answerer import KeyedAnswerer
from .rate_limits.limiter import RateLimiter
from .rendering import Renderer
from .routes import Endpoint, Route
from .streams import StreamRegistry
from .visibility import Visibility

__all__ = ["Process", "Steps", "with_arrival", "with_lock", "with_names", "with_own_context"]

Process = Callable[[Exchange, Endpoint, "Route | None"], Response]


@dataclass(frozen=True, slots=True)
class Steps:
    """The parts of a pipeline that change while it is in use: when the user overrides a method or adds a rate limit.

    Attributes:
        codec: Reads and writes JSON.
        answerer: Answers messages.
        renderer: Makes responses.
        request_options: The options of all requests.
        copy_request: Copies a request for ``auth``.
        gunzip: Decompresses a body.
        mime_type: Returns the media type of the answer to a request; None for the default type.
        custom_process: The user's ``_requestProcess``, in the place of :meth:`.pipeline.Pipeline.process`.
        custom_view: The user's ``_requestHandler``; the view function of the RPC URLs in a Flask application calls it.
        streams: The open streams.
        visibility: Decides which methods a caller sees.
        limiter: Checks requests against the rate limits; None without rate limits.
        discovery: Makes the documents of the server; None if it shows none.
        has_timeouts: Whether calls may have deadlines, so that the arrival of each request matters.
        built_in_urls: The URLs that the server answers itself.
        traced: Returns a step that answers each request within a span; None without ``tracing``.
        keyed: Answers requests with idempotency keys or the time of their callers; None if neither counts.
    """

    codec: Codec
    answerer: AnyAnswerer
    renderer: Renderer
    request_options: RequestOptions
    copy_request: Callable[[Request], Any]
    gunzip: Callable[[bytes], bytes]
    mime_type: Callable[[Any], str] | None
    custom_process: Callable[[str, str | None], Response] | None
    custom_view: Callable[[str, str | None], Any] | None
    streams: StreamRegistry
    visibility: Visibility
    limiter: RateLimiter | None = None
    discovery: Discovery | None = None
    has_timeouts: bool = False
    built_in_urls: BuiltInUrls = field(default_factory=BuiltInUrls)
    traced: Callable[[Process], Process] | None = None
    keyed: KeyedAnswerer | None = None


def with_names(process: Callable[[str, str | None], Response]) -> Process:
    """Return a step that passes the path and the name of the method to a user's step."""
    return lambda _, endpoint, route: process(endpoint.path, None if route is None else route.name)


def with_own_context(process: Process) -> Process:
    """Return a step that runs each request in a context of its own."""
    return lambda exchange, endpoint, route: own_context().run(process, exchange, endpoint, route)


def with_lock(process: Process, lock: threading.Lock) -> Process:
    """Return a step that runs one request at a time."""

    def process_with_lock(exchange: Exchange, endpoint: Endpoint, route: Route | None) -> Response:
        with lock:
            return process(exchange, endpoint, route)

    return process_with_lock


def with_arrival(process: Process) -> Process:
    """Return a step that notes the arrival of each request before anything can hold it up."""

    def process_with_arrival(exchange: Exchange, endpoint: Endpoint, route: Route | None) -> Response:
        _ = exchange.arrived_at
        return process(exchange, endpoint, route)

    return process_with_arrival
