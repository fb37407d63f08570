"""The arguments with which an application opens a stream, and the refusal if there is no room for one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import ServiceUnavailable as HttpServiceUnavailable
from werkzeug.wrappers import Response as HttpResponse

from ...http.refusals import ServiceUnavailable
from ...http.response import refusal_response
from ...runtime.text import short_repr
from .messages import Header

__all__ = ["checked_headers", "no_room", "refuse_unusable"]


def refuse_unusable(status: Any, buffer_bytes: Any, on_close: Any) -> None:
    """Check arguments that would only fail at a later step.

    Raises:
        TypeError: One has a type that does not fit.
        ValueError: ``buffer_bytes`` is less than 1.
    """
    if not isinstance(status, str):
        wanted = "a code and a reason as text, such as '200 OK'"
        raise TypeError(f"status={short_repr(status)} is refused: it takes {wanted}")
    if not isinstance(buffer_bytes, int) or isinstance(buffer_bytes, bool):
        raise TypeError(f"buffer_bytes={short_repr(buffer_bytes)} is refused: it takes a whole number of bytes")
    if buffer_bytes < 1:
        raise ValueError(f"buffer_bytes={buffer_bytes!r} is refused: it takes at least 1")
    if on_close is not None and not callable(on_close):
        raise TypeError(f"on_close={short_repr(on_close)} is refused: it takes a function without parameters, or None")


def checked_headers(headers: Any) -> list[Header]:
    """Return the headers as a list of pairs.

    Raises:
        TypeError: They are something else, such as a dict.
    """
    pairs = list(headers) if isinstance(headers, Iterable) else [headers]
    if not all(is_header(pair) for pair in pairs):
        raise TypeError(
            f"headers={short_repr(headers)} is refused: it takes a list of pairs of texts, such as "
            "[('Content-Type', 'text/event-stream')]; of a dict, list(headers.items())"
        )
    return pairs


def is_header(pair: Any) -> bool:
    return isinstance(pair, (tuple, list)) and [isinstance(text, str) for text in pair] == [True, True]


def no_room(refusal: ServiceUnavailable) -> HTTPException:
    """Return a refusal as an exception that Flask answers."""
    response = refusal_response(refusal)
    return HttpServiceUnavailable(str(refusal), response=HttpResponse(response.body, response.status, response.headers))
