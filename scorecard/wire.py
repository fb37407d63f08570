"""Sending requests as bytes over raw sockets."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from dataclasses import dataclass
from typing import Any

__all__ = ["ECHO", "GET", "HEAD", "Answer", "Received", "call", "connect", "exchange", "get", "post", "receive", "rpc"]

HEAD = b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
GET = b"GET /api/mark?text=%b HTTP/1.1\r\nHost: 127.0.0.1\r\n"

_STATUS = re.compile(rb"HTTP/1\.[01] ([2-5][0-9]{2})[ \r]")

# Interim responses, any number of which may precede the final one (RFC 9110, section 15.2).
_INTERIM = re.compile(rb"(?:HTTP/1\.1 1[0-9]{2}[^\r]*\r\n(?:[^\r\n]+\r\n)*\r\n)+")

Address = Any


@dataclass(frozen=True, slots=True)
class Received:
    """The bytes that came over a connection.

    Attributes:
        data: The bytes.
        ended: Whether the server has ended the connection, with or without a reset.
        seconds: How long reading took.
    """

    data: bytes
    ended: bool
    seconds: float

    @property
    def statuses(self) -> list[int]:
        """The status codes of the final responses. No body of the server under test looks like one."""
        return [int(code) for code in _STATUS.findall(self.data)]

    @property
    def _final(self) -> bytes:
        return _INTERIM.sub(b"", self.data, count=1) if self.data.startswith(b"HTTP/1.1 1") else self.data

    @property
    def body(self) -> bytes:
        """The bytes after the head of the first final response."""
        return self._final.partition(b"\r\n\r\n")[2]

    def fields(self, name: str) -> list[str]:
        """Return the values of a header of the first final response."""
        lines = self._final.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        pairs = [line.partition(":") for line in lines]
        return [value.strip() for key, _, value in pairs if key.lower() == name.lower()]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call.

    Attributes:
        status: The status code; 0 if there was no answer in time.
        value: The response object; None if there was none.
        seconds: How long it took.
        received: The raw answer.
    """

    status: int
    value: Any
    seconds: float
    received: Received

    @property
    def result(self) -> Any:
        return self.value.get("result") if isinstance(self.value, dict) else None

    @property
    def code(self) -> Any:
        """The code of the error; None for a result."""
        return self.value.get("error", {}).get("code") if isinstance(self.value, dict) else None


def rpc(method: str, *params: Any, request_id: Any = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": request_id}).encode()


ECHO = rpc("echo", "a")


def post(body: bytes, *fields: bytes, target: bytes = b"/api") -> bytes:
    """Return a POST of a body, with Content-Length and further header fields."""
    head = HEAD.replace(b"/api", target, 1)
    return head + b"".join(field + b"\r\n" for field in fields) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def get(text: str, *fields: bytes) -> bytes:
    """Return a GET that calls ``mark`` with a text."""
    return GET % text.encode() + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def connect(address: Address, timeout_s: float = 5, source: str | None = None) -> socket.socket:
    """Connect to a server by its TCP address, or by the path of its Unix socket."""
    if isinstance(address, str):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(timeout_s)
        client.connect(address)
        return client
    client = socket.create_connection(address, timeout_s, source_address=(source, 0) if source else None)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def receive(client: socket.socket, timeout_s: float) -> Received:
    """Read until the server ends the connection, or the time is over."""
    began = time.monotonic()
    received = bytearray()
    ended = False
    while not ended and (left_s := began + timeout_s - time.monotonic()) > 0:
        client.settimeout(left_s)
        try:
            chunk = client.recv(65536)
        except TimeoutError:
            break
        except OSError:  # a reset, or an alert of TLS
            chunk = b""
        ended = not chunk
        received += chunk
    return Received(bytes(received), ended, time.monotonic() - began)


def exchange(address: Address, data: bytes, timeout_s: float = 3) -> Received:
    """Send bytes over a new connection, and read until it ends or the time is over."""
    began = time.monotonic()
    try:
        with connect(address, timeout_s) as client:
            with contextlib.suppress(OSError):  # refused during the send: the answer can still be read
                client.sendall(data)
            return receive(client, timeout_s)
    except OSError:
        return Received(b"", True, time.monotonic() - began)


def call(address: Address, method: str, *params: Any, timeout_s: float = 5) -> Answer:
    """Call a method over a new connection."""
    began = time.monotonic()
    received = exchange(address, post(rpc(method, *params), b"Connection: close"), timeout_s)
    return answer_of(received, time.monotonic() - began)


def answer_of(received: Received, seconds: float) -> Answer:
    if not received.ended or not received.statuses:
        return Answer(0, None, seconds, received)
    try:
        value = json.loads(received.body)
    except ValueError:
        value = None
    return Answer(received.statuses[0], value, seconds, received)
