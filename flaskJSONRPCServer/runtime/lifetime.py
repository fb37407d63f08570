"""When a server was started, and how often it has been restarted and reloaded."""

from __future__ import annotations

import time

__all__ = ["Lifetime"]


class Lifetime:
    """The start, the restarts and the reloads of one server, since it was made.

    Attributes:
        started_at_s: The last start, in seconds since 1970; the time when the server was made, before one.
        restarts: The number of restarts.
        reloads: The number of reloads that succeeded.
        failed_reloads: The number of reloads that failed and changed nothing.
        reloaded_at_s: The last reload that succeeded, in seconds since 1970; None before one.
    """

    def __init__(self) -> None:
        self.started_at_s = time.time()
        self.restarts = 0  # written by one restart at a time, as reloads by one reload
        self.reloads = 0
        self.failed_reloads = 0
        self.reloaded_at_s: float | None = None

    def note_start(self) -> None:
        """Note that the server starts."""
        self.started_at_s = time.time()

    def note_restart(self) -> None:
        """Count a restart."""
        self.restarts += 1

    def note_reload(self, *, succeeded: bool) -> None:
        """Count a reload."""
        if succeeded:
            self.reloads += 1
            self.reloaded_at_s = time.time()
        else:
            self.failed_reloads += 1
