"""The plain answers of an endpoint by HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...http.event_streams import AnswerStream, StreamedResponse
from ...http.response import Header, Response, json_response
from ..protocol.events import HEADERS, KEEP_ALIVE
from ..service import Reply

__all__ = ["empty_answer", "event_stream", "json_answer", "text_answer"]


def json_answer(reply: Reply, headers: Sequence[Header] = ()) -> Response:
    """Return the answer with one message."""
    if reply.status == "200 OK" and not headers:
        return json_response(reply.text)
    own = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(reply.text))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if reply.retry_after_s is not None:
        own.append(("Retry-After", str(reply.retry_after_s)))
    return Response(reply.status, [*own, *headers], reply.text)


def event_stream(
    run: Callable[[AnswerStream], object],
    keep_alive_s: float,
    last_part: Callable[[], bytes] | None = None,
    *,
    ends_with_run: bool = False,
) -> StreamedResponse:
    """Return the answer with a stream of events.

    Args:
        run: As with :class:`~flaskJSONRPCServer.http.event_streams.StreamedResponse`, and so the last two.
        keep_alive_s: After how many seconds of silence it sends a comment.
        last_part: As there.
        ends_with_run: As there.
    """
    return StreamedResponse(
        "200 OK",
        list(HEADERS),
        run,
        heartbeat=KEEP_ALIVE,
        heartbeat_s=keep_alive_s,
        last_part=last_part,
        ends_with_run=ends_with_run,
    )


def text_answer(status: str, text: str, *headers: Header) -> Response:
    """Return the answer with a sentence for people."""
    body = f"{text}\n".encode()
    own = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Response(status, [*own, *headers], body)


def empty_answer(status: str, *headers: Header) -> Response:
    """Return the answer without a body."""
    length = [] if status.startswith("204") else [("Content-Length", "0")]  # RFC 9110, section 8.6
    return Response(status, [*length, *headers])
