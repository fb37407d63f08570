"""Detect stalls of the machine: after the pause of a virtual machine, every timeout expires at once.

The clocks keep running. After a stall, the server correctly closes idle and incomplete connections, and clients find
their connections closed. Such requests are counted separately, since they are not a fault of the server.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

# Shorter than every timeout of the server, and longer than a thread waits on a busy machine.
_STALL_S = 1.5
_TICK_S = 0.1

# How long after a stall a client may still find a closed connection.
_AFTERMATH_S = 5.0


class StallWatch:
    """Notices that its thread did not run for a while.

    Attributes:
        count: The number of stalls.
        total_s: Their total duration, in seconds.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0
        # Only the thread of the watch writes it and the two above.
        self._last_end = -_AFTERMATH_S
        self._tick = time.monotonic()
        self._over = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator["StallWatch"]:
        """Watch while the block runs."""
        self._tick = time.monotonic()
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def explains(self, began: float) -> bool:
        """Return whether the machine stalled since a time, or shortly before.

        Args:
            began: The beginning of the failed request, by the monotonic clock.
        """
        # The calling thread may have been woken before the thread of the watch.
        return self._last_end > began - _AFTERMATH_S or time.monotonic() - self._tick > _STALL_S

    def _run(self) -> None:
        while not self._over.wait(_TICK_S):
            now = time.monotonic()
            self.noticed(now - self._tick, now)
            self._tick = now

    def noticed(self, lasted_s: float, now: float) -> None:
        """Record the duration of a tick."""
        if lasted_s > _STALL_S:
            self.count += 1
            self.total_s += lasted_s
            self._last_end = now
