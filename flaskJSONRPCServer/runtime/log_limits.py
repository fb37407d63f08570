"""Bound the rate of log lines that any client on the network can cause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .concurrency import make_lock
from .logs import ERROR, WARNING, ServerLog
from .text import short_repr

__all__ = ["LimitedLog", "LimitedTracebacks", "WarnOnce"]

# The most lines of one kind in a window by default, and its length; guessed.
_LINES = 20
_WINDOW_S = 10.0


@dataclass(slots=True)
class Window:
    """Counts lines until a window ends; the next one begins with the next line.

    Attributes:
        ends_at: Its end, in seconds.
        count: The number of its lines.
    """

    ends_at: float = 0.0
    count: int = 0

    def add(self, now: float) -> int:
        """Count a line. If it is the first of a window, return how many the one before had; else 0."""
        before = 0
        if now >= self.ends_at:
            self.ends_at, before, self.count = now + _WINDOW_S, self.count, 0
        self.count += 1
        return before


class LimitedLog:
    """Writes log lines, at most a few of each kind per window.

    The first line of the next window says how many were left out.

    Args:
        write: Writes a line, given its parts.
        clock: Returns the time in seconds.
        most_lines: The most lines of one kind in a window.
    """

    def __init__(
        self, write: Callable[..., object], clock: Callable[[], float] = time.monotonic, most_lines: int = _LINES
    ) -> None:
        self._write = write
        self._clock = clock
        self._most_lines = most_lines
        self._lock = threading.Lock()
        self._windows: dict[str, Window] = {}  # by kind; guarded by _lock

    def write(self, kind: str, *parts: Any) -> None:
        """Write a line that begins with its kind.

        Args:
            kind: One of a few fixed texts. It must not hold any text of the client, since each kind takes memory.
            parts: The rest of the line.
        """
        with self._lock:
            window = self._windows.setdefault(kind, Window())
            left_out = max(0, window.add(self._clock()) - self._most_lines)
            is_written = window.count <= self._most_lines
        if is_written:
            self._write(kind, *parts, *([f"({left_out} lines like this one were left out)"] if left_out else []))


class LimitedTracebacks:
    """Writes a line for each exception of a function of the user, and a few tracebacks per window.

    Further lines name the exception. Clients that have not been admitted can make such a function raise at any rate.

    Args:
        log: Gets the lines.
        clock: Returns the time in seconds.
    """

    def __init__(self, log: ServerLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._changing = make_lock()
        self._window = Window()  # guarded by _changing

    def write(self, text: str, exc: BaseException) -> None:
        """Write a line about the exception that is being handled."""
        if self._has_room():
            self._log.write(ERROR, text, traceback=True)
        else:
            self._log.write(ERROR, f"{text}: {short_repr(exc)} (its traceback is left out, after {_LINES} others)")

    def _has_room(self) -> bool:
        with self._changing:
            self._window.add(self._clock())
            return self._window.count <= _LINES


class WarnOnce:
    """Writes one warning, however often there is reason for it.

    Args:
        log: Gets it.
    """

    def __init__(self, log: ServerLog) -> None:
        self._log = log
        self._changing = make_lock()
        self._has_warned = False  # guarded by _changing

    def write(self, text: str) -> None:
        """Write the warning, unless one has been written."""
        with self._changing:
            is_first, self._has_warned = not self._has_warned, True
        if is_first:
            self._log.write(WARNING, text)
