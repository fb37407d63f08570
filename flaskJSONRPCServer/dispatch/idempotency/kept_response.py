"""The answer to a whole request, as bytes that a store keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ...http.response import Header, Response

__all__ = ["KeptResponse"]


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """The answer to a whole request, before gzip and CORS: both depend on the client that asks.

    Attributes:
        status: The status.
        headers: The header fields.
        body: The body.
        may_compress: Whether the body may be compressed for a client.
    """

    status: str
    headers: tuple[Header, ...]
    body: bytes
    may_compress: bool

    @classmethod
    def from_bytes(cls, data: bytes) -> KeptResponse:
        """Return the answer that :meth:`to_bytes` has written."""
        head, _, body = data.partition(b"\n")
        status, headers, may_compress = json.loads(head)
        return cls(status, tuple((name, value) for name, value in headers), body, may_compress)

    def to_bytes(self) -> bytes:
        """Write the answer: a line of JSON, then the body."""
        return json.dumps([self.status, self.headers, self.may_compress]).encode() + b"\n" + self.body

    def response(self) -> Response:
        """Return the answer for one client."""
        return Response(self.status, list(self.headers), self.body)
