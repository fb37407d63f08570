"""Predicting which calls are short enough for the thread that manages the connections.

Handing a call to another thread, and its answer back, costs more than most calls do themselves. So the native front
measures the calls of each path, and answers those that are short in the manager's thread. The prediction may be wrong:
user code may block. Then another thread takes the lead, see :mod:`.leadership`, and the path is not predicted to be
short again for a while.
"""

from __future__ import annotations

__all__ = ["ShortCalls"]

# All guessed. Handing a call to another thread and back takes some 15 us on two cores.
SHORT_S = 0.000_2  # the longest average of a path whose calls are short
LONG_S = 0.001  # a single call that takes longer makes its path long, unless that is rare
RARE_CALLS = 500  # a long call after more calls than these is rare
FIRST_AVERAGE_S = 10 * SHORT_S  # so that some forty calls must be short before the path is
WEIGHT = 1 / 16  # the weight of the latest call in the average
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 60.0
MOST_PATHS = 10_000


class PathTimes:
    """The measured durations of the calls of one path."""

    __slots__ = ("average_s", "calls", "pause_s", "resumes_at")

    def __init__(self) -> None:
        self.calls = 0  # since the last long one
        self.average_s = FIRST_AVERAGE_S
        self.pause_s = FIRST_PAUSE_S
        self.resumes_at = 0.0


class ShortCalls:
    """Predicts from the past calls of each path whether the next one will be short.

    Each wrong prediction pauses the path, twice as long each time: a path whose calls are usually short and sometimes
    long would hold up other requests again and again. A rare long call that has not cost the lead pauses nothing: on a
    busy machine, the system may have run another program meanwhile.

    The paths are those of requests that the pipeline has answered: nearly always registered ones. A request that a stop
    refuses may have any path, so they are bounded.

    Any thread may record a call, without a lock: an update that two threads lose to each other does not matter.

    Attributes:
        short_paths: The paths whose next call is predicted to be short.
    """

    def __init__(self) -> None:
        self._paths: dict[str, PathTimes] = {}
        self.short_paths: set[str] = set()

    def record(self, path: str, began: float, ended: float) -> None:
        """Record a call. Both times are in seconds, by the same clock."""
        times = self._paths.get(path)
        if times is None:
            if len(self._paths) >= MOST_PATHS:
                return
            times = self._paths[path] = PathTimes()
        duration_s = ended - began
        average_s = times.average_s = times.average_s + (duration_s - times.average_s) * WEIGHT
        times.calls += 1
        if duration_s > LONG_S:
            self._record_long(path, times, ended)
        elif path not in self.short_paths:
            if average_s < SHORT_S and ended >= times.resumes_at:
                self.short_paths.add(path)
        elif average_s > SHORT_S:
            self.short_paths.discard(path)

    def _record_long(self, path: str, times: PathTimes, now: float) -> None:
        is_rare, times.calls = times.calls > RARE_CALLS, 0
        if path in self.short_paths and not is_rare:
            self.mark_long(path, now)
        else:  # until the average says otherwise
            self.short_paths.discard(path)

    def mark_long(self, path: str, now: float) -> None:
        """Predict long calls for a path, for a while."""
        times = self._paths[path]
        was_long_ago = now - times.resumes_at > 10 * times.pause_s
        times.pause_s = FIRST_PAUSE_S if was_long_ago else min(2 * times.pause_s, LONGEST_PAUSE_S)
        times.resumes_at = now + times.pause_s
        times.average_s = FIRST_AVERAGE_S
        self.short_paths.discard(path)
