"""Log messages for the client of a call, which are apart from the log of the server.

Source: revision 2025-11-25, "Logging"; revision 2026-07-28, "Overview", section `_meta`.
"""

from __future__ import annotations

from typing import Any

from ...dispatch.call_control import current_call
from ...runtime.text import short_repr
from ..protocol.requests import LOG_LEVELS

__all__ = ["is_wanted", "log"]


def log(level: str, data: Any, logger: str | None = None) -> None:
    """Send a log message to the client of this call; do nothing if it wants none, or none of this level.

    Args:
        level: ``debug``, ``info``, ``notice``, ``warning``, ``error``, ``critical``, ``alert`` or ``emergency``.
        data: The message: a string, or any other JSON value. The ``repr()`` of what has no JSON form is sent instead.
        logger: The name of the logger; None for none.

    Raises:
        ValueError: The level is none of these.
        TypeError: The logger is no string.
    """
    if level not in LOG_LEVELS:
        raise ValueError(f"level={short_repr(level, 100)} is refused: known are {', '.join(LOG_LEVELS)}")
    if logger is not None and not isinstance(logger, str):
        raise TypeError(f"logger={short_repr(logger, 100)} is refused: it takes a string, or None")
    call = current_call()
    if call is not None:
        call.log(level, data, logger)


def is_wanted(level: str, least: str | None) -> bool:
    """Return whether a client that wants messages from a level on wants one; None wants none."""
    return least is not None and LOG_LEVELS.index(level) >= LOG_LEVELS.index(least)
