"""The pool that leaves tasks behind whose time is over."""

import threading

import pytest

from flaskJSONRPCServer.runtime.abandoning_pool import AbandoningPool
from flaskJSONRPCServer.runtime.stats import Stats
from tests.helpers import wait_until
from tests.tasks import PATIENCE_S, Task


class CountedTask(Task):
    """A task whose thread is inside a dispatcher meanwhile, as the counters see it."""

    def __init__(self, stats, gate=None):
        super().__init__(gate)
        self.counters = None
        self._stats = stats

    def run(self):
        self.counters = self._stats.thread_counters()
        calls = self.counters.calls_of("/api/task")
        calls.started += 1
        super().run()
        calls.end(1)


@pytest.fixture
def gate():
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def stats():
    return Stats()


@pytest.fixture
def make(stats, gate):
    """Return a function that makes pools, which end with the test."""
    pools = []

    def make(max_threads=1, max_waiting=10, max_abandoned=2):
        pools.append(AbandoningPool(max_threads, max_waiting, "test-pool", stats=stats, max_abandoned=max_abandoned))
        return pools[-1]

    yield make
    gate.set()
    for pool in pools:
        pool.stop(PATIENCE_S)
        wait_until(lambda: pool.counts()["threads"] == 0)  # noqa: B023  called at once


def begin(pool, stats, gate):
    task = CountedTask(stats, gate)
    assert pool.submit(task)
    assert task.begun.wait(PATIENCE_S)
    return task


def counts(pool, *names):
    counts = pool.counts()
    return tuple(counts[name] for name in names)


def abandoned(stats):
    report = stats.report(in_ms=False)
    return report["abandonedCallCount"], report["processingAbandonedCallCount"]


def test_waiting_task_is_withdrawn_once_and_never_runs(make, stats, gate):
    pool = make()
    running, waiting = begin(pool, stats, gate), CountedTask(stats)
    pool.submit(waiting)

    assert [pool.withdraw(waiting), pool.withdraw(waiting), pool.withdraw(running)] == [True, False, False]
    gate.set()
    assert running.ended.wait(PATIENCE_S)
    wait_until(lambda: counts(pool, "running", "waiting", "done") == (0, 0, 1))
    assert not waiting.begun.is_set()


def test_abandoned_task_gives_its_place_to_one_that_waits(make, stats, gate):
    pool = make()
    task, waiting = begin(pool, stats, gate), CountedTask(stats)
    pool.submit(waiting)

    assert pool.abandon(task)
    assert waiting.ended.wait(PATIENCE_S)
    assert counts(pool, "abandoned") == (1,)
    assert abandoned(stats) == (1, 1)


def test_thread_of_an_abandoned_task_returns_to_the_pool(make, stats, gate):
    pool = make()
    task = begin(pool, stats, gate)
    pool.abandon(task)
    assert counts(pool, "threads", "running") == (0, 0)

    gate.set()
    wait_until(lambda: counts(pool, "threads", "abandoned", "done") == (1, 0, 1))
    assert abandoned(stats) == (1, 0)
    last = CountedTask(stats)
    pool.submit(last)
    assert last.ended.wait(PATIENCE_S)


def test_returning_threads_run_no_more_tasks_at_once_than_the_pool_may(make, stats, gate):
    pool = make()
    for _ in range(2):
        pool.abandon(begin(pool, stats, gate))
    gate.set()
    wait_until(lambda: counts(pool, "abandoned", "running") == (0, 0))

    second_gate = threading.Event()
    first, second = begin(pool, stats, second_gate), CountedTask(stats)
    pool.submit(second)
    assert counts(pool, "running", "waiting") == (1, 1)
    second_gate.set()
    assert first.ended.wait(PATIENCE_S)
    assert second.ended.wait(PATIENCE_S)


def test_beyond_the_bound_no_task_may_begin_and_an_abandoned_one_gives_its_place_all_the_same(make, stats, gate):
    pool = make(max_abandoned=1)
    pool.abandon(begin(pool, stats, gate))
    assert not pool.may_abandon
    task = begin(pool, stats, gate)
    assert [pool.abandon(task), pool.abandon(task)] == [True, True]

    other = CountedTask(stats)
    pool.submit(other)
    assert other.ended.wait(PATIENCE_S)
    assert counts(pool, "abandoned") == (2,)
    assert abandoned(stats) == (2, 2)
    gate.set()
    wait_until(lambda: counts(pool, "abandoned", "running") == (0, 0))
    assert pool.may_abandon


def test_ended_task_cannot_be_abandoned(make, stats):
    pool = make()
    task = CountedTask(stats)
    pool.submit(task)
    wait_until(lambda: counts(pool, "done") == (1,))

    assert not pool.abandon(task)
    assert abandoned(stats) == (0, 0)


def test_neither_a_stop_nor_idleness_waits_for_an_abandoned_task(make, stats, gate):
    pool = make()
    task = begin(pool, stats, gate)
    assert stats.wait_calls_idle(0) == 1
    pool.abandon(task)

    assert stats.wait_calls_idle(1000) == 0
    assert pool.stop(1000) == ([], [])


def test_abandoned_task_that_itself_waits_for_idleness_counts_the_others(make, stats, gate):
    pool = make(max_threads=2)
    left, seen = [], threading.Event()

    class Waiting(CountedTask):
        def run(self):
            self.counters = self._stats.thread_counters()
            self.counters.calls_of("/api/task").started += 1
            self.begun.set()
            gate.wait(PATIENCE_S)
            left.append(self._stats.wait_calls_idle(0))
            self.counters.calls_of("/api/task").end(1)
            seen.set()

    other_gate = threading.Event()
    other = begin(pool, stats, other_gate)
    waiting = Waiting(stats)
    pool.submit(waiting)
    assert waiting.begun.wait(PATIENCE_S)
    pool.abandon(waiting)
    gate.set()
    assert seen.wait(PATIENCE_S)
    other_gate.set()
    assert other.ended.wait(PATIENCE_S)
    assert left == [1]
