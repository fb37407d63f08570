"""The bounded pool of threads."""

import os
import signal
import threading

import pytest

from flaskJSONRPCServer.runtime import thread_pool
from flaskJSONRPCServer.runtime.concurrency import start_native_thread
from flaskJSONRPCServer.runtime.thread_pool import ThreadPool
from tests.helpers import wait_until
from tests.tasks import PATIENCE_S, Task


@pytest.fixture
def gate():
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def pools():
    """Return a function that makes pools, which end with the test."""
    pools = []

    def make(*args, **options):
        pools.append(ThreadPool(*args, "test-pool", **options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.stop(PATIENCE_S)
        wait_until(lambda: pool.counts()["threads"] == 0)  # noqa: B023  called at once


def counts(pool, *names):
    counts = pool.counts()
    return tuple(counts[name] for name in names)


def test_blocking_task_does_not_delay_the_others(pools, gate):
    pool = pools(4, 100)
    blocking = [Task(gate) for _ in range(3)]
    quick = [Task() for _ in range(50)]
    assert pool.submit_all([blocking[0], *quick[:20], *blocking[1:], *quick[20:]]) == []

    assert all(task.ended.wait(PATIENCE_S) for task in quick)
    assert not any(task.ended.is_set() for task in blocking)
    gate.set()
    assert all(task.ended.wait(PATIENCE_S) for task in blocking)
    wait_until(lambda: counts(pool, "waiting", "running", "done") == (0, 0, 53))


def test_blocking_tasks_use_exactly_all_threads(pools, gate):
    pool = pools(4, 100)
    tasks = [Task(gate) for _ in range(10)]
    pool.submit_all(tasks)
    assert all(task.begun.wait(PATIENCE_S) for task in tasks[:4])

    assert counts(pool, "threads", "waiting", "running") == (4, 6, 4)
    assert not any(task.begun.is_set() for task in tasks[4:])
    assert pool.waiting
    gate.set()
    assert all(task.ended.wait(PATIENCE_S) for task in tasks)
    assert len({task.thread for task in tasks}) == 4


def test_tasks_beyond_the_bound_are_returned_and_do_not_run(pools, gate):
    pool = pools(2, 3)
    tasks = [Task(gate) for _ in range(8)]
    assert pool.submit_all(tasks) == tasks[5:]
    assert not pool.submit(Task())
    assert counts(pool, "refused") == (4,)
    rest = Task()
    assert pool.submit(rest, is_bounded=False)
    gate.set()
    assert rest.ended.wait(PATIENCE_S)
    assert all(task.ended.wait(PATIENCE_S) for task in tasks[:5])
    assert not any(task.begun.is_set() for task in tasks[5:])
    wait_until(lambda: counts(pool, "running") == (0,))
    assert pool.submit_all([]) == []


def test_pool_reports_free_threads(pools, gate):
    pool = pools(2, 3)
    pool.submit(Task(gate))
    assert pool.has_room
    pool.submit(Task(gate))
    assert not pool.has_room


def test_adopted_task_counts_towards_the_bound(pools, gate):
    pool = pools(1, 3)
    first, adopted, last = Task(), Task(), Task(gate)
    pool.submit(first)  # so that there is a thread, which waits
    wait_until(lambda: counts(pool, "done") == (1,))
    pool.adopt(adopted)
    assert not pool.has_room
    assert pool.submit(last)
    assert counts(pool, "running", "waiting") == (1, 1)
    assert not last.begun.wait(0.05)  # for as long as the other one runs, which is what is shown
    pool.release(adopted)
    assert last.begun.wait(PATIENCE_S)


def test_adopted_task_is_returned_by_the_stop(pools):
    pool, adopted = pools(2, 3), Task()
    pool.adopt(adopted)
    assert pool.stop(0) == ([], [adopted])
    pool.release(adopted)
    assert pool.stop(PATIENCE_S) == ([], [])


def test_tasks_begin_in_their_order(pools):
    pool, begun = pools(1, 100), []

    class Numbered(Task):
        def __init__(self, number):
            super().__init__()
            self.number = number

        def run(self):
            begun.append(self.number)
            super().run()

    tasks = [Numbered(number) for number in range(50)]
    for task in tasks[:25]:
        pool.submit(task)
    pool.submit_all(tasks[25:])
    assert all(task.ended.wait(PATIENCE_S) for task in tasks)
    assert begun == list(range(50))


def test_threads_are_used_again_and_end_when_they_have_been_idle(pools, monkeypatch):
    pool = pools(4, 100)
    first = Task()
    pool.submit(first)
    assert first.ended.wait(PATIENCE_S)
    wait_until(lambda: counts(pool, "running") == (0,))
    second = Task()
    pool.submit(second)
    assert second.ended.wait(PATIENCE_S)
    wait_until(lambda: counts(pool, "running") == (0,))
    assert second.thread is first.thread
    assert counts(pool, "threads") == (1,)

    monkeypatch.setattr(thread_pool, "_IDLE_S", 0)
    third = Task()
    pool.submit(third)
    assert third.ended.wait(PATIENCE_S)
    wait_until(lambda: counts(pool, "threads") == (0,))
    last = Task()
    pool.submit(last)
    assert last.ended.wait(PATIENCE_S)


def test_no_task_is_lost_while_threads_end(pools, monkeypatch):
    monkeypatch.setattr(thread_pool, "_IDLE_S", 0)
    pool = pools(3, 10_000)
    for _ in range(300):
        tasks = [Task(), Task()]
        pool.submit_all(tasks)
        assert all(task.ended.wait(PATIENCE_S) for task in tasks)


def test_stop_waits_for_unfinished_tasks_and_refuses_new_ones(pools, gate):
    pool = pools(1, 10)
    running, waiting = Task(gate), Task()
    pool.submit_all([running, waiting])
    assert running.begun.wait(PATIENCE_S)
    results = []
    stopping = threading.Thread(target=lambda: results.append(pool.stop(PATIENCE_S)))
    stopping.start()
    wait_until(lambda: not pool.submit(Task()))
    gate.set()
    stopping.join(PATIENCE_S)

    assert results == [([], [])]
    assert waiting.ended.is_set()


def test_stop_returns_dropped_and_running_tasks(pools, gate):
    pool = pools(2, 10)
    tasks = [Task(gate) for _ in range(5)]
    pool.submit_all(tasks)
    assert all(task.begun.wait(PATIENCE_S) for task in tasks[:2])
    dropped, running = pool.stop(0)

    assert dropped == tasks[2:]
    assert set(running) == set(tasks[:2])
    assert counts(pool, "waiting", "running") == (0, 2)
    gate.set()
    wait_until(lambda: counts(pool, "threads") == (0,))
    assert not any(task.begun.is_set() for task in tasks[2:])


def test_stop_may_be_called_by_a_task(pools):
    pool, results = pools(1, 10), []

    class Stopping(Task):
        def run(self):
            results.append(pool.stop(PATIENCE_S, allowed=1))
            super().run()

    task = Stopping()
    pool.submit(task)
    assert task.ended.wait(PATIENCE_S)
    assert results == [([], [task])]


def test_rest_of_a_task_runs_after_the_stop(pools):
    pool = pools(1, 10)
    pool.stop(0)
    rest = Task()
    assert pool.submit(rest, is_bounded=False)
    assert rest.ended.wait(PATIENCE_S)


def test_interrupt_ends_its_thread_and_another_runs_the_waiting_tasks(pools, gate, monkeypatch):
    ended = []
    monkeypatch.setattr(threading, "excepthook", lambda args: ended.append(args.exc_type))
    pool = pools(1, 10)
    interrupted, waiting = Task(gate, raises=KeyboardInterrupt()), Task()
    pool.submit_all([interrupted, waiting])
    gate.set()
    assert waiting.ended.wait(PATIENCE_S)

    assert waiting.thread is not interrupted.thread
    wait_until(lambda: ended == [KeyboardInterrupt])
    wait_until(lambda: counts(pool, "running", "done") == (0, 2))


class Scarce:
    """Starts threads until the system has no more."""

    def __init__(self, room):
        self.room = room

    def __call__(self, target, name=""):
        if not self.room:
            raise RuntimeError("can't start new thread")
        self.room -= 1
        return start_native_thread(target, name=name)


def test_existing_threads_do_the_work_if_the_system_has_no_further_thread(pools, gate):
    pool = pools(4, 100, start=Scarce(1))
    tasks = [Task() for _ in range(20)]
    assert pool.submit_all([Task(gate), *tasks]) == []
    gate.set()
    assert all(task.ended.wait(PATIENCE_S) for task in tasks)
    assert counts(pool, "threads") == (1,)


@pytest.mark.parametrize("is_bounded", [True, False])
def test_submission_fails_without_leftovers_if_the_system_has_no_thread(pools, is_bounded):
    scarce = Scarce(0)
    pool = pools(4, 100, start=scarce)
    refused = Task()
    with pytest.raises(RuntimeError, match="can't start"):
        pool.submit(refused, is_bounded=is_bounded)
    assert counts(pool, "waiting", "running", "threads") == (0, 0, 0)
    scarce.room = 1
    task = Task()
    assert pool.submit(task)
    assert task.ended.wait(PATIENCE_S)
    assert not refused.begun.is_set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
def test_child_that_a_task_forks_ends_with_the_task(pools, fails):
    parent, children = os.getpid(), []

    class Forks:
        def run(self):
            children.append(os.fork())
            if fails and os.getpid() != parent:
                raise SystemExit(3)

    pools(1, 1).submit(Forks())
    (child,) = wait_until(lambda: children)
    try:
        ended, status = wait_until(lambda: (found := os.waitpid(child, os.WNOHANG))[0] and found)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    assert (ended, os.waitstatus_to_exitcode(status)) == (child, 0)
