"""The leader/followers pattern: one thread leads, another is ready to take over when a task blocks the leader."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic

from ...runtime.forks import fork_count
from ...runtime.thread_pool import AnyTask, ThreadPool

__all__ = ["Leadership"]

# How often the follower checks whether the leader still runs the same task; guessed. A task that blocks holds up all
# others for at most twice as long.
CHECK_INTERVAL_S = 0.005


class Leadership(Generic[AnyTask]):
    """A leading thread and its follower.

    The leader runs short tasks itself, which saves handing them to another thread. A task that turns out to be long
    costs it the lead: the follower takes over, and the former leader counts as a thread of the pool until the task
    ends.

    Source: Schmidt, O'Ryan, Kircher, Pyarali, Buschmann: Leader/Followers, 2000. There, the lead is passed on before
    each task; here, only when a task takes long.

    Args:
        lead: Called by each thread that leads. It returns True at the end of all work, and False if it has lost the
            lead.
        pool: Counts the tasks that have cost a thread the lead.
        name: The name of the threads.
        on_lead_lost: Called with a task that has cost a thread the lead.
    """

    def __init__(
        self, lead: Callable[[], bool], pool: ThreadPool, name: str, on_lead_lost: Callable[[AnyTask], None]
    ) -> None:
        self._run_leader = lead
        self._pool = pool
        self._name = name
        self._on_lead_lost = on_lead_lost
        self._fork_count = fork_count()
        # The task that the leader runs, in a new list each time. Leader and follower race to pop it, which is atomic.
        # Whichever thread gets it leads from then on.
        self._running: list[AnyTask] = []
        self._count = 0  # tasks that leaders have begun
        self._transfer = threading.Lock()
        self._over = threading.Event()
        self._leader: threading.Thread | None = None
        self._follower: threading.Thread | None = None
        self._is_follower_asleep = False
        self._wake = threading.Event()

    def start(self) -> None:
        """Start the leading thread."""
        self._leader = threading.Thread(target=self._lead, name=self._name, daemon=True)
        self._leader.start()

    def join(self) -> None:
        """Wait for the end of all work, and of both threads."""
        self._over.wait()
        for thread in (self._leader, self._follower):
            if thread is not None:
                thread.join()

    def ensure_follower(self) -> bool:
        """Start a follower if there is none. Return whether there is one, so that the leader may run a task."""
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
            Whether the thread still leads. If not, it must touch nothing that belongs to the leader, and end.
        """
        self._count += 1
        self._running = running = [task]
        if self._is_follower_asleep:
            self._wake.set()
        try:
            task.run()
        except BaseException:  # an interrupt ends this thread; the work goes on in another
            if self._still_leads(running, task):
                self.start()
            raise
        # A task may fork and return in both processes. The child must not lead: it shares the sockets with its parent.
        return fork_count() == self._fork_count and self._still_leads(running, task)

    def _still_leads(self, running: list[AnyTask], task: AnyTask) -> bool:
        """Return whether the follower has not taken the lead while the task ran."""
        try:
            running.pop()
        except IndexError:
            with self._transfer:  # wait until the follower has passed the task to the pool
                self._pool.release(task)
            return False
        return True

    def _lead(self) -> None:
        if self._run_leader():
            self._over.set()
            self._wake.set()

    def _follow(self) -> None:
        while not self._over.is_set():
            count = self._count
            self._wake.wait(CHECK_INTERVAL_S)
            if count != self._count:
                continue
            if self._running:
                if self._take_lead():
                    self._lead()
                    return
            else:
                self._sleep(count)

    def _sleep(self, count: int) -> None:
        """Wait until the leader begins a task, after a while without one."""
        self._wake.clear()
        self._is_follower_asleep = True  # set before the check: a task that begins after it wakes this thread
        if count == self._count and not self._over.is_set():
            self._wake.wait()
        self._is_follower_asleep = False
        self._wake.clear()

    def _take_lead(self) -> bool:
        """Take the lead from the leader if it still runs its task. Return whether that succeeded."""
        with self._transfer:
            try:
                task = self._running.pop()
            except IndexError:
                return False
            self._pool.adopt(task)
        self._leader, self._follower = threading.current_thread(), None
        self._on_lead_lost(task)
        return True
