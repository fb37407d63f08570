"""Requests for models as bytes, and the answers that come back."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answer", "HttpRequest", "exchange"]

# A longer wait for a byte is a hang.
PATIENCE_S = 20


@dataclass(slots=True)
class HttpRequest:
    """A request by HTTP.

    Attributes:
        body: The body; the request has its length.
        headers: The names and values of header fields, without ``Host``, ``Content-Length`` and ``Connection``.
        method: The method.
    """

    body: bytes
    headers: list[tuple[str, str]]
    method: str = "POST"

    def values(self, name: str) -> list[str]:
        """Return all values of a header field, without spaces around them."""
        return [value.strip(" \t") for known, value in self.headers if known.lower() == name.lower()]

    def text(self, host: str) -> bytes:
        """Return what is sent to a host."""
        own = [("Host", host), ("Content-Length", str(len(self.body))), ("Connection", "close")]
        lines = [f"{name}: {value}\r\n".encode("latin-1", "replace") for name, value in (*own, *self.headers)]
        return f"{self.method} /mcp HTTP/1.1\r\n".encode() + b"".join(lines) + b"\r\n" + self.body


@dataclass(slots=True)
class Answer:
    """An answer by HTTP.

    Attributes:
        status: The status.
        media_type: The media type; empty without any.
        text: The body, if it is no stream.
        messages: The messages in it.
        session_id: The session that it begins; empty if it begins none.
    """

    status: int
    media_type: str
    session_id: str = ""
    text: bytes = b""
    messages: list[Any] = field(default_factory=list)


def exchange(address: tuple[str, int], request: HttpRequest) -> Answer:
    """Send a request, and return the answer; of a stream, all up to the response, or to a request of the server.

    Raises:
        OSError: The server does not answer in time, or breaks the connection.
        ValueError: The answer is no HTTP, or no JSON where it says so.
    """
    with socket.create_connection(address, timeout=PATIENCE_S) as connection:
        connection.sendall(request.text(f"{address[0]}:{address[1]}"))
        with connection.makefile("rb") as source:
            status = int(source.readline().split(b" ")[1])
            fields = headers_in(source)
            answer = Answer(status, fields.get("content-type", "").partition(";")[0], fields.get("mcp-session-id", ""))
            if answer.media_type != "text/event-stream" or request.method == "HEAD":
                answer.text = source.read()
                has_message = answer.media_type == "application/json" and request.method != "HEAD"
                answer.messages = [json.loads(answer.text)] if has_message else []
            elif request.method == "POST":  # the stream of GET is silent
                chunks = chunks_in(source) if "transfer-encoding" in fields else source
                answer.messages = list(messages_in(chunks))
            return answer


def headers_in(source: Any) -> Mapping[str, str]:
    lines = iter(source.readline, b"\r\n")
    pairs = (line.decode("latin-1").partition(":") for line in lines if line)
    return {name.lower(): value.strip() for name, _, value in pairs}


def chunks_in(source: Any) -> Iterator[bytes]:
    """Yield the lines of a chunked body."""
    rest = b""
    while size := int(source.readline(), 16):
        *lines, rest = (rest + source.read(size)).split(b"\n")
        source.readline()
        yield from lines


def messages_in(lines: Iterator[bytes]) -> Iterator[Any]:
    """Yield the messages of a stream, up to the one that nothing follows unless something happens."""
    for line in lines:
        data = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
        if data:
            message = json.loads(data)
            yield message
            if "id" in message or message.get("method") == "notifications/subscriptions/acknowledged":
                return
