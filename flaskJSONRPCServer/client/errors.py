"""The exceptions of the client.

ClientError
 ├── TransportError                     there is no answer
 │    ├── ConnectError                  no connection: the request was not sent
 │    │    └── ConnectTimeoutError      (also a RequestTimeoutError)
 │    ├── RequestTimeoutError           a time ran out (also a TimeoutError)
 │    └── ConnectionLostError           the connection ended before the answer did
 ├── HttpStatusError                    the answer is not JSON-RPC, and has a status that says why
 ├── ProtocolError                      the answer breaks the rules of HTTP or of JSON-RPC
 │    └── AnswerTooLargeError           it has more bytes than `max_answer_bytes`
 └── ResultError                        a result does not fit its type hint

An error that the server answers with is a `JsonRpcException`: `JsonRpcMethodNotFoundError`, `JsonRpcApplicationError`,
or a subclass that declares its code.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "AnswerTooLargeError",
    "ClientError",
    "ConnectError",
    "ConnectTimeoutError",
    "ConnectionLostError",
    "HttpStatusError",
    "ProtocolError",
    "RequestTimeoutError",
    "ResultError",
    "TransportError",
]


class ClientError(Exception):
    """The base of all exceptions of the client, other than those of JSON-RPC."""


class TransportError(ClientError):
    """There is no answer.

    Attributes:
        is_sent: Whether the server may have received the request. If it may, only a safe call can be sent again.
        is_stale: Whether the request was sent on a connection that had been used before, and no byte of an answer came:
            most likely the server had closed the connection.
    """

    def __init__(self, message: str, *, is_sent: bool = True, is_stale: bool = False) -> None:
        super().__init__(message)
        self.is_sent = is_sent
        self.is_stale = is_stale


class ConnectError(TransportError):
    """There is no connection to the server or to the proxy. The request was not sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_sent=False)


class RequestTimeoutError(TransportError, TimeoutError):
    """One of the times ran out: of the call, or of the silence before the next byte of the answer."""


class ConnectTimeoutError(ConnectError, RequestTimeoutError):
    """The time to connect ran out. The request was not sent."""


class ConnectionLostError(TransportError):
    """The connection ended before the whole answer had come."""


class HttpStatusError(ClientError):
    """The server, or a proxy, answered with an HTTP status in place of a JSON-RPC answer.

    Attributes:
        status: The status code.
        text: The body, decoded.
        headers: The header fields, with names in lower case.
        url: The URL of the requests, without a user, a password and the query; empty for a server in this process.
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str], url: str = "") -> None:
        super().__init__(status, text, headers, url)
        self.status = status
        self.text = text
        self.headers = headers
        self.url = url

    def __str__(self) -> str:
        text = self.text.strip()
        if text.startswith("<") and "<title>" in text:  # a page, whose first line says nothing
            title = text.partition("<title>")[2].partition("</title>")[0]
            text = title.strip().removeprefix(f"{self.status} ")
        # Control characters of a server would act on the terminal that shows the message.
        first_line = "".join(filter(str.isprintable, text.partition("\n")[0].expandtabs()))[:200].strip()
        reason = f": {first_line}" if first_line else ""
        return f"HTTP status {self.status}{reason}" + (f" ({self.url})" if self.url else "")


class ProtocolError(ClientError):
    """The answer breaks the rules of HTTP or of JSON-RPC: it is missing, doubled, malformed, or for another call."""


class AnswerTooLargeError(ProtocolError):
    """The answer has more bytes than `max_answer_bytes`, before or after decompression. It was not read further."""


class ResultError(ClientError):
    """A result does not fit its type hint. The message has the path of the value."""
