"""When a server was started, and how often it has been restarted, and when it was reloaded."""

from __future__ import annotations

import time

__all__ = ["Lifetime"]


class Lifetime:
    """The start, the restarts and the last reload of one server, since it was made.

    Attributes:
        started_at_s: The last start, in seconds since 1970; the time when the server was made, before one.
        restarts: The number of restarts.
        reloaded_at_s: The last reload that succeeded, in seconds since 1970; None before one.
    """

    def __init__(self) -> None:
        self.started_at_s = time.time()
        self.restarts = 0  # written by one restart at a time
        self.reloaded_at_s: float | None = None

    def note_start(self) -> None:
        """Note that the server starts."""
        self.started_at_s = time.time()

    def note_restart(self) -> None:
        """Count a restart."""
        self.restarts += 1

    def note_reload(self) -> None:
        """Note a reload that succeeded."""
        self.reloaded_at_s = time.time()
