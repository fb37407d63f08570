"""Which calls are short enough for the thread that manages the connections."""

from __future__ import annotations

__all__ = ["ShortCalls"]

# All guessed. To hand a call to another thread and back takes some 15 us, with two cores.
SHORT_S = 0.000_2  # so long calls may take, on average
LONG_S = 0.001  # a single one that takes longer counts by itself
FIRST_AVERAGE_S = 10 * SHORT_S  # so that some forty have to be short before the first one is taken for short
WEIGHT = 1 / 16  # of the latest call in the average
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 60.0


class PathTimes:
    """How long the calls of one path take."""

    __slots__ = ("average_s", "is_short", "pause_s", "resumes_at")

    def __init__(self) -> None:
        self.average_s = FIRST_AVERAGE_S
        self.is_short = False
        self.pause_s = FIRST_PAUSE_S
        self.resumes_at = 0.0


class ShortCalls:
    """Learns from the calls of each path whether the next one will be short.

    A path whose calls are short as a rule, and long now and then, is found out each time it is trusted: so it is not
    trusted for a while, which is twice as long each time.

    Any thread may note a call; what is lost where two do so at once does not matter.
    """

    def __init__(self) -> None:
        self._paths: dict[str, PathTimes] = {}

    def has(self, path: str) -> bool:
        """Return whether a call of this path will be short, for all that is known."""
        times = self._paths.get(path)
        return times is not None and times.is_short

    def note(self, path: str, began: float, ended: float) -> None:
        """Note a call; the times are in seconds, by one clock."""
        times = self._paths.get(path)
        if times is None:
            times = self._paths[path] = PathTimes()
        duration_s = ended - began
        average_s = times.average_s = times.average_s + (duration_s - times.average_s) * WEIGHT
        if not times.is_short:
            times.is_short = average_s < SHORT_S and ended >= times.resumes_at
        elif duration_s > LONG_S:
            self.distrust(path, ended)
        elif average_s > SHORT_S:
            times.is_short = False

    def distrust(self, path: str, now: float) -> None:
        """Take calls of this path for long ones, for a while."""
        times = self._paths[path]
        was_long_ago = now - times.resumes_at > 10 * times.pause_s
        times.pause_s = FIRST_PAUSE_S if was_long_ago else min(2 * times.pause_s, LONGEST_PAUSE_S)
        times.resumes_at = now + times.pause_s
        times.average_s = FIRST_AVERAGE_S
        times.is_short = False
