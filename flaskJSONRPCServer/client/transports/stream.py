"""Messages on a stream instead of HTTP: over TCP, a Unix socket, or the standard input and output of a process.

Threads share one channel. A thread of the transport reads the answers, and gives each to the call with its id. So an
answer that comes after the deadline of its call disturbs no other call.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from ...sansio_jsonrpc import (
    Framing,
    JsonRpcException,
    JsonRpcResponse,
    NewlineFraming,
    RequestId,
    decode,
    make_codec,
)
from ..deadlines import Deadline
from ..errors import ClientError, ConnectionLostError, ProtocolError, TransportError
from ..options import IDEMPOTENCY_FIELD
from .base import ClientRequest, ClientResponse
from .channels import Channel, ProcessChannel, SocketChannel, TlsChannel
from .connections import Connector
from .processes import current_process
from .urls import Target

__all__ = ["StdioTransport", "StreamTransport", "TcpTransport"]

_CODEC: Final = make_codec("json")
_FRAMING: Final = NewlineFraming(64 * 1024 * 1024)


class StreamTransport:
    """Sends messages on one channel at a time, which is opened with the first call, and again after it has ended.

    Args:
        open_channel: Opens a channel by a deadline.
        framing: How messages are delimited: `NewlineFraming`, `ContentLengthFraming` or `ConcatenatedFraming`. Its
            limit is that of answers.
    """

    def __init__(self, open_channel: Callable[[Deadline], Channel], framing: Framing) -> None:
        self._open_channel = open_channel
        self._framing = framing
        # Guards the conversation and is_closed. A forked process has a lock of its own: see _conversation_now().
        self._lock = threading.Lock()
        self._process = current_process()
        self._conversation: Conversation | None = None
        self._is_closed = False

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Send a request once: see `Transport.send`. Its header fields are not sent.

        Raises:
            ValueError: It has an idempotency key. Without it a repetition would run again.
        """
        if IDEMPOTENCY_FIELD in request.headers:
            raise ValueError("idempotency_key= needs a transport with header fields; say idempotent=True if it is safe")
        conversation, is_reused = self._conversation_now(deadline)
        try:
            answer = conversation.exchange(self._framing.frame(request.body), request.ids, deadline)
        except TransportError as exc:
            exc.is_stale = is_reused and isinstance(exc, ConnectionLostError)
            raise
        return ClientResponse(200 if request.ids else 204, {}, answer)

    def close(self) -> None:
        """End the channel. Calls under way fail."""
        with self._lock:
            self._is_closed = True
            conversation = self._conversation
        if conversation is not None and self._process is current_process():
            conversation.end("the client was closed")
            conversation.close()

    def _conversation_now(self, deadline: Deadline) -> tuple[Conversation, bool]:
        """Return the conversation, and whether it was there before."""
        if self._process is not current_process():
            self._lock = threading.Lock()
            self._process, self._conversation = current_process(), None
        if not self._lock.acquire(timeout=in_lock_time(deadline)):
            raise deadline.passed()
        try:
            if self._is_closed:
                raise ClientError("the client is closed")
            if self._conversation is not None and self._conversation.is_open:
                return self._conversation, True
            self._conversation = Conversation(self._open_channel(deadline), self._framing)
            return self._conversation, False
        finally:
            self._lock.release()


class TcpTransport(StreamTransport):
    """Sends messages over TCP, with TLS or without, or over a Unix socket.

    Args:
        host: The host; the path of a Unix socket if there is no port.
        port: The port.
        framing: How messages are delimited.
        connect_timeout: The seconds to connect, with the TLS handshake; None for no limit.
        tls: The TLS context: see `tls_context`. None for no TLS.

    Raises:
        ValueError: There is a TLS context, and no port.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        framing: Framing = _FRAMING,
        connect_timeout: float | None = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if tls is not None and port is None:
            raise ValueError("tls= takes a host and a port; a Unix socket has no TLS")
        unix_path = host if port is None else None
        target = Target(host, port or 0, "", is_tls=tls is not None, unix_path=unix_path, user=None)
        connector = Connector(target, None, tls, connect_timeout, None, framing.limit_bytes)

        def open_channel(deadline: Deadline) -> Channel:
            connected = connector.open(deadline).raw
            return TlsChannel(connected) if isinstance(connected, ssl.SSLSocket) else SocketChannel(connected)

        super().__init__(open_channel, framing)


class StdioTransport(StreamTransport):
    """Starts a program, and sends messages to its standard input.

    The program is started with the first call, and again if it has ended. `close` ends its input, then asks it to end.

    Args:
        command: The program and its arguments.
        framing: How messages are delimited.
        cwd: The folder in which it runs; None for that of this process.
        env: Its environment; None for that of this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        framing: Framing = _FRAMING,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(lambda _: ProcessChannel(command, cwd, env), framing)


class Conversation:
    """One channel with the calls that wait for answers on it.

    Attributes:
        is_open: Whether the other side can be expected to answer.
    """

    def __init__(self, channel: Channel, framing: Framing) -> None:
        self.is_open = True
        self._channel = channel
        self._reader = framing.reader()
        # Taken to write one message at a time.
        self._writing = threading.Lock()
        # Guards is_open, the waiting calls and the closer; held for a moment only.
        self._lock = threading.Lock()
        self._waiting: dict[RequestId, SimpleQueue[bytes | ClientError]] = {}
        self._closer: threading.Thread | None = None
        # A daemon: a program that does not close its client ends all the same.
        threading.Thread(target=self._read, name="jsonrpc-client-reader", daemon=True).start()

    def exchange(self, frame: bytes, ids: Sequence[RequestId], deadline: Deadline) -> bytes:
        """Send a frame. Return the answer; b"" if it has no ids.

        Raises:
            TransportError: It could not be sent in time, or there is no answer.
            ProtocolError: The other side sent something else than messages.
        """
        answers: SimpleQueue[bytes | ClientError] = SimpleQueue()
        with self._lock:
            if not self.is_open:
                raise ConnectionLostError("the other side has ended")
            self._waiting.update(dict.fromkeys(ids, answers))
        try:
            self._write(frame, deadline)
            if not ids:
                return b""
            answer = answers.get(timeout=deadline.wait_s())
        except Empty:
            raise deadline.passed() from None
        finally:
            with self._lock:
                for request_id in ids:
                    self._waiting.pop(request_id, None)
        if isinstance(answer, ClientError):
            raise answer
        return answer

    def end(self, reason: str, failure: ClientError | None = None) -> None:
        """Let all waiting calls fail, and begin to close the channel. A process may take its time to end."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            if self.is_open:
                self.is_open = False
                self._closer = threading.Thread(target=self._channel.close, name="jsonrpc-client-closer", daemon=True)
                self._closer.start()
        for answers in set(waiting.values()):
            answers.put(failure or ConnectionLostError(reason))

    def close(self) -> None:
        """Wait until the channel has been closed."""
        with self._lock:
            closer = self._closer
        if closer is not None:
            closer.join()

    def _write(self, frame: bytes, deadline: Deadline) -> None:
        if not self._writing.acquire(timeout=in_lock_time(deadline)):
            raise deadline.passed()
        try:
            self._channel.write(frame, deadline)
        except BaseException:  # a part of it may have been written, so nothing can follow
            self.end("a message could not be sent")
            raise
        finally:
            self._writing.release()

    def _read(self) -> None:
        try:
            while data := self._channel.read():
                for frame in self._reader.feed(data):
                    self._deliver(frame)
        except JsonRpcException as exc:
            self.end("", ProtocolError(f"the other side does not send JSON-RPC: {exc.message}"))
        self.end("the other side ended before the answer came")

    def _deliver(self, frame: bytes) -> None:
        """Give an answer to its call. Answers to calls that have given up, and calls of the other side, are dropped."""
        message = decode(frame, _CODEC, max_batch_length=None)
        for item in message if isinstance(message, tuple) else (message,):
            if isinstance(item, JsonRpcResponse):
                with self._lock:
                    answers = self._waiting.get(item.id) or self._oldest_for(item)
                if answers is not None:
                    answers.put(frame)
                    return

    def _oldest_for(self, response: JsonRpcResponse) -> SimpleQueue[Any] | None:
        """Return the call that has waited longest for an error without an id: the other side could not read a call."""
        if response.error is None or response.id is not None:
            return None
        return next(iter(self._waiting.values()), None)


def in_lock_time(deadline: Deadline) -> float:
    """Return the remaining time for the acquisition of a lock, which takes -1 for no limit."""
    wait_s = deadline.wait_s()
    return -1 if wait_s is None else min(wait_s, threading.TIMEOUT_MAX)
