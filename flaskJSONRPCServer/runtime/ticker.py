"""Run the periodic tasks of a server.

One thread samples the rate of requests once a second and, with ``controlGC=True``, calls the documented ``_controlGC``.
No request pays for either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from .logs import ERROR, ServerLog

__all__ = ["Ticker"]

_EVERY_S = 1.0


class Ticker:
    """Calls functions periodically, in a thread of its own.

    Args:
        name: The name of the thread.
        tasks: The functions. Their exceptions are logged and do not stop the thread.
        at_end: Called when the thread ends, for any reason.
        log: The log for exceptions.
        every_s: The interval, in seconds.
    """

    def __init__(
        self,
        name: str,
        tasks: Iterable[Callable[[], object]],
        at_end: Callable[[], object],
        log: ServerLog,
        every_s: float = _EVERY_S,
    ) -> None:
        self._tasks = list(tasks)
        self._at_end = at_end
        self._log = log
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for its end. A task may call this too."""
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self._every_s):
                for task in self._tasks:
                    self._call(task)
        finally:
            self._at_end()

    def _call(self, task: Callable[[], object]) -> None:
        try:
            task()
        except Exception:  # noqa: BLE001  it may be the user's code, and the other tasks must run
            self._log.write(ERROR, f"{task!r} raised", traceback=True)
