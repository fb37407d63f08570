"""One thread leads, and another one is ready to lead in its place when a task keeps it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic

from ...runtime.thread_pool import AnyTask, ThreadPool

__all__ = ["Leadership"]

# How often the follower looks whether the leader still runs the same task; guessed. A task that blocks holds everything
# up for twice as long at most.
LOOK_EVERY_S = 0.005

forks = 0  # how many of the processes before this one were forked from each other


def count_fork() -> None:
    global forks  # noqa: PLW0603  the process's own
    forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=count_fork)


class Leadership(Generic[AnyTask]):
    """The thread that leads, and the one that follows it.

    The leader runs short tasks itself, which saves handing them to another thread. One that turns out not to be short
    costs it the lead: the follower goes on, and the thread that led is one of the pool's until the task ends.

    Source: Schmidt, O'Ryan, Kircher, Pyarali, Buschmann: Leader/Followers, 2000. There, the lead is passed on before
    each task; here, when a task takes long.

    Args:
        lead: Called by each thread that leads; returns whether all is over, rather than the lead lost.
        pool: Counts the tasks that have cost somebody the lead.
        name: The name of the threads.
        on_loss: Called with such a task.
    """

    def __init__(
        self, lead: Callable[[], bool], pool: ThreadPool, name: str, on_loss: Callable[[AnyTask], None]
    ) -> None:
        self._lead_on = lead
        self._pool = pool
        self._name = name
        self._on_loss = on_loss
        self._forks = forks
        # The task that the leader runs; a new list for each. Who takes it out leads from then on: leader or follower.
        self._running: list[AnyTask] = []
        self._count = 0  # of the tasks that leaders have begun
        self._losing = threading.Lock()
        self._over = threading.Event()
        self._leader: threading.Thread | None = None
        self._follower: threading.Thread | None = None
        self._is_asleep = False  # the follower
        self._wake = threading.Event()

    def start(self) -> None:
        """Begin to lead, in a thread."""
        self._leader = threading.Thread(target=self._lead, name=self._name, daemon=True)
        self._leader.start()

    def join(self) -> None:
        """Wait until all is over, and both threads have ended."""
        self._over.wait()
        for thread in (self._leader, self._follower):
            if thread is not None:
                thread.join()

    def has_follower(self) -> bool:
        """Return whether there is a thread that could go on, so that the leader may run a task; start one if needed."""
        if self._follower is None:
            follower = threading.Thread(target=self._follow, name=f"{self._name}-follower", daemon=True)
            try:
                follower.start()
            except RuntimeError:  # the system has no room for another thread
                return False
            self._follower = follower
        return True

    def run(self, task: AnyTask) -> bool:
        """Run a task in the leading thread.

        Returns:
            Whether it leads still. If not, it must leave alone what belongs to the leader, and end.
        """
        self._count += 1
        self._running = running = [task]
        if self._is_asleep:
            self._wake.set()
        try:
            task.run()
        except BaseException:  # an interrupt ends this thread, and must not end all that it leads
            if self._still_leads(running, task):
                self.start()
            raise
        # A task may fork and return in both processes: the copy must not lead, for the sockets are the same.
        return forks == self._forks and self._still_leads(running, task)

    def _still_leads(self, running: list[AnyTask], task: AnyTask) -> bool:
        """Return whether nobody has taken the lead while the task ran."""
        try:
            running.pop()
        except IndexError:
            with self._losing:  # until the follower has noted the loss
                self._pool.release(task)
            return False
        return True

    def _lead(self) -> None:
        if self._lead_on():
            self._over.set()
            self._wake.set()

    def _follow(self) -> None:
        while not self._over.is_set():
            count = self._count
            self._wake.wait(LOOK_EVERY_S)
            if count != self._count:
                continue
            if self._running:
                if self._succeed():
                    self._lead()
                    return
            else:
                self._sleep(count)

    def _sleep(self, count: int) -> None:
        """Wait until the leader begins a task, since for a while it has not."""
        self._wake.clear()
        self._is_asleep = True  # before the look: a task that begins after it wakes this thread
        if count == self._count and not self._over.is_set():
            self._wake.wait()
        self._is_asleep = False
        self._wake.clear()

    def _succeed(self) -> bool:
        """Take the lead from the thread that runs a task, if it still does."""
        with self._losing:
            try:
                task = self._running.pop()
            except IndexError:
                return False
            self._pool.adopt(task)
        self._leader, self._follower = threading.current_thread(), None
        self._on_loss(task)
        return True
