"""What a client is told before a request is JSON-RPC: an HTTP status and one plain sentence.

    Refusal
    ├── BadRequest            400
    │   └── BadEncoding       400  a body that is not what its Content-Encoding says
    ├── Forbidden             403
    ├── RequestTimeout        408
    ├── LengthRequired        411
    ├── BodyTooLarge          413
    ├── UrlTooLong            414
    ├── UnsupportedMediaType  415
    ├── Misdirected           421
    ├── TooManyHeaders        431
    └── ServiceUnavailable    503

Status codes: RFC 9110, section 15, and RFC 6585, section 5.
"""

from __future__ import annotations

__all__ = [
    "BadEncoding",
    "BadRequest",
    "BodyTooLarge",
    "Forbidden",
    "LengthRequired",
    "Misdirected",
    "Refusal",
    "RequestTimeout",
    "ServiceUnavailable",
    "TooManyHeaders",
    "UnsupportedMediaType",
    "UrlTooLong",
]


class Refusal(Exception):
    """A request is refused as HTTP. The message is sent to the client: it never holds a secret."""

    status: str


class BadRequest(Refusal):
    """The request contradicts itself or HTTP."""

    status = "400 Bad Request"


class BadEncoding(BadRequest):
    """The body is not what its Content-Encoding says."""


class Forbidden(Refusal):
    """The request is understood and not allowed."""

    status = "403 Forbidden"


class RequestTimeout(Refusal):
    """The client was silent for ``read_timeout_s`` in its body, or took over ``body_timeout_s`` for all of it."""

    status = "408 Request Timeout"


class LengthRequired(Refusal):
    """The body has no declared length, and the serving program does not tell where it ends."""

    status = "411 Length Required"


class BodyTooLarge(Refusal):
    """The body is over ``max_body_bytes``."""

    status = "413 Content Too Large"


class UrlTooLong(Refusal):
    """The URL is over ``max_url_bytes``."""

    status = "414 URI Too Long"


class UnsupportedMediaType(Refusal):
    """The body's media type, charset or content coding is not taken."""

    status = "415 Unsupported Media Type"


class Misdirected(Refusal):
    """The Host is not one that this server answers for."""

    status = "421 Misdirected Request"


class TooManyHeaders(Refusal):
    """There are more header fields than ``max_header_count``."""

    status = "431 Request Header Fields Too Large"


class ServiceUnavailable(Refusal):
    """The server has stopped before it did anything about the request, or too many others wait."""

    status = "503 Service Unavailable"
