"""The history of the dashboard, with a clock of its own."""

import json
import tracemalloc

import pytest

from flaskJSONRPCServer.console.history import METHOD_COLUMNS, SERVER_COLUMNS, History, Sample, Track
from flaskJSONRPCServer.runtime.counters import OTHER, ThreadCounters
from flaskJSONRPCServer.runtime.resources import ProcessUsage

BEGAN_S = 1_000_000.0  # since 1970
MS = 1_000_000  # in ns


class Program:
    """A server as its history sees it. Its clock moves only by `tick`."""

    def __init__(self, **options):
        self.clock_s = 50.0
        self.counters = ThreadCounters()
        self.gc_s = 0.0
        self.usage = ProcessUsage(1.0, 1000, 10, 4)
        self.history = History(self.clock_s, BEGAN_S, **options)
        self.add()

    def add(self):
        totals = ThreadCounters()
        totals.add(self.counters)
        return self.history.add(Sample(self.clock_s, totals, self.gc_s, self.usage))

    def tick(self, seconds=1.0):
        self.clock_s += seconds
        return self.add()

    def call(self, url="/api/echo", *, duration_ms=1.0, failed=False, ends=True):
        calls = self.counters.calls_of(url)
        calls.started += 1
        if ends:
            calls.failed += failed
            calls.end(int(duration_ms * MS))

    def fine(self, since=0):
        return self.history.since(since)[0]

    def coarse(self, since=0):
        return self.history.since(since)[1]

    def method(self, name):
        return self.history.method_since(name, 0)[0]


@pytest.fixture
def program():
    return Program()


def test_first_sample_is_where_the_history_begins(program):
    assert program.history.sequence == 1
    assert program.fine()["time"] == []


def test_row_is_the_difference_of_two_samples(program):
    for number in range(8):
        program.call(failed=number < 2)
    program.counters.requests_started, program.counters.requests_done = 6, 5
    program.gc_s, program.usage = 0.004, ProcessUsage(1.5, 2048, 12, 5)
    program.tick(2)
    fine = program.fine()

    assert fine["time"] == [BEGAN_S + 2]
    assert fine["requests_per_s"] == [3]
    assert fine["calls_per_s"] == [4]
    assert fine["errors_per_s"] == [1]
    assert fine["in_flight"] == [1]
    assert fine["gc_ms"] == [4]
    assert fine["cpu_percent"] == [25]
    assert (fine["memory_kb"], fine["descriptors"], fine["threads"]) == ([2048], [12], [5])
    assert {*fine} == {*SERVER_COLUMNS, "time", "step_s", "length"}


def test_percentiles_are_those_of_the_interval_alone(program):
    for _ in range(1000):
        program.call(duration_ms=100)
    program.tick()
    for duration_ms in range(1, 101):
        program.call(duration_ms=duration_ms)
    program.tick()
    fine = program.fine()

    assert fine["p50_ms"] == pytest.approx([100, 50], rel=0.07)
    assert fine["p95_ms"] == pytest.approx([100, 95], rel=0.07)
    assert fine["p99_ms"] == pytest.approx([100, 99], rel=0.07)


def test_interval_without_calls_has_no_percentiles(program):
    program.call()
    program.tick()
    program.tick()

    assert program.fine()["p50_ms"][1] is None
    assert json.dumps(program.fine(), allow_nan=False)


def test_call_that_spans_two_intervals_counts_once_in_each_column(program):
    program.call(ends=False)
    program.tick()
    program.counters.calls_of("/api/echo").end(1500 * MS)
    program.tick()
    fine = program.fine()

    assert fine["calls_per_s"] == [1, 0]
    assert fine["running"] == [1, 0]
    assert fine["p50_ms"] == [None, pytest.approx(1500, rel=0.07)]


def test_only_what_is_new_since_a_sample_is_returned(program):
    seen = [program.tick() for _ in range(5)][2]
    program.call()
    program.tick()

    assert program.fine(seen)["calls_per_s"] == [0, 0, 1]
    assert program.fine(program.history.sequence)["time"] == []


def test_coarse_rows_are_exact_over_ten_seconds(program):
    for second in range(40):
        program.call(duration_ms=second + 1)
        program.tick(1.001)  # no timer is exact
    coarse = program.coarse()

    assert coarse["time"] == pytest.approx([BEGAN_S + 10.01 * row for row in range(1, 5)], abs=0.01)
    assert coarse["calls_per_s"] == pytest.approx([10 / 10.01] * 4, abs=0.01)
    assert coarse["p99_ms"] == pytest.approx([10, 20, 30, 40], rel=0.07)


def test_seconds_are_kept_for_five_minutes_and_tens_of_seconds_for_an_hour(program):
    for _ in range(4000):
        program.tick()
    fine, coarse = program.fine(), program.coarse()

    assert fine["time"] == [BEGAN_S + second for second in range(3701, 4001)]
    assert len(coarse["time"]) == 360
    assert coarse["time"][-1] - coarse["time"][0] == 3590
    assert all(len(fine[name]) == 300 and len(coarse[name]) == 360 for name in SERVER_COLUMNS)


def test_times_never_go_back_whatever_the_interval(program):
    for seconds in (1, 0.6, 30, 5000, 1):
        program.tick(seconds)
    times = program.fine()["time"]

    assert times == sorted(times)
    assert len(times) == 5


def test_sample_too_soon_after_another_makes_no_row(program):
    program.call()
    program.tick(0.1)
    program.tick(0.9)

    assert program.fine()["calls_per_s"] == [1]


def test_method_has_its_own_rows_from_its_first_call_on(program):
    program.tick()
    program.call("/api/late", failed=True)
    program.tick()
    late = program.method("/api/late")

    assert late["calls_per_s"] == [0, 1]
    assert late["errors_per_s"] == [0, 1]
    assert late["p50_ms"] == [None, pytest.approx(1, rel=0.07)]
    assert {*late} == {*METHOD_COLUMNS, "time", "step_s", "length"}


def test_methods_over_the_bound_are_one_other():
    program = Program(most_methods=2)
    for number in range(5):
        program.call(f"/api/{number}")
    program.tick()

    assert program.method("/api/1")["calls_per_s"] == [1]
    assert not program.history.has_method("/api/4")
    assert program.method(OTHER)["calls_per_s"] == [3]
    assert program.fine()["calls_per_s"] == [5]


def test_rows_of_a_method_that_is_idle_for_the_whole_track_are_given_to_another():
    track = Track(1, 3, most_methods=1)
    totals = ThreadCounters()

    def tick(second, *urls):
        for url in urls:
            totals.calls_of(url).started += 1
        copy = ThreadCounters()
        copy.add(totals)
        track.add(Sample(float(second), copy, 0.0, ProcessUsage(0, 0, 0, 0)), second, 0.0)

    tick(0)
    tick(1, "/old")
    tick(2, "/new")
    assert (track.has_method("/old"), track.has_method("/new")) == (True, False)
    tick(3)
    tick(4, "/new")
    assert (track.has_method("/old"), track.has_method("/new")) == (False, True)
    assert track.method_since("/new", 0)["calls_per_s"] == [0, 0, 1]


def test_history_of_an_hour_takes_less_than_a_megabyte():
    program = Program()
    for number in range(1000):
        program.call(f"/api/{number}")
    program.tick(10)

    assert sum(column.itemsize * len(column) for track in program.history._tracks for column in arrays_of(track)) < 8e5


def test_memory_does_not_grow_with_time():
    program = Program(most_methods=5)
    program.history._tracks = [Track(1, 20, 5), Track(10, 20, 5)]

    def run(seconds):
        for second in range(seconds):
            program.call(f"/api/{second % 60}", duration_ms=second % 7 + 1)
            program.tick()

    run(250)
    tracemalloc.start()
    try:
        run(250)
        grown_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert grown_bytes < 100_000  # the copy of the counters that the last sample holds
    assert all(len(track._methods) <= 5 for track in program.history._tracks)


def arrays_of(track):
    yield from (track._sequences, track._times)
    for ring in (track._server, track._other, *track._methods.values()):
        yield from ring._columns.values()
