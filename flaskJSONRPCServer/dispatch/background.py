"""Calls that go on when their requests have been answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from ..runtime.counted_threads import CountedThreads

__all__ = ["BackgroundCalls"]


class BackgroundCalls:
    """The calls of one server that outlast their requests, so that a stop or a restart can wait for them."""

    def __init__(self) -> None:
        self._threads = CountedThreads()
        self._on_tick: list[Callable[[], object]] = []  # append-only, as the next one
        self._on_end: list[Callable[[], object]] = []

    def start(self, run: Callable[[], object], name: str) -> None:
        """Run a function in a thread of its own.

        Args:
            run: The function. It must not raise.
            name: The name of the thread.
        """
        self._threads.start(run, name)

    def on_tick(self, callback: Callable[[], object]) -> None:
        """Call a function once a second while the server is being served."""
        self._on_tick.append(callback)

    def on_end(self, callback: Callable[[], object]) -> None:
        """Call a function whenever the server stops, after it has waited for the calls."""
        self._on_end.append(callback)

    @property
    def is_idle(self) -> bool:
        """Whether no call runs."""
        return not self._threads.running

    def drain(self, timeout_s: float, allowed: int = 0) -> int:
        """Wait until no more than ``allowed`` calls run. Return how many run then."""
        return self._threads.drain(timeout_s, allowed)

    def notify_end(self) -> None:
        """Call the functions of :meth:`on_end`, each of them even if one raises: the server has stopped."""
        with ExitStack() as ends:
            for callback in reversed(self._on_end):
                ends.callback(callback)

    def tick(self) -> None:
        """Call the functions of :meth:`on_tick`."""
        for callback in self._on_tick:
            callback()
