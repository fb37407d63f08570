"""Progress on a terminal: what a program that takes long is doing, and for how long."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from .concurrency import native, start_native_thread

__all__ = ["progress"]

# Shorter work shows nothing.
_AFTER_S = 2.0
_EVERY_S = 1.0

_ERASE_LINE = "\r\x1b[K"


@contextlib.contextmanager
def progress(describe: str | Callable[[], str], stream: TextIO | None = None) -> Iterator[None]:
    """Show a line on a terminal while the block runs, from two seconds on, and erase it at the end.

    Args:
        describe: What the block does, such as ``loading``; or a function that says it again each second.
        stream: The stream; None for standard error. If it is no terminal, nothing is shown.
    """
    out = sys.stderr if stream is None else stream
    if not is_terminal(out):
        yield
        return
    line = ProgressLine(describe, out)
    try:
        yield
    finally:
        line.end()


class ProgressLine:
    """The line, and the thread that writes it.

    The thread is native, and waits for a native lock: under gevent, the program may not switch to a greenlet for long.
    """

    def __init__(self, describe: str | Callable[[], str], stream: TextIO) -> None:
        self._describe = describe
        self._stream = stream
        self._began_at = time.monotonic()
        self._running = native("_thread", "allocate_lock")()  # held until the end
        self._running.acquire()
        self._writing = native("_thread", "allocate_lock")()
        self._has_ended = self._is_shown = False  # guarded by _writing
        with contextlib.suppress(RuntimeError):  # the system has no room for another thread, so there is no line
            start_native_thread(self._run, name="progress")

    def end(self) -> None:
        """Erase the line."""
        self._running.release()
        with self._writing:
            self._has_ended = True
            if self._is_shown:
                self._write(_ERASE_LINE)

    def _run(self) -> None:
        wait_s = _AFTER_S
        while not self._running.acquire(timeout=wait_s):
            with self._writing:
                if self._has_ended:
                    return
                self._is_shown = True
                self._write(f"{_ERASE_LINE}{self._text()} ... {time.monotonic() - self._began_at:.0f} s")
            wait_s = _EVERY_S

    def _text(self) -> str:
        return self._describe if isinstance(self._describe, str) else self._describe()

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal has gone
            self._stream.write(text)
            self._stream.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; there may be no stream, or a closed one."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
