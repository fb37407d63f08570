"""Refusals of requests before they are JSON-RPC: an HTTP status and one plain sentence.

    Refusal
    ├── BadRequest            400
    │   └── BadEncoding       400  the body does not match its Content-Encoding
    ├── Unauthorized          401  with a challenge
    ├── Forbidden             403
    ├── NotFound              404
    ├── NotAcceptable         406
    ├── RequestTimeout        408
    ├── Conflict              409
    ├── Gone                  410
    ├── LengthRequired        411
    ├── BodyTooLarge          413
    ├── UrlTooLong            414
    ├── UnsupportedMediaType  415
    ├── ExpectationFailed     417
    ├── Misdirected           421
    ├── KeyReused             422
    ├── TooManyRequests       429
    ├── TooManyHeaders        431
    ├── ClientGone            499  nothing is sent
    ├── MethodNotImplemented  501
    ├── ServiceUnavailable    503
    ├── CallTimeout           504
    └── VersionNotSupported   505

Status codes: RFC 9110, section 15, and RFC 6585, sections 4 and 5.
"""

from __future__ import annotations

__all__ = [
    "BadEncoding",
    "BadRequest",
    "BodyTooLarge",
    "CallTimeout",
    "ClientGone",
    "Conflict",
    "ExpectationFailed",
    "Forbidden",
    "Gone",
    "KeyReused",
    "LengthRequired",
    "MethodNotImplemented",
    "Misdirected",
    "NotAcceptable",
    "NotFound",
    "Refusal",
    "RequestTimeout",
    "ServiceUnavailable",
    "TooManyHeaders",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
    "UrlTooLong",
    "VersionNotSupported",
]


class Refusal(Exception):
    """A request is refused with an HTTP status. The message is sent to the client: it never holds a secret."""

    status: str
    retry_after_s: int | None = None
    """The seconds after which the client may retry; None if unknown, or if a retry would fail too."""
    challenge: str = ""
    """The value of the field WWW-Authenticate; empty for none."""


class BadRequest(Refusal):
    """The request contradicts itself or HTTP."""

    status = "400 Bad Request"


class BadEncoding(BadRequest):
    """The body does not match its Content-Encoding."""


class Unauthorized(Refusal):
    """The request has no valid credentials. Its ``challenge`` says which are wanted."""

    status = "401 Unauthorized"


class Forbidden(Refusal):
    """The request is understood and not allowed."""

    status = "403 Forbidden"


class NotFound(Refusal):
    """There is nothing at the URL."""

    status = "404 Not Found"


class NotAcceptable(Refusal):
    """The client accepts none of the media types of the answer."""

    status = "406 Not Acceptable"


class RequestTimeout(Refusal):
    """The client paused for ``read_timeout_s`` in its body, or took longer than ``body_timeout_s`` for all of it."""

    status = "408 Request Timeout"


class Conflict(Refusal):
    """The first request with the same ``Idempotency-Key`` is still under way."""

    status = "409 Conflict"
    retry_after_s = 1


class Gone(Refusal):
    """The request has been answered under its ``Idempotency-Key``, and the answer is not kept."""

    status = "410 Gone"


class LengthRequired(Refusal):
    """The body has no declared length, and the serving program does not mark its end."""

    status = "411 Length Required"


class BodyTooLarge(Refusal):
    """The body is over ``max_body_bytes``."""

    status = "413 Content Too Large"


class UrlTooLong(Refusal):
    """The URL is over ``max_url_bytes``."""

    status = "414 URI Too Long"


class UnsupportedMediaType(Refusal):
    """The body's media type, charset or content coding is not supported."""

    status = "415 Unsupported Media Type"


class ExpectationFailed(Refusal):
    """The client expects something other than ``100-continue``."""

    status = "417 Expectation Failed"


class Misdirected(Refusal):
    """The Host is not one that this server answers for."""

    status = "421 Misdirected Request"


class KeyReused(Refusal):
    """The ``Idempotency-Key`` belongs to a request with another body."""

    status = "422 Unprocessable Content"


class TooManyRequests(Refusal):
    """The client has exceeded ``rateLimit``."""

    status = "429 Too Many Requests"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyHeaders(Refusal):
    """There are more header fields than ``max_header_count``, or the head is over ``max_head_bytes``."""

    status = "431 Request Header Fields Too Large"


class ClientGone(Refusal):
    """The client has gone before its request was answered. Nothing is sent; the access log has the status of nginx."""

    status = "499 Client Closed Request"


class MethodNotImplemented(Refusal):
    """No URL of this server takes this HTTP method."""

    status = "501 Not Implemented"


class ServiceUnavailable(Refusal):
    """The server is busy or has stopped. It did not process the request, which may be sent again."""

    status = "503 Service Unavailable"


class CallTimeout(Refusal):
    """The call did not end within ``request_timeout_s``. It has begun, and may still take effect."""

    status = "504 Gateway Timeout"


class VersionNotSupported(Refusal):
    """The version is neither HTTP/1.0 nor HTTP/1.1."""

    status = "505 HTTP Version Not Supported"
