"""Counters without locks lose no counts and leak no memory."""

import gc
import sys
import threading
import time

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.runtime.counters import ThreadCounters
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


def counts(stats):
    report = stats.report(in_ms=True)
    return {name: value for name, value in report.items() if name.endswith("Count")}


NOTHING = {
    "requestCount": 0,
    "dispatcherCount": 0,
    "dispatcherErrorCount": 0,
    "notificationLostCount": 0,
    "abandonedCallCount": 0,
    "processingRequestCount": 0,
    "processingDispatcherCount": 0,
    "processingAbandonedCallCount": 0,
}


@pytest.fixture
def eager_switches():
    """Switch threads a hundred times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 100)
    yield
    sys.setswitchinterval(before)


def test_nothing_is_counted_at_first():
    report = Stats().report(in_ms=True)

    assert counts(Stats()) == NOTHING
    assert (report["speedStats"], report["dispatchers"]) == ({}, {})


def test_totals_of_ended_threads_are_exact(eager_switches):
    stats = Stats()

    def count(number):
        counters = stats.thread_counters()
        calls = stats.thread_counters().calls_of(f"/api/{number % 2}")
        for number in range(1000):
            counters.requests_started += 1
            calls.started += 1
            calls.failed += number % 10 == 0
            calls.end(number)
            counters.requests_done += 1
            stats.wake_waiting()

    for _ in range(3):
        run_in_threads(16, count)

    assert counts(stats) == NOTHING | {"requestCount": 48_000, "dispatcherCount": 48_000, "dispatcherErrorCount": 4_800}
    for dispatcher in stats.report(in_ms=True)["dispatchers"].values():
        assert (dispatcher["calls"], dispatcher["errors"], dispatcher["processing"]) == (24_000, 2_400, 0)
        assert dispatcher["mean"] == pytest.approx(499.5e-6)
        assert dispatcher["max"] == pytest.approx(999e-6)
    assert stats.served() == (48_000, 48_000)


def test_million_concurrent_durations_are_all_counted(eager_switches):
    server = flaskJSONRPCServer(None, log=False)
    threads, count_of_each = 16, 62_500
    meet = threading.Barrier(threads)

    def add(number):
        meet.wait(JOIN_S)
        for value in range(count_of_each):
            server._speedStatsAdd("both", value)

    run_in_threads(threads, add)

    totals = server._engine.stats.totals().durations["both"]
    assert (totals.count, totals.total_ms) == (1_000_000, threads * sum(range(count_of_each)))
    assert server.stats(inMS=True)["speedStats"] == {
        "both_max": count_of_each - 1,
        "both_average": (count_of_each - 1) / 2,
    }


def test_memory_is_bounded_by_the_living_threads():
    stats = Stats()
    before = living(type(stats.thread_counters()))
    for _ in range(200):
        run_in_threads(1, lambda number: stats.thread_counters())

    assert living(type(stats.thread_counters())) < before + 20


def living(kind):
    gc.collect()
    return sum(type(referrer) is kind for referrer in gc.get_referrers(kind))


def test_samples_fold_the_counters_of_ended_threads():
    stats = Stats()

    def count(number):
        stats.thread_counters().calls_of("/api/echo").started += 1

    run_in_threads(8, count)
    stats.sample()

    assert len(stats._counters) == 1, "an idle server keeps the counters of its last busy moment"
    assert stats.totals().calls_started() == 8


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
        counters = stats.thread_counters()
        for _ in range(2000):
            counters.requests_started += 1
            counters.calls_of("/api/echo").started += 1
            counters.calls_of("/api/echo").end(1000)
            counters.requests_done += 1
            stats.wake_waiting()

    run_in_threads(8, count)
    ended.set()
    reporter.join(JOIN_S)

    assert reports
    assert min(report["processingRequestCount"] for report in reports) >= 0
    assert min(report["processingDispatcherCount"] for report in reports) >= 0
    assert stats.report(in_ms=True)["requestCount"] == 16_000


def test_is_calling_only_inside_a_dispatcher():
    stats = Stats()
    assert stats.is_calling() is False

    calls = stats.thread_counters().calls_of("/api/echo")
    calls.started += 1
    assert stats.is_calling() is True
    calls.end(1000)
    assert stats.is_calling() is False


def test_waiting_for_idle_ends_with_the_last_request():
    stats = Stats()
    started, may_end = threading.Event(), threading.Event()
    left = []

    def serve(number):
        counters = stats.thread_counters()
        counters.requests_started += 1
        started.set()
        may_end.wait(JOIN_S)
        counters.requests_done += 1
        stats.wake_waiting()

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
        stats.add_durations("name", duration_ms)
    stats.add_durations("other", 2)

    assert stats.report(in_ms=in_ms)["speedStats"] == {
        "name_max": pytest.approx(5 * factor),
        "name_average": pytest.approx(3 * factor),
        "other_max": pytest.approx(2 * factor),
        "other_average": pytest.approx(2 * factor),
    }


@pytest.mark.parametrize(
    ("names", "durations", "expected"),
    [
        ("a", [1, 2, 6], {"a_max": 6, "a_average": 3}),
        ("a", (), {}),
        (["a", "b"], [1, 2], {"a_max": 1, "a_average": 1, "b_max": 2, "b_average": 2}),
        (("a", "a"), (1, 2), {"a_max": 2, "a_average": 1.5}),
        ([], [], {}),
        ("a", -1.5, {"a_max": -1.5, "a_average": -1.5}),
    ],
)
def test_lists_of_durations(names, durations, expected):
    stats = Stats()
    stats.add_durations(names, durations)

    assert stats.report(in_ms=True)["speedStats"] == expected


@pytest.mark.parametrize(
    ("names", "durations", "error", "message"),
    [
        (
            ["a", "b"],
            [1],
            ValueError,
            r"\[1\] for the names \['a', 'b'\] is refused: give a list with one duration for",
        ),
        (["a"], 1, ValueError, r"1 for the names \['a'\] is refused"),
        ([], 1, ValueError, r"1 for the names \[\] is refused"),
        (5, 1, TypeError, "5 is refused as the name of a duration: give a string"),
        (["a", None], [1, 2], TypeError, "None is refused as the name of a duration"),
        ("a", "fast", TypeError, "'fast' is refused as a duration: give a number of milliseconds"),
        ("a", [1, "2"], TypeError, "'2' is refused as a duration"),
        ("a", float("nan"), ValueError, "nan is refused as a duration: give a finite number"),
        ("a", [1, float("inf")], ValueError, "inf is refused as a duration"),
    ],
)
def test_wrong_durations_are_refused_and_none_of_them_is_counted(names, durations, error, message):
    stats = Stats()
    with pytest.raises(error, match=message):
        stats.add_durations(names, durations)

    assert stats.report(in_ms=True)["speedStats"] == {}


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


def test_rate_is_that_of_all_threads(monkeypatch):
    now = [600.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    stats = Stats()

    def count(number):
        stats.thread_counters().requests_started += 5

    run_in_threads(4, count)
    count(0)
    now[0] += 1
    stats.sample()
    now[0] += 0.5
    count(0)
    report = stats.report(in_ms=True)

    assert [report[f"connPerSec_{name}"] for name in ("now", "old", "max")] == [25, 0, 25]
    assert report["connPerSec_history"] == [{"minute": 600, "mean": 25, "max": 25}]


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


def test_call_set_aside_is_not_waited_for():
    stats, aside, leave = Stats(), threading.Event(), threading.Event()

    def call():
        calls = stats.thread_counters().calls_of("/aside")
        calls.started += 1
        with stats.set_aside():
            aside.set()
            assert leave.wait(30)
        calls.end(0)

    thread = threading.Thread(target=call)
    thread.start()
    assert aside.wait(30)
    assert stats.wait_calls_idle(30) == 0
    leave.set()
    thread.join()
    assert stats.wait_calls_idle(0) == 0


def test_setting_a_call_aside_ends_the_wait():
    stats, started, go, leave = Stats(), threading.Event(), threading.Event(), threading.Event()

    def call():
        calls = stats.thread_counters().calls_of("/aside")
        calls.started += 1
        started.set()
        assert go.wait(30)
        with stats.set_aside():
            assert leave.wait(30)
        calls.end(0)

    thread = threading.Thread(target=call)
    thread.start()
    assert started.wait(30)
    assert stats.wait_calls_idle(0) == 1
    threading.Timer(0, go.set).start()
    assert stats.wait_calls_idle(30) == 0
    leave.set()
    thread.join()


def test_forked_process_counts_from_zero():
    stats = Stats()
    stats.thread_counters().requests_started += 1
    stats.remote_call_begins("/api/f")
    stats.remote_call_ends("/api/f", 5, failed=True, code=7)
    stats.count_lost(1)
    stats.count_reload(succeeded=True)
    stats.begin_in_child()

    totals, events = stats.totals(), stats.events()
    assert (totals.requests_started, dict(totals.calls)) == (0, {})
    assert (events.lost_notifications, events.reloads) == (0, 0)
    stats.thread_counters().requests_started += 1
    assert stats.totals().requests_started == 1


def test_each_thread_is_announced_before_it_counts():
    stats, seen = Stats(), []
    stats.on_first_count = lambda: seen.append(stats.totals().requests_started)

    def count():
        for _ in range(2):
            stats.thread_counters().requests_started += 1

    for _ in range(2):
        thread = threading.Thread(target=count)
        thread.start()
        thread.join()
    assert seen == [0, 2]


def test_rare_events_are_counted():
    stats = Stats()
    stats.count_refusal("408 Request Timeout")
    for succeeded in (True, False, True):
        stats.count_reload(succeeded=succeeded)
    stats.count_lost(3)

    events = stats.events()
    assert (events.reloads, events.failed_reloads, events.lost_notifications) == (2, 1, 3)
    assert stats.totals().refusals == {"408": 1}


def test_progress_changes_when_a_request_or_a_call_begins_or_ends():
    stats = Stats()
    counters = stats.thread_counters()
    calls = counters.calls_of("/api/f")
    seen = [stats.progress()]
    counters.requests_started += 1
    seen.append(stats.progress())
    calls.started += 1
    seen.append(stats.progress())
    calls.failures_with(7).end(1)
    seen.append(stats.progress())
    counters.requests_done += 1
    seen.append(stats.progress())

    assert len(set(seen)) == len(seen)


def counted(totals):
    return {url: (calls.started, calls.failed, calls.buckets) for url, calls in totals.calls.items()}


def test_sums_after_earlier_ones_equal_the_sums_of_all():
    stats = Stats()
    before = ThreadCounters()
    for number in range(20):
        calls = stats.thread_counters().calls_of(f"/api/{number % 3}")
        calls.started += 1
        calls.failed += number % 2
        calls.end(number * 1000)
        stats.thread_counters().requests_started += 1
        thread = threading.Thread(target=lambda: stats.thread_counters().calls_of("/api/0").end(5000))
        thread.start()
        thread.join()  # its counters are folded into the total of ended threads
        before = stats.totals_after(before)
        assert counted(before) == counted(stats.totals())

    assert before.requests_started == 20


def test_sums_of_methods_without_new_calls_are_not_added_up_again():
    stats = Stats()
    for url in ("/api/busy", "/api/idle"):
        stats.thread_counters().calls_of(url).started += 1
    before = stats.totals_after(ThreadCounters())
    stats.thread_counters().calls_of("/api/busy").end(1)
    after = stats.totals_after(before)

    assert after.calls["/api/idle"] is before.calls["/api/idle"]
    assert after.calls["/api/busy"] is not before.calls["/api/busy"]
    assert before.calls["/api/busy"].done() == 0
