"""Units are taken once, in memory and in a shared storage, and a storage that fails does not fail the calls."""

import contextlib
import logging
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from limits import parse

from flaskJSONRPCServer.dispatch.rate_limits import counters as module
from flaskJSONRPCServer.dispatch.rate_limits.counters import STORAGE_PAUSE_S, Counters
from flaskJSONRPCServer.dispatch.rate_limits.plan import read_plan
from flaskJSONRPCServer.dispatch.routes import format_path
from flaskJSONRPCServer.runtime.logs import ServerLog
from tests.dispatch.rate_limits.shared_counters import disconnect
from tests.execBackend.celery.processes import broker_running, free_port
from tests.helpers import Clock

KEY = ("", "server", "a")
STRATEGIES = ("fixed-window", "sliding-window-counter")


@pytest.fixture
def threads_switch_often():
    """Let the interpreter switch between threads as often as it can, so that a missing lock shows."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval_s)


@pytest.fixture
def make_counters():
    """Return a function that makes counters; their connections to storages are closed at the end."""
    with contextlib.ExitStack() as stack:

        def make_counters(storage="memory://", **options):
            clock = options.pop("clock", None)
            plan = read_plan({"limits": "5/minute", "storage": storage, **options}, format_path)
            counters = Counters(plan, ServerLog("counters", 3), **({} if clock is None else {"clock": clock}))
            stack.callback(disconnect, counters)
            return counters

        yield make_counters


@pytest.fixture(scope="module")
def broker():
    with broker_running(password="correct-horse") as broker:
        yield broker


@pytest.fixture(params=["memory", "redis", "valkey"])
def storage(request):
    if request.param == "memory":
        return "memory://"
    broker = request.getfixturevalue("broker")
    with broker.client() as client:
        client.flushall()
    return broker.url.replace("redis", request.param)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_batch_gets_the_units_that_are_left(make_counters, storage, strategy):
    counters, limit = make_counters(storage, strategy=strategy), parse("10/hour")

    assert counters.take(limit, KEY, 7).units == 7
    rest = counters.take(limit, KEY, 7)
    assert rest.units == 3
    assert 0 < rest.retry_ms <= 3_600_000
    assert counters.take(limit, KEY, 7).units == 0
    assert counters.take(limit, ("", "server", "b"), 10) == module.Grant(10)


def test_moving_window_counts_in_a_shared_storage(make_counters, broker):
    counters, limit = make_counters(broker.url, strategy="moving-window"), parse("4/hour")

    assert [counters.take(limit, ("moving",), 3).units for _ in range(3)] == [3, 1, 0]


@pytest.mark.usefixtures("threads_switch_often")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("count", [1, 3])
def test_threads_take_all_units_and_none_twice(make_counters, storage, strategy, count):
    counters, limit = make_counters(storage, strategy=strategy), parse("60/day")
    threads = 8
    together = threading.Barrier(threads)

    def take(_):
        together.wait()
        return sum(counters.take(limit, KEY, count).units for _ in range(20))

    with ThreadPoolExecutor(threads) as pool:
        assert sum(pool.map(take, range(threads))) <= 60
    if count == 1 or storage == "memory://":
        assert counters.take(limit, KEY, 1).units == 0


@pytest.mark.usefixtures("threads_switch_often")
def test_last_unit_in_memory_is_taken_by_one_of_two_threads(make_counters):
    for _ in range(200):
        counters, limit = make_counters(), parse("1/day")
        together = threading.Barrier(2)

        def take(_, counters=counters, limit=limit, together=together):
            together.wait()
            return counters.take(limit, KEY, 1).units

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(take, range(2))) == [0, 1]


def messages_of(caplog):
    return [record.getMessage() for record in caplog.records]


def test_process_counts_on_its_own_while_the_storage_fails(make_counters, caplog):
    clock = Clock()
    with broker_running(password="correct-horse") as broker, caplog.at_level(logging.INFO):
        counters, limit = make_counters(broker.url, clock=clock), parse("3/day")
        assert counters.take(limit, KEY, 3).units == 3
        broker.kill()

        assert [counters.take(limit, KEY, 1).units for _ in range(5)] == [1, 1, 1, 0, 0]
        assert messages_of(caplog) == [
            "the storage 'redis' of rateLimit fails (ConnectionError): until it answers, this process counts for itself"
        ]

        broker.restart()
        assert counters.take(limit, ("b",), 1).units == 1  # it is not asked before the pause is over
        with broker.client() as client:
            assert client.dbsize() == 0
        clock.now += STORAGE_PAUSE_S
        assert counters.take(limit, ("b",), 1).units == 1
        with broker.client() as client:
            assert client.dbsize() == 1
        assert messages_of(caplog)[1:] == ["the storage 'redis' of rateLimit answers again"]
        assert "correct-horse" not in caplog.text


def test_failing_storage_is_tried_once_a_pause_and_logged_once(make_counters, caplog, monkeypatch):
    clock, asked = Clock(), []
    counters, limit = make_counters(f"valkey://127.0.0.1:{free_port()}/0", clock=clock), parse("100/day")
    hit = counters._shared.hit
    monkeypatch.setattr(counters._shared, "hit", lambda *args, **kwargs: asked.append(1) or hit(*args, **kwargs))
    with caplog.at_level(logging.INFO):
        for pause in range(3):
            clock.now = pause * STORAGE_PAUSE_S
            assert [counters.take(limit, KEY, 1).units for _ in range(10)] == [1] * 10

    assert len(asked) == 3
    assert len(messages_of(caplog)) == 1


def test_call_that_began_before_a_failure_does_not_end_the_pause(make_counters, monkeypatch, caplog):
    counters, limit = make_counters(f"redis://127.0.0.1:{free_port()}/0"), parse("100/day")
    hit = counters._shared.hit

    def fail_in_another_call_meanwhile(*args, **kwargs):
        monkeypatch.setattr(counters._shared, "hit", hit)
        counters.take(limit, KEY, 1)
        return True

    monkeypatch.setattr(counters._shared, "hit", fail_in_another_call_meanwhile)
    with caplog.at_level(logging.INFO):
        assert counters.take(limit, KEY, 1).units == 1
        monkeypatch.setattr(counters._shared, "hit", lambda *args, **kwargs: pytest.fail("it was asked"))
        assert counters.take(limit, KEY, 1).units == 1
    assert len(messages_of(caplog)) == 1


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_storage_that_does_not_answer_times_out(make_counters, scheme, caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/0?socket_timeout=0.05"

        assert make_counters(uri).take(parse("1/day"), KEY, 1).units == 1
    assert "fails (TimeoutError)" in caplog.text


def test_units_lost_to_another_process_are_not_granted(make_counters, monkeypatch):
    counters, limit = make_counters(), parse("5/day")
    limiter = counters._in_memory
    stats = limiter.get_window_stats

    def stats_before_another_takes_all(*args):
        before = stats(*args)
        limiter.hit(limit, *KEY, cost=5)
        return before

    monkeypatch.setattr(limiter, "get_window_stats", stats_before_another_takes_all)
    assert counters.take(limit, KEY, 3).units == 0
