"""Threads that answer requests: a bounded number of them, started when there is work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

__all__ = ["Workers"]


class Workers:
    """Runs tasks in threads, and waits for their end. Tasks beyond the number of threads queue.

    Args:
        most: The most threads.
        name: Their name.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._ended = threading.Condition()
        self._unfinished = 0  # tasks that wait or run; guarded by _ended
        self._threads: set[threading.Thread] = set()  # guarded by _ended

    def give(self, task: Callable[[], object]) -> None:
        """Run a task as soon as a thread is free."""
        with self._ended:
            self._unfinished += 1
            if len(self._threads) < min(self._unfinished, self._most):
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()
        self._tasks.put(task)

    def finish(self, timeout_s: float) -> int:
        """Wait for all tasks, and end the threads. Those of tasks that have not ended yet end with them.

        Returns:
            How many had not ended when the time was over.
        """
        with self._ended:
            self._ended.wait_for(lambda: not self._unfinished, timeout_s)
            left = self._unfinished
            threads = list(self._threads)
        for _ in threads:
            self._tasks.put(None)
        for thread in [] if left else threads:
            thread.join()
        return left

    def _run(self) -> None:
        try:
            while (task := self._tasks.get()) is not None:
                try:
                    task()
                finally:
                    with self._ended:
                        self._unfinished -= 1
                        self._ended.notify_all()
        finally:
            with self._ended:
                self._threads.discard(threading.current_thread())
