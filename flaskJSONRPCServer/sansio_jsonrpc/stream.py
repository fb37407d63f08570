"""Convert a stream of bytes to a stream of messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from .decoding import decode
from .exceptions import JsonRpcException, JsonRpcFramingError
from .framing import Framing
from .messages import JsonRpcBatch, JsonRpcInvalidMessage, JsonRpcMessage
from .peer import JsonRpcPeer

__all__ = ["JsonRpcStream"]


class JsonRpcStream:
    """The messages of one connection. Pass in received bytes, then iterate over the complete messages.

    Threads must not share a stream. It keeps messages until they are pulled, so pull them before you read more from the
    transport.

    Args:
        framing: The framing of the stream.
        peer: The peer whose codec and limits are used. Connections may share it.
    """

    def __init__(self, framing: Framing, peer: JsonRpcPeer) -> None:
        self._framing = framing
        self._peer = peer
        self._reader = framing.reader()
        self._frames: deque[bytes] = deque()
        self._failure: str | None = None
        self._ended = False

    def receive_data(self, data: bytes) -> None:
        """Take received bytes. They are dropped after the stream has failed.

        Args:
            data: Any slice of the stream; b"" is its end.

        Raises:
            RuntimeError: The stream has ended.
        """
        if self._ended and data:
            raise RuntimeError("data after the end of the stream; make a new JsonRpcStream for a new connection")
        if self._failure is None and not self._ended:
            self._collect(self._reader.feed(data) if data else self._reader.finish())
        self._ended = self._ended or not data

    def __iter__(self) -> Iterator[JsonRpcMessage | JsonRpcBatch]:
        """Pull the complete messages. Iterate again after more data.

        Yields:
            Messages and batches. A frame that cannot be decoded becomes a `JsonRpcInvalidMessage`.

        Raises:
            JsonRpcFramingError: The stream is broken after the messages yielded so far. Later pulls raise it too.
        """
        while self._frames:
            yield self._decode(self._frames.popleft())
        if self._failure is not None:
            raise JsonRpcFramingError(self._failure)

    def frame(self, message: bytes) -> bytes:
        """Add the framing to one message: see `Framing.frame`."""
        return self._framing.frame(message)

    def _collect(self, frames: Iterable[bytes]) -> None:
        try:
            self._frames.extend(frames)
        except JsonRpcFramingError as exc:
            self._failure = exc.message
            self._reader = self._framing.reader()

    def _decode(self, frame: bytes) -> JsonRpcMessage | JsonRpcBatch:
        try:
            return decode(frame, self._peer.codec, max_batch_length=self._peer.max_batch_length)
        except JsonRpcException as exc:
            return JsonRpcInvalidMessage(None, exc.get_error())
