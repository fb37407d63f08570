"""Read answers from a blocking connection, by the same rules as `.async_stream` does."""

from __future__ import annotations

from ..errors import AnswerTooLargeError, ConnectionLostError, ProtocolError
from .answer_fields import body_length, decompressed, is_interim
from .base import ClientResponse
from .http_head import MAX_HEAD_BYTES, MAX_INTERIM, Head, chunk_size, parse_head
from .timed_socket import TimedSocket

__all__ = ["read_head", "read_response"]


def read_response(connection: TimedSocket, limit_bytes: int) -> tuple[ClientResponse, bool]:
    """Read an answer. Return it, and whether the connection stays open.

    Raises:
        TransportError: It did not come, or not whole.
        ProtocolError: It is not HTTP, or too large.
    """
    for _ in range(MAX_INTERIM):
        head = read_head(connection)
        if not is_interim(head.status):
            break
    else:
        raise ProtocolError(f"more than {MAX_INTERIM} answers before the last one")
    length = body_length(head.status, head.headers)
    is_persistent = head.is_persistent
    if length is not None:
        check_size(length, limit_bytes)
        body = exactly(connection, length)
    elif "transfer-encoding" in head.headers:
        body = read_chunks(connection, limit_bytes)
    else:
        body, is_persistent = connection.reader.read(), False
        check_size(len(body), limit_bytes)
    body = decompressed(body, head.headers.get("content-encoding"), limit_bytes=limit_bytes)
    return ClientResponse(head.status, head.headers, body), is_persistent


def read_head(connection: TimedSocket) -> Head:
    """Read the head of an answer.

    Raises:
        TransportError: It did not come, or not whole.
        ProtocolError: It is not HTTP, or too large.
    """
    return parse_head(until(connection, b"\r\n\r\n"))


def read_chunks(connection: TimedSocket, limit_bytes: int) -> bytes:
    body = bytearray()
    while size := chunk_size(until(connection, b"\r\n")):
        check_size(len(body) + size, limit_bytes)
        chunk = exactly(connection, size + 2)
        if chunk[-2:] != b"\r\n":
            raise ProtocolError("the answer is not HTTP: a chunk is longer than its size")
        body += chunk[:-2]
    trailer_bytes = 0
    while (line := until(connection, b"\r\n")) != b"\r\n":
        trailer_bytes += len(line)
        if trailer_bytes > MAX_HEAD_BYTES:
            raise ProtocolError("the answer has too many fields after its body")
    return bytes(body)


def until(connection: TimedSocket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        line = connection.reader.readline(MAX_HEAD_BYTES + 1 - len(data))
        if not line:
            raise ended()
        data += line
        if len(data) > MAX_HEAD_BYTES:
            raise ProtocolError(f"the answer has a head or a line of more than {MAX_HEAD_BYTES} bytes")
    return data


def exactly(connection: TimedSocket, size: int) -> bytes:
    data = connection.reader.read(size)
    if len(data) < size:
        raise ended()
    return data


def ended() -> ConnectionLostError:
    return ConnectionLostError("the connection ended before the answer did")


def check_size(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise AnswerTooLargeError(f"an answer of {size} bytes or more; at most {limit_bytes} are read")
