"""The queue of the pool, and its stop."""

import gc
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.execBackend.parallel import pool as pool_module
from flaskJSONRPCServer.execBackend.parallel.job import Job
from flaskJSONRPCServer.execBackend.parallel.pool import Pool
from flaskJSONRPCServer.execBackend.parallel.slot import Limits, PoolParts
from tests.execBackend.parallel import dispatchers
from tests.execBackend.parallel.pools import calls_in, counts, error_of, is_gone, release, running, wait_for_hold
from tests.execBackend.parallel.pools import make as make_server
from tests.helpers import call_wsgi, post, result_of, wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections


def test_call_beyond_the_queue_is_refused(tmp_path):
    backend = ParallelBackend(poolSize=1, queue_calls=1)
    with (
        running(backend) as (server, application),
        calls_in(application, *(("hold", [str(tmp_path), name]) for name in ("a", "b"))) as calls,
    ):
        wait_until(lambda: (counts(server)["running"], counts(server)["waiting"]) == (1, 1))
        assert error_of(application, "add", [1]) == {
            "code": -32002,
            "message": "Server busy: exec backend 'parallel' has 1 calls waiting already",
        }
        assert counts(server)["refused"] == 1
        release(tmp_path)
        assert sorted(future.result()["result"] for future in calls) == ["a", "b"]


def test_stop_drops_waiting_calls_and_kills_running_ones(tmp_path, caplog):
    with running(ParallelBackend(poolSize=1), log=2) as (server, application):
        server.registerFunction(dispatchers.hold, path="/notified", notifBackend=server.settings.dispatcherBackend)
        call_wsgi(application, post({"jsonrpc": "2.0", "method": "hold", "params": [str(tmp_path), "n"]}, "/notified"))
        pid = wait_for_hold(tmp_path, "n")
        with calls_in(application, ("add", [1])) as (waits,):
            wait_until(lambda: counts(server)["waiting"] == 1)
            server._stopExecBackends(timeout=0)
            assert waits.result()["error"] == {"code": -32003, "message": "Not run: the exec backend has stopped"}
        assert is_gone(pid)
        assert server.stats()["notificationLostCount"] == 1
        assert "exec backend 'parallel' stopped with 1 notifications not finished" in caplog.text


@pytest.fixture
def pool():
    """Return a pool without slots, so that its queue stays as the test leaves it."""
    parts = PoolParts(Limits(slots=0, queue_calls=2, timeout_s=None, calls_per_child=None), None, None, None)
    return Pool(parts, lambda number: b"", "empty")


def start_that_fails(monkeypatch, name, exc, after):
    """Start a pool in which a part cannot be made after so many; return the descriptors and children it leaves."""
    make, made = getattr(pool_module, name), []

    def refuse_later(*args, **options):
        if len(made) == after:
            raise exc
        made.append(make(*args, **options))
        return made[-1]

    server = make_server(ParallelBackend(poolSize=3))
    before = count_descriptors(), threading.active_count()
    monkeypatch.setattr(pool_module, name, refuse_later)
    with pytest.raises(type(exc), match=str(exc)):
        server._startExecBackends()
    monkeypatch.undo()
    return count_descriptors() - before[0], threading.active_count() - before[1]


def count_descriptors():
    gc.collect()
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("after", [0, 1, 2])
def test_start_without_a_thread_for_each_slot_leaves_nothing(monkeypatch, after):
    exc = RuntimeError("can't start new thread")

    assert start_that_fails(monkeypatch, "start_native_thread", exc, after) == (0, 0)


def test_start_without_a_descriptor_for_each_slot_leaves_nothing(monkeypatch):
    assert start_that_fails(monkeypatch, "Slot", OSError("Too many open files"), 2) == (0, 0)


def make_job(*, is_notification=False):
    return Job(None, None, is_notification=is_notification)


def wait_for(job):
    return job.wait(bytes)


def test_reservations_count_against_the_queue(pool):
    assert [pool.reserve() for _ in range(3)] == [True, True, False]
    pool.cancel_reservation()
    assert pool.reserve() is True
    assert pool.counts()["refused"] == 1


def test_waiting_jobs_run_in_their_order_and_a_requeued_one_first(pool):
    first, second = make_job(), make_job()
    for job in (first, second):
        pool.reserve()
        pool.submit(job)
    slot = SimpleNamespace(assigned=None)

    assert pool.next_job_for(slot) is first
    assert (pool.counts()["waiting"], pool.counts()["running"]) == (1, 1)
    pool.requeue(first)
    assert pool.next_job_for(slot) is first
    assert pool.next_job_for(slot) is second
    assert pool.next_job_for(slot) is None


def test_idle_slot_is_woken_with_its_job(pool):
    woken = []
    slot = SimpleNamespace(assigned=None, wakeup=SimpleNamespace(wake=lambda: woken.append(True)))
    job = make_job()
    assert pool.next_job_for(slot) is None
    pool.reserve()
    pool.submit(job)

    assert woken == [True]
    assert pool.counts()["running"] == 1
    assert pool.take_assigned(slot) is job
    assert pool.take_assigned(slot) is None


def test_stopped_pool_takes_no_job_and_counts_lost_notifications(pool):
    waiting, late = make_job(is_notification=True), make_job()
    pool.reserve()
    pool.submit(waiting)
    pool.reserve()

    assert pool.stop(0, 0) == 1
    assert pool.submit(late) is False
    assert pool.reserve() is False
    for job in (waiting, late):
        status, _, error = wait_for(job)
        assert (status, error.code, error.message) == (False, -32003, "Not run: the exec backend has stopped")


def test_job_that_comes_back_to_a_stopped_pool_is_not_run(pool):
    job = make_job()
    pool.reserve()
    pool.submit(job)
    pool.next_job_for(SimpleNamespace(assigned=None))
    pool.stop(0, 0)
    pool.requeue(job)

    assert wait_for(job)[2].code == -32003


def interrupt_once(monkeypatch, pool):
    """Interrupt the next stop of a pool while it waits for its jobs."""
    wait_for = pool._ended.wait_for

    def interrupted(*args):
        monkeypatch.setattr(pool._ended, "wait_for", wait_for)
        raise KeyboardInterrupt("while it waits")

    monkeypatch.setattr(pool._ended, "wait_for", interrupted)


def test_interrupted_stop_is_finished_by_the_next(monkeypatch, tmp_path):
    before = count_descriptors(), threading.active_count()
    with running(ParallelBackend(poolSize=2)) as (server, application):
        with calls_in(application, ("hold", [str(tmp_path), "n"])) as (held,):
            pid = wait_for_hold(tmp_path, "n")
            interrupt_once(monkeypatch, server.settings.dispatcherBackend._pool)
            with pytest.raises(KeyboardInterrupt, match="while it waits"):
                server._stopExecBackends(timeout=0)
            assert not held.done()
            server._stopExecBackends(timeout=0)
            assert held.result()["error"]["code"] == -32005
        assert is_gone(pid)
        assert (count_descriptors(), threading.active_count()) == before


def test_server_starts_again_after_an_interrupted_stop(monkeypatch):
    before = count_descriptors(), threading.active_count()
    with running(ParallelBackend(poolSize=2)) as (server, application):
        interrupt_once(monkeypatch, server.settings.dispatcherBackend._pool)
        with pytest.raises(KeyboardInterrupt, match="while it waits"):
            server._stopExecBackends(timeout=0)
        server._startExecBackends()
        assert result_of(application, "add", [1]) == 2
    assert (count_descriptors(), threading.active_count()) == before


def test_jobs_that_an_interrupted_stop_dropped_are_failed_by_the_next(monkeypatch, pool):
    job = make_job(is_notification=True)
    pool.reserve()
    pool.submit(job)
    fail = job.fail

    def interrupted(error):
        job.fail = fail
        raise KeyboardInterrupt("while it drops")

    job.fail = interrupted
    with pytest.raises(KeyboardInterrupt, match="while it drops"):
        pool.stop(0, 0)

    assert pool.stop(0, 0) == 1
    assert wait_for(job)[2].code == -32003


def test_stop_does_not_wait_for_the_jobs_that_are_allowed(pool):
    pool.reserve()
    pool.submit(make_job())

    assert pool.stop(float("inf"), 1) == 0
