"""When the machine stood still: a virtual machine that is paused runs into every timeout at once.

The clocks go on meanwhile. After it, the server ends what was idle or half sent for too long, as it has to, and clients
find their connections closed. What is cut so is counted apart, for it is no fault of the server.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

# Less than every timeout of the server, and more than a thread waits on a machine that is only busy.
_STALL_S = 1.5
_TICK_S = 0.1

# How long after a stall a client may still find a connection that it has ended.
_AFTERMATH_S = 5.0


class StallWatch:
    """Notices that its thread was not run for a while.

    Attributes:
        count: How often.
        total_s: For how long in all, in seconds.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0
        # Written by the thread of the watch alone, as are the two above.
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
        """Return whether the machine stood still since a time, or shortly before it.

        Args:
            began: When what failed began, by the monotonic clock.
        """
        # Whoever asks may have been woken before the thread of the watch.
        return self._last_end > began - _AFTERMATH_S or time.monotonic() - self._tick > _STALL_S

    def _run(self) -> None:
        while not self._over.wait(_TICK_S):
            now = time.monotonic()
            self.noticed(now - self._tick, now)
            self._tick = now

    def noticed(self, lasted_s: float, now: float) -> None:
        """Take down how long a tick has lasted."""
        if lasted_s > _STALL_S:
            self.count += 1
            self.total_s += lasted_s
            self._last_end = now
