"""The follower takes the lead while a task blocks the leader."""

import os
import threading

import pytest

from flaskJSONRPCServer.runtime.thread_pool import ThreadPool
from flaskJSONRPCServer.servBackend.native import leadership as leadership_module
from flaskJSONRPCServer.servBackend.native.leadership import Leadership
from tests.helpers import wait_until
from tests.tasks import PATIENCE_S, Task


class Work:
    """The work of a leader: it runs the tasks that a test adds, until the stop."""

    def __init__(self):
        self.pool = ThreadPool(4, 10, "test-pool")
        self.losses, self.leaders = [], []
        self.leadership = Leadership(self.lead, self.pool, "test-leader", self.losses.append)
        self._tasks = []
        self._changed = threading.Condition()
        self._is_over = False
        self.leadership.start()

    def put(self, *tasks):
        with self._changed:
            self._tasks.extend(tasks)
            self._changed.notify()

    def stop(self):
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self.leadership.join()

    def lead(self):
        self.leaders.append(threading.current_thread())
        while True:
            with self._changed:
                assert self._changed.wait_for(lambda: self._tasks or self._is_over, PATIENCE_S)
                if not self._tasks:
                    return True
                task = self._tasks.pop(0)
            assert self.leadership.ensure_follower()
            if not self.leadership.run(task):
                return False


@pytest.fixture
def gate():
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def work(gate):
    new_work = Work()
    yield new_work
    gate.set()
    new_work.stop()


def running(work):
    return work.pool.counts()["running"]


def test_leader_runs_its_tasks(work):
    tasks = [Task() for _ in range(100)]
    work.put(*tasks)
    assert all(task.ended.wait(PATIENCE_S) for task in tasks)
    # If the machine pauses all threads for long, a follower may have taken over.
    assert {task.thread for task in tasks} <= set(work.leaders)
    assert len(work.leaders) == 1 + len(work.losses)


def test_follower_takes_the_lead_while_a_task_blocks_the_leader(work, gate):
    long, others = Task(gate), [Task() for _ in range(10)]
    work.put(long, *others)
    assert all(task.ended.wait(PATIENCE_S) for task in others)
    assert long in work.losses
    assert not long.ended.is_set()
    assert running(work) == 1
    gate.set()
    wait_until(lambda: running(work) == 0)
    wait_until(lambda: not long.thread.is_alive())  # it no longer leads, so its thread ends


def test_each_long_task_passes_the_lead_on(work, gate):
    longs = [Task(gate) for _ in range(5)]
    work.put(*longs)
    last = Task()
    work.put(last)
    assert last.ended.wait(PATIENCE_S)
    assert [task for task in work.losses if task in longs] == longs
    assert len({task.thread for task in longs}) == 5
    gate.set()
    wait_until(lambda: running(work) == 0)


def test_follower_sleeps_and_is_woken(work, gate):
    for _ in range(3):
        work.put(task := Task())
        assert task.ended.wait(PATIENCE_S)
        wait_until(lambda: work.leadership._is_follower_asleep)
    work.put(Task(gate), last := Task())
    assert last.ended.wait(PATIENCE_S)


def test_join_does_not_wait_for_a_former_leader(work, gate):
    long, last = Task(gate), Task()
    work.put(long, last)
    assert last.ended.wait(PATIENCE_S)
    work.stop()
    assert not long.ended.is_set()
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("test-leader")]
    assert threads == [long.thread]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_interrupt_in_a_task_ends_its_thread_and_not_the_work(work):
    work.put(broken := Task(raises=KeyboardInterrupt()), last := Task())
    assert last.ended.wait(PATIENCE_S)
    assert running(work) == 0
    broken.thread.join()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_interrupt_in_a_task_that_has_lost_the_lead_is_counted_as_its_end(work, gate):
    work.put(broken := Task(gate, raises=KeyboardInterrupt()), last := Task())
    assert last.ended.wait(PATIENCE_S)
    gate.set()
    wait_until(lambda: running(work) == 0)
    broken.thread.join()


def test_leader_runs_no_task_where_no_follower_can_be_started(monkeypatch):
    leadership = Leadership(lambda: True, ThreadPool(1, 1, "test-pool"), "test-leader", print)

    class NoRoom(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(leadership_module.threading, "Thread", NoRoom)
    assert not leadership.ensure_follower()
    monkeypatch.undo()
    assert leadership.ensure_follower()
    leadership.start()
    leadership.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_copy_of_a_leader_that_a_task_forks_does_not_lead():
    leadership = Leadership(lambda: True, ThreadPool(1, 1, "test-pool"), "test-leader", print)

    class Forks:
        def run(self):
            self.child = os.fork()

    task = Forks()
    leads = leadership.run(task)
    if task.child == 0:
        os._exit(10 + leads)
    assert leads
    assert os.waitstatus_to_exitcode(os.waitpid(task.child, 0)[1]) == 10


def test_task_that_ends_while_another_thread_runs_one_is_counted_as_ended(work, gate, monkeypatch):
    class Second(Task):
        """Runs in the follower, while the task that cost the leader its lead ends."""

        def run(self):
            monkeypatch.setattr(leadership_module, "CHECK_INTERVAL_S", PATIENCE_S)  # this task must keep the lead
            gate.set()
            self.thread_of_first = first.thread
            first.thread.join(PATIENCE_S)
            super().run()

    first, second, third = Task(gate), Second(), Task()
    work.put(first, second, third)
    assert third.ended.wait(PATIENCE_S)
    assert not first.thread.is_alive()
    assert running(work) == 0
    assert len(work.leaders) == 2
