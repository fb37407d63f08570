"""What has come of a request, while it is too little for a thread to begin with."""

from __future__ import annotations

import re

from .heads import MAX_HEAD_BYTES

__all__ = ["MAX_WAITING_BYTES", "Arriving"]

# How much of a body is waited for before a thread reads on; guessed. A client that stalls holds no thread before that.
MAX_WAITING_BYTES = 64 * 1024

_END = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\ntransfer-encoding:", re.IGNORECASE)
_ASKS_FIRST = re.compile(rb"\nexpect:", re.IGNORECASE)

# The last chunk. The same bytes inside a chunk do no harm: a thread reads on from there.
_LAST_CHUNK = re.compile(rb"\r\n0+[\r;\t ]")
_LAST_CHUNK_BYTES = 20


class Arriving:
    """The bytes of a request, as they come.

    Whether they are valid is for others to say. This only tells when enough has come: the head, and a small body, or
    the beginning of a large one.

    Args:
        max_body_bytes: The largest body; one that is declared larger need not come.

    Attributes:
        received: The bytes.
        head_bytes: How long the head is, with the empty line; 0 while it has no end.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self.received = bytearray()
        self.begin()

    def begin(self) -> None:
        """Begin with the next request of the connection."""
        self.head_bytes = 0
        self._wanted = 0  # how many bytes are enough, once the head is there
        self._is_chunked = False
        self._looked_at = 0

    def is_enough(self) -> bool:
        """Tell whether a thread should have it now."""
        if not self.head_bytes and not self._find_head():
            return len(self.received) > MAX_HEAD_BYTES
        if len(self.received) >= self._wanted:
            return True
        return self._is_chunked and self._has_last_chunk()

    def _find_head(self) -> bool:
        if self.received.startswith(b"\r\n"):  # RFC 9112, section 2.2: one is to be ignored
            del self.received[:2]
        end = _END.search(self.received, max(0, self._looked_at - 3))
        self._looked_at = len(self.received)
        if end is None:
            return False
        self.head_bytes = end.end()
        self._plan(bytes(self.received[: self.head_bytes]))
        return True

    def _has_last_chunk(self) -> bool:
        # The line before the body ends where the body begins. What was looked at is not looked at again.
        start = max(self.head_bytes - 2, self._looked_at - _LAST_CHUNK_BYTES)
        self._looked_at = len(self.received)
        return _LAST_CHUNK.search(self.received, start) is not None

    def _plan(self, head: bytes) -> None:
        length = _LENGTH.search(head)
        self._is_chunked = _CHUNKED.search(head) is not None
        body = int(length[1]) if length else 0
        if body > self._max_body_bytes:  # it is refused, and not read
            body = 0
        if self._is_chunked:
            body = MAX_WAITING_BYTES
        if _ASKS_FIRST.search(head):
            body = 0
        self._wanted = self.head_bytes + min(body, MAX_WAITING_BYTES)
