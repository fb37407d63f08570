"""Server-sent events, each with one message.

Source: HTML Living Standard, section "Server-sent events".
"""

from __future__ import annotations

from typing import Final

__all__ = ["EVENT_STREAM", "HEADERS", "KEEP_ALIVE", "event"]

EVENT_STREAM: Final = "text/event-stream"

HEADERS: Final = (
    ("Content-Type", EVENT_STREAM),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),  # nginx would hold events back
    ("X-Content-Type-Options", "nosniff"),
)

KEEP_ALIVE: Final = b":\n\n"
"""A comment, which clients ignore."""


def event(message: bytes, event_id: str | None = None) -> bytes:
    """Return an event with a message, which is JSON without line ends."""
    head = b"" if event_id is None else b"id: %b\n" % event_id.encode()
    return b"%bevent: message\ndata: %b\n\n" % (head, message.replace(b"\r", b"").replace(b"\n", b""))
