"""Changes of ``flask.session`` that come too late: Flask sends the session with the head of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import flask

from ..runtime.logs import WARNING, ServerLog

__all__ = ["warning_of_lost_changes"]

_LOST = (
    "flask.session was changed in a call whose answer is a stream, so the change is lost: the head of the answer was "
    "sent before. Clients get a stream if they ask for progress or log messages, or have a session"
)


@contextmanager
def warning_of_lost_changes(log: ServerLog) -> Iterator[None]:
    """Warn if the block changes the session of ``flask.request``, which has been saved before."""
    session = flask.session
    session.modified = False  # by a hook, before it was saved
    try:
        yield
    finally:
        if session.modified:
            log.write(WARNING, _LOST)
