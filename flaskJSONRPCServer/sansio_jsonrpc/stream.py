"""A stream of bytes as a stream of messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from .decoding import decode
from .exceptions import JsonRpcException, JsonRpcFramingError
from .framing import Framing
from .messages import JsonRpcBatch, JsonRpcInvalidMessage, JsonRpcMessage
from .peer import JsonRpcPeer


class JsonRpcStream:
    """The messages of one connection: put in the bytes that came, then iterate over what is complete.

    Not for several threads at once. It keeps the messages that were not pulled yet, so pull them before you read more
    from the transport.

    Args:
        framing: How messages stand in the stream.
        peer: Its codec and its limits are used. Connections may share it.
    """

    def __init__(self, framing: Framing, peer: JsonRpcPeer) -> None:
        self._framing = framing
        self._peer = peer
        self._reader = framing.reader()
        self._frames: deque[bytes] = deque()
        self._failure: str | None = None
        self._ended = False

    def receive_data(self, data: bytes) -> None:
        """Take what came from the transport. After the stream has failed it is dropped.

        Args:
            data: Any slice of the stream; b"" is its end.

        Raises:
            RuntimeError: The end came before.
        """
        if self._ended and data:
            raise RuntimeError("data after the end of the stream; make a new JsonRpcStream for a new connection")
        if self._failure is None and not self._ended:
            self._collect(self._reader.feed(data) if data else self._reader.finish())
        self._ended = self._ended or not data

    def __iter__(self) -> Iterator[JsonRpcMessage | JsonRpcBatch]:
        """Pull the messages that are complete; more may come when more data is received.

        Yields:
            Messages and batches. What cannot be decoded is a `JsonRpcInvalidMessage` in its place.

        Raises:
            JsonRpcFramingError: The stream is broken after the messages given before: now and at each later pull.
        """
        while self._frames:
            yield self._decode(self._frames.popleft())
        if self._failure is not None:
            raise JsonRpcFramingError(self._failure)

    def frame(self, message: bytes) -> bytes:
        """Make one message ready to be sent: see `Framing.frame`."""
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
