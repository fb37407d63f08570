"""Tracebacks as text, of exceptions whose own code may fail while it is asked for."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any

from .interrupts import is_interrupt

__all__ = ["frames_of", "traceback_lines"]

_NO_MESSAGE = "<the exception cannot be formatted>"

# Python's own descriptors: an exception or its class may override these attributes by code that raises.
_TRACEBACK: Any = BaseException.__dict__["__traceback__"]
_NAME: Any = type.__dict__["__name__"]


def traceback_lines(exc: BaseException) -> list[str]:
    """Return the traceback of an exception, as :func:`traceback.format_exception` does.

    Formatting runs code of the exception: attributes, ``__str__`` and notes, of its causes too. If that raises, the
    text has the frames and the name of the class instead.
    """
    try:
        return traceback.format_exception(exc)
    except BaseException as failure:
        if is_interrupt(failure):
            raise
    return [*frame_lines(frames_of(exc)), f"{_NAME.__get__(type(exc))}: {_NO_MESSAGE}\n"]


def frames_of(exc: BaseException) -> TracebackType | None:
    """Return the traceback object of an exception, without running code of its class."""
    found: TracebackType | None = _TRACEBACK.__get__(exc)
    return found


def frame_lines(frames: TracebackType | None) -> list[str]:
    try:
        return ["Traceback (most recent call last):\n", *traceback.format_tb(frames)]
    except BaseException as failure:  # a loader of the user's that has to return the source
        if is_interrupt(failure):
            raise
        return []
