"""Counters without locks: nothing is lost, nothing stays."""

import gc
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.runtime.stats import Stats
from tests.helpers import call_wsgi, post, rpc

JOIN_S = 30


def run_in_threads(count, target):
    threads = [threading.Thread(target=target, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
    assert not any(thread.is_alive() for thread in threads)


def numbers(tally):
    return {
        name: getattr(tally, name)
        for name in ("requests_started", "requests_done", "calls_started", "calls_done", "calls_failed")
    }


def test_nothing_is_counted_at_first():
    assert set(numbers(Stats().totals()).values()) == {0}


def test_totals_of_ended_threads_are_exact():
    stats = Stats()

    def count(number):
        tally = stats.tally()
        for each in range(1000):
            tally.requests_started += 1
            tally.calls_started += 1
            tally.calls_failed += each % 10 == 0
            tally.calls_done += 1
            stats.request_done(tally)

    for _ in range(3):
        run_in_threads(16, count)

    assert numbers(stats.totals()) == {
        "requests_started": 48_000,
        "requests_done": 48_000,
        "calls_started": 48_000,
        "calls_done": 48_000,
        "calls_failed": 4_800,
    }


def test_memory_is_bounded_by_the_living_threads():
    stats = Stats()
    before = living(type(stats.tally()))
    for _ in range(200):
        run_in_threads(1, lambda number: stats.tally())

    assert living(type(stats.tally())) < before + 20


def living(kind):
    gc.collect()
    return sum(type(each) is kind for each in gc.get_referrers(kind))


def test_reports_while_threads_count_are_never_negative():
    stats = Stats()
    ended = threading.Event()
    reports = []

    def report():
        while not ended.is_set():
            reports.append(stats.report(in_ms=True))

    reporter = threading.Thread(target=report)
    reporter.start()

    def count(number):
        tally = stats.tally()
        for _ in range(2000):
            tally.requests_started += 1
            tally.calls_started += 1
            tally.calls_done += 1
            stats.request_done(tally)

    run_in_threads(8, count)
    ended.set()
    reporter.join(JOIN_S)

    assert reports
    assert min(report["processingRequestCount"] for report in reports) >= 0
    assert min(report["processingDispatcherCount"] for report in reports) >= 0
    assert stats.report(in_ms=True)["requestCount"] == 16_000


def test_a_thread_knows_whether_it_is_inside_a_dispatcher():
    stats = Stats()
    assert stats.is_calling() is False

    tally = stats.tally()
    tally.calls_started += 1
    assert stats.is_calling() is True
    tally.calls_done += 1
    assert stats.is_calling() is False


def test_waiting_for_idle_ends_with_the_last_request():
    stats = Stats()
    started, may_end = threading.Event(), threading.Event()
    left = []

    def serve(number):
        tally = stats.tally()
        tally.requests_started += 1
        started.set()
        may_end.wait(JOIN_S)
        stats.request_done(tally)

    server = threading.Thread(target=serve, args=(0,))
    server.start()
    started.wait(JOIN_S)
    assert stats.wait_idle(0) == 1
    assert stats.wait_idle(0, allowed=1) == 1
    waiter = threading.Thread(target=lambda: left.append(stats.wait_idle(JOIN_S)))
    waiter.start()
    may_end.set()
    waiter.join(JOIN_S)
    server.join(JOIN_S)

    assert left == [0]


@pytest.mark.parametrize(("in_ms", "factor"), [(True, 1), (False, 0.001)])
def test_durations(in_ms, factor):
    stats = Stats()
    for duration_ms in (1.0, 5.0, 3.0):
        stats.add_duration("name", duration_ms)
    stats.add_duration("other", 2)

    assert stats.report(in_ms=in_ms)["speedStats"] == {
        "name_max": pytest.approx(5 * factor),
        "name_average": pytest.approx(3 * factor),
        "other_max": pytest.approx(2 * factor),
        "other_average": pytest.approx(2 * factor),
    }


def test_durations_from_many_threads_are_all_there():
    stats = Stats()
    run_in_threads(8, lambda number: [stats.add_duration("name", each) for each in range(101)])

    assert stats.report(in_ms=True)["speedStats"] == {"name_max": 100, "name_average": 50}


def test_documented_statistics():
    report = Stats().report(in_ms=False)

    assert {
        "connPerSec_now",
        "connPerSec_old",
        "connPerSec_max",
        "processingRequestCount",
        "processingDispatcherCount",
        "speedStats",
    } <= set(report)


def test_rate_is_what_came_between_two_looks(monkeypatch):
    from flaskJSONRPCServer.runtime import stats as module

    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    stats = Stats()

    def after(seconds, requests):
        clock[0] += seconds
        stats.tally().requests_started += requests
        report = stats.report(in_ms=True)
        return [report[f"connPerSec_{name}"] for name in ("now", "old", "max")]

    assert after(2, 20) == [10, 0, 10]
    assert after(0.5, 100) == [10, 0, 10]
    assert after(1.5, 0) == [50, 10, 50]
    assert after(10, 0) == [0, 50, 50]


def test_server_counts_under_16_threads_exactly():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: 1, name="one")
    application = server.getWSGI()
    request = post([rpc("one"), rpc("no_such"), rpc("one", [1])], "/")
    run_in_threads(16, lambda number: [call_wsgi(application, request) for _ in range(25)])

    stats = server.stats()
    assert stats["requestCount"] == 400
    assert stats["dispatcherCount"] == 400
    assert stats["dispatcherErrorCount"] == 0
    assert stats["processingRequestCount"] == 0
    assert stats["processingDispatcherCount"] == 0
