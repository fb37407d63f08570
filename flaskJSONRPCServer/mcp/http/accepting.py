"""The forms of an answer that a client accepts: one message as JSON, or a stream of events."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from ..protocol.events import EVENT_STREAM

__all__ = ["Accepted", "accepted_by"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The forms that a client accepts.

    Attributes:
        json: One message as JSON.
        events: A stream of events.
    """

    json: bool
    events: bool


@lru_cache(64)
def accepted_by(accept: str) -> Accepted:
    """Return what a value of the field ``Accept`` accepts; without one, JSON."""
    if not accept:
        return Accepted(json=True, events=False)
    given = parse_accept_header(accept, MIMEAccept)
    types = MIMEAccept([(value.partition(";")[0], quality) for value, quality in given])  # without such as charset
    return Accepted(json=types["application/json"] > 0, events=types[EVENT_STREAM] > 0)
