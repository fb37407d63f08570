"""Parses ``restartOn``: the reasons for which ``serveForever`` restarts a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .dispatch.facade import ServerFacade
from .errors import SettingsError

__all__ = ["near_descriptor_limit", "read_reasons"]


def read_reasons(restart_on: Any) -> list[Callable[[Any], object]]:
    """Parse ``restartOn``: a function of the server, the word ``checkFileDescriptor``, or a list of these.

    Raises:
        SettingsError: One of them is neither.
    """
    if not restart_on:
        return []
    wanted = restart_on if isinstance(restart_on, (list, tuple)) else [restart_on]
    reasons = [near_descriptor_limit if reason == "checkFileDescriptor" else reason for reason in wanted]
    for reason in reasons:
        if not callable(reason):
            raise SettingsError(
                f"restartOn={reason!r} is refused: it takes a function of the server, 'checkFileDescriptor', or a list"
            )
    return reasons


def near_descriptor_limit(server: ServerFacade) -> bool:
    """Return whether nearly all descriptors are in use, by the documented ``_checkFileDescriptor``."""
    return bool(server._checkFileDescriptor())
