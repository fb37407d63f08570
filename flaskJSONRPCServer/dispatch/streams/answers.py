"""The answer of a built-in URL whose body is a stream."""

from __future__ import annotations

from collections.abc import Iterable

from ...http.event_streams import StreamedResponse
from ...http.request import Environ
from ...http.response import Response
from .body import StreamedBody
from .open_stream import OpenStream

__all__ = ["AdmittedResponse"]


class AdmittedResponse(Response):
    """A streamed answer that the server has room for.

    Args:
        response: The answer of the built-in URL.
        stream: The stream; None for the head alone.

    Attributes:
        stream: As given.
    """

    __slots__ = ("stream",)

    def __init__(self, response: StreamedResponse, stream: OpenStream | None) -> None:
        super().__init__(response.status, response.headers)
        self.stream = stream

    def wsgi_body(self, environ: Environ) -> Iterable[bytes]:
        """Return the body as a WSGI application does; it is empty for a HEAD request."""
        return iter(()) if self.stream is None else StreamedBody(self.stream, environ)
