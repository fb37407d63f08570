"""Threads that are counted while they run, so that an end can wait for them."""

from __future__ import annotations

from collections.abc import Callable

from .concurrency import make_condition, start_thread

__all__ = ["CountedThreads"]


class CountedThreads:
    """Runs functions, each in a thread of its own, and counts those that run."""

    def __init__(self) -> None:
        self._changed = make_condition()
        self._running = 0  # guarded by _changed

    @property
    def running(self) -> int:
        """How many functions run."""
        return self._running

    def start(self, run: Callable[[], object], name: str, most: int | None = None) -> bool:
        """Run a function in a thread of its own.

        Args:
            run: The function. It must not raise.
            name: The name of the thread.
            most: How many may run at the same time; None for any number.

        Returns:
            Whether it runs: False if as many as ``most`` run already.
        """
        with self._changed:
            if most is not None and self._running >= most:
                return False
            self._running += 1
        try:
            start_thread(self._run, (run,), name=name)
        except BaseException:
            self._note_end()
            raise
        return True

    def drain(self, timeout_s: float, allowed: int = 0) -> int:
        """Wait until no more than ``allowed`` functions run. Return how many run then."""
        with self._changed:
            self._changed.wait_for(lambda: self._running <= allowed, timeout_s)
            return self._running

    def _run(self, run: Callable[[], object]) -> None:
        try:
            run()
        finally:
            self._note_end()

    def _note_end(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()
