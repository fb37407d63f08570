"""The HTTP response for a JSON-RPC answer: media type, JSONP, the dispatchers' headers, gzip, CORS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..http import gzip, jsonp
from ..http.cors import Cors
from ..http.request import Request
from ..http.response import Outgoing, Response, checked_header, json_response, merged_headers
from ..settings import Settings
from .exchange import Exchange

__all__ = ["Renderer", "cors_headers", "with_cors"]


class Renderer:
    """Makes HTTP responses.

    Args:
        settings: The frozen settings of the server.
        compress: Compresses a response.
    """

    def __init__(self, settings: Settings, compress: Callable[[Response], Response]) -> None:
        self._compress = compress
        self._allow_compress = settings.allowCompress
        self._compress_min_size = settings.compressMinSize

    def render(self, reply: bytes, exchange: Exchange) -> Response:
        """Return the response for a JSON-RPC answer; 204 for an empty answer.

        Raises:
            HeaderError: A dispatcher set a header or a cookie that cannot be sent.
        """
        outgoing = exchange.outgoing_if_any  # render_plain() and for_client(), without the cost of their calls
        if outgoing is None:
            response, may_compress = json_response(reply), self._allow_compress
        else:
            response, may_compress = custom_response(reply, outgoing, exchange.callback), outgoing.allow_compress
        if may_compress and len(response.body) > self._compress_min_size:
            return self._compressed(response, exchange)
        return response

    def render_plain(self, reply: bytes, exchange: Exchange) -> tuple[Response, bool]:
        """Return the response as :meth:`render`, without gzip, and whether it may be compressed for a client.

        Raises:
            HeaderError: As :meth:`render`.
        """
        outgoing = exchange.outgoing_if_any
        if outgoing is None:
            response, may_compress = json_response(reply), self._allow_compress
        else:
            response, may_compress = custom_response(reply, outgoing, exchange.callback), outgoing.allow_compress
        return response, may_compress and len(response.body) > self._compress_min_size

    def for_client(self, response: Response, request: Request, *, may_compress: bool) -> Response:
        """Return a plain response in the form that a client accepts."""
        return self._compressed(response, request) if may_compress else response

    def _compressed(self, response: Response, request: Request) -> Response:
        """Compress the response if the client accepts gzip. Add Vary either way, since the answer depends on that."""
        response.headers = merged_headers(response.headers, [("Vary", "Accept-Encoding")])
        is_accepted = gzip.accepts_gzip(request.head.get("HTTP_ACCEPT_ENCODING", ""))
        return self._compress(response) if is_accepted else response


def with_cors(response: Response, request: Request, cors: Cors, methods: Sequence[str] = ()) -> Response:
    """Add the CORS headers to a response; ``methods`` are those of the URL, other than those of RPC URLs."""
    response.headers = merged_headers(response.headers, cors_headers(request, cors, methods))
    return response


def cors_headers(request: Request, cors: Cors, methods: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return the CORS headers of the answer to a request; ``methods`` as with :func:`with_cors`."""
    head = request.head
    origin = head.get("HTTP_ORIGIN")
    if request.method == "OPTIONS":
        requested = head.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
        if methods:
            return cors.preflight_headers(origin, requested, ", ".join(methods))
        return cors.preflight_headers(origin, requested)
    return cors.headers(origin)


def custom_response(reply: bytes, outgoing: Outgoing, callback: str | None) -> Response:
    """Return the response with the options that dispatchers have set."""
    if reply and outgoing.jsonp:
        reply = jsonp.wrap(reply, callback or "", str(outgoing.jsonp))
    response = json_response(reply)
    content_type = [checked_header("Content-Type", outgoing.content_type)] if reply else []
    response.headers = merged_headers(response.headers, [*content_type, *outgoing.header_lines()])
    return response
