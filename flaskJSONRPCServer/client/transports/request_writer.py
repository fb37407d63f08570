"""Write requests, head and body in one piece: sent apart, they would cost the server a second wakeup."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

from .base import ClientRequest

__all__ = ["RequestWriter"]


class RequestWriter:
    """Writes requests to one server. Threads share it.

    Args:
        head: The request line and the Host field.
        compress_min_bytes: The shortest body that is compressed; None for none.
    """

    def __init__(self, head: bytes, compress_min_bytes: int | None) -> None:
        self._head = head
        self._compress_min_bytes = compress_min_bytes
        # The last header fields and their lines: most requests of a client have the same. Threads replace the pair.
        self._last: tuple[Mapping[str, str], bytes] = ({}, b"")

    def write(self, request: ClientRequest) -> bytes:
        """Return a request as it is sent. Its header fields have been checked."""
        fields, body = request.headers, request.body
        if self._compress_min_bytes is not None and len(body) >= self._compress_min_bytes:
            body = gzip.compress(body, 6)
            fields = {**fields, "Content-Encoding": "gzip"}
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (self._head, self._lines(fields), len(body), body)

    def _lines(self, fields: Mapping[str, str]) -> bytes:
        last, lines = self._last
        if last is not fields:
            lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()]).encode("latin-1")
            self._last = (fields, lines)
        return lines
