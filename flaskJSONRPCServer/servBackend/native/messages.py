"""Serializing answers (RFC 9112, section 4)."""

from __future__ import annotations

import email.utils
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ...http.refusals import Refusal, ServiceUnavailable
from ...http.response import NO_CONTENT, Response, json_response, refusal_response
from ..wsgi import has_no_body

__all__ = [
    "CONTINUE",
    "LAST_CHUNK",
    "Header",
    "chunk",
    "head_message",
    "permitted_headers",
    "refusal_message",
    "retry_after_s",
    "rpc_head",
    "rpc_message",
    "whole_message",
]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

# When a client that was refused for want of room may try again, in seconds, at the earliest and the latest. The time is
# random, since clients that were refused together would come back together. Guessed.
_RETRY_AFTER_S = (1, 3)

Header = tuple[str, str]

_STATUS = re.compile(r"[2-9][0-9]{2}( .*)?", re.DOTALL)  # of the one final answer: 1xx would precede it
_MAX_LATIN_1 = 0xFF
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def head_message(status: str, headers: Sequence[Header], extra_lines: str) -> bytes:
    """Return the head of an answer.

    Args:
        status: Code and reason.
        headers: Names and values.
        extra_lines: Complete header lines to append.

    Raises:
        ValueError: The status or a name is malformed, or there is a line break, which would begin another header, or a
            character that is not Latin-1.
    """
    if not _STATUS.fullmatch(status):
        raise ValueError(f"the status {status!r} is not a final code and a reason, such as '200 OK'")
    for name, _ in headers:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"the header name {name!r} is not a token (RFC 9110, section 5.6.2)")
    # A status without a reason has a space too (RFC 9112, section 4).
    text = head_text(status if " " in status else f"{status} ", headers)
    if text.count("\n") != len(headers) + 1 or text.count("\r") != len(headers) + 1 or "\0" in text:
        raise ValueError("the status or a header has a line break or NUL")
    try:
        encoded = f"{text}{extra_lines}".encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{not_latin_1(headers)} has a character that is not Latin-1") from None
    return encoded + _this_second().date_line + b"\r\n"


def not_latin_1(headers: Sequence[Header]) -> str:
    """Return words for the first header that is not Latin-1, or else for the status."""
    wrong = (name for name, value in headers if any(ord(char) > _MAX_LATIN_1 for char in value))
    return next((f"the header {name!r}" for name in wrong), "the status")


def head_text(status: str, headers: Sequence[Header]) -> str:
    """Return the lines of a head, without the empty one at its end."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"HTTP/1.1 {status}\r\n{lines}"


def whole_message(status: str, headers: Sequence[Header], body: bytes, extra_lines: str, *, is_head: bool) -> bytes:
    """Return a complete answer. For a HEAD request, Content-Length is the length of the body that GET would return.

    Raises:
        ValueError: As :func:`head_message`.
    """
    headers = permitted_headers(status, headers)
    if not has_no_body(status) and not any(name.lower() == "content-length" for name, _ in headers):
        extra_lines = f"Content-Length: {len(body)}\r\n{extra_lines}"
    head = head_message(status, headers, extra_lines)
    return head if is_head or has_no_body(status) else head + body


def rpc_message(response: Response, extra_lines: str) -> bytes:
    """Return an answer of the pipeline, which has checked the headers and declared the length already."""
    body = response.body
    if response.headers_if_any is not None or extra_lines:
        return rpc_head(response, extra_lines) + body
    second = _this_second()
    return second.json_answer % (len(body), body) if body else second.empty_answer


def rpc_head(response: Response, extra_lines: str) -> bytes:
    """Return the head of an answer of the pipeline: the whole answer to a HEAD request."""
    text = f"{head_text(response.status, response.headers)}{extra_lines}"
    return text.encode("latin-1") + _this_second().date_line + b"\r\n"


def permitted_headers(status: str, headers: Sequence[Header]) -> Sequence[Header]:
    """Return the headers without Content-Length if the status is 204, which must not have one (RFC 9110, section 8.6).

    304 may have one: the length that 200 would have.
    """
    if status[:3] != "204":
        return headers
    return [header for header in headers if header[0].lower() != "content-length"]


def chunk(data: bytes) -> bytes:
    """Frame a part of a body as a chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def refusal_message(
    refusal: Refusal, headers: Sequence[Header] = (), *, is_head: bool = False, keeps_alive: bool = False
) -> bytes:
    """Return the answer that refuses a request. By default, it closes the connection."""
    response = refusal_response(refusal)
    extra_lines = "" if keeps_alive else "Connection: close\r\n"
    if isinstance(refusal, ServiceUnavailable) and refusal.retry_after_s is None:
        extra_lines += f"Retry-After: {retry_after_s()}\r\n"
    head = head_message(response.status, [*response.headers, *headers], extra_lines)
    return head if is_head else head + response.body


def retry_after_s() -> int:
    """Return when a client that was refused for want of room may try again, in seconds."""
    return random.randint(*_RETRY_AFTER_S)  # noqa: S311  nobody gains by guessing it  # nosec B311


@dataclass(frozen=True, slots=True)
class Second:
    """The bytes of all answers of one second.

    Attributes:
        begins_at: When it begins, in seconds since 1970.
        date_line: The Date line.
        json_answer: The format of a plain JSON answer, as nearly all are: its length and its body are to be filled in.
        empty_answer: The answer to notifications alone.
    """

    begins_at: float
    date_line: bytes
    json_answer: bytes
    empty_answer: bytes


def _this_second() -> Second:
    """Return the bytes of the answers that are made now."""
    global _second  # noqa: PLW0603  a cache with one entry
    now, second = time.time(), _second
    if not second.begins_at <= now < second.begins_at + 1.0:
        second = _second = second_of(now)
    return second


def second_of(now: float) -> Second:
    """Return the bytes of the answers of the second that contains a time."""
    date_line = f"Date: {email.utils.formatdate(now // 1, usegmt=True)}\r\n".encode()
    return Second(now // 1, date_line, _JSON_HEAD + date_line + b"\r\n%b", _EMPTY_HEAD + date_line + b"\r\n")


# With a place for the length of the body.
_JSON_HEAD = head_text("200 OK", json_response(b"{}").headers).replace("Length: 2", "Length: %d").encode()
_EMPTY_HEAD = head_text(NO_CONTENT, []).encode()
_second = second_of(0.0)  # replaced in one assignment, so that threads need no lock
