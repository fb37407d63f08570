"""The counters of one thread: calls, durations, percentiles."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaskJSONRPCServer.runtime.counters import Calls, ErrorCodes, ThreadCounters

HOUR_NS = 3600 * 10**9


def calls_of(durations_ns):
    calls = Calls()
    for duration_ns in durations_ns:
        calls.started += 1
        calls.end(duration_ns)
    return calls


def test_counts_of_a_call_while_it_runs_and_after():
    calls = Calls()
    calls.started += 1
    assert (calls.started, calls.done(), calls.running(), calls.mean_ns()) == (1, 0, 1, 0)
    assert calls.percentiles_ns([50]) == [0]

    calls.end(1000)
    assert (calls.started, calls.done(), calls.running(), calls.mean_ns()) == (1, 1, 0, 1000)


def nearest_rank(durations_ns, percent):
    return sorted(durations_ns)[math.ceil(len(durations_ns) * percent / 100) - 1]


@given(st.lists(st.integers(0, 2 * HOUR_NS), min_size=1), st.integers(1, 100))
def test_percentile_is_right_within_a_sixteenth(durations_ns, percent):
    (percentile_ns,) = calls_of(durations_ns).percentiles_ns([percent])

    assert percentile_ns == pytest.approx(nearest_rank(durations_ns, percent), rel=1 / 16)
    assert percentile_ns <= max(durations_ns)


def test_percentiles_of_an_even_spread():
    p50, p90, p99 = calls_of(range(0, 10_000_000, 1000)).percentiles_ns([50, 90, 99])

    assert p50 == pytest.approx(5_000_000, rel=1 / 16)
    assert p90 == pytest.approx(9_000_000, rel=1 / 16)
    assert p99 == pytest.approx(9_900_000, rel=1 / 16)


def test_number_of_buckets_is_bounded():
    # Every power of two, with all combinations of its next three bits, and more.
    calls = calls_of((1 << power) * step // 64 for power in range(43) for step in range(64, 128))

    assert HOUR_NS < 1 << 42
    assert len(calls.buckets) <= 8 * 43


@given(st.lists(st.lists(st.integers(0, HOUR_NS))))
def test_sum_of_parts_is_the_whole(parts):
    total = ThreadCounters()
    for part in parts:
        counters = ThreadCounters()
        counters.calls["/api/echo"] = calls_of(part)
        total.add(counters)
    whole = calls_of(duration for part in parts for duration in part)

    for name in Calls.__slots__:
        assert getattr(total.calls_of("/api/echo"), name) == getattr(whole, name)


def test_adding_parts_does_not_change_them():
    part, total = ThreadCounters(), ThreadCounters()
    part.calls["/api/echo"] = calls_of([5])
    total.add(part)
    total.add(part)

    assert total.calls["/api/echo"].buckets == {5: 2}
    assert part.calls["/api/echo"].buckets == {5: 1}


def test_failed_calls_are_timed_by_their_code_and_count_as_ended():
    calls = Calls()
    calls.started += 3
    calls.end(1000)
    calls.failures_with(7).end(2000)
    calls.failures_with(None).end(4000)

    assert (calls.done(), calls.running(), calls.count()) == (3, 0, 1)
    ended = calls.ended()
    assert (ended.count(), ended.total_ns, ended.longest_ns) == (3, 7000, 4000)


def test_only_so_many_error_codes_are_counted_apart():
    codes = ErrorCodes(most=2)
    assert [codes.known(code) for code in (5, 6, 7, 5, 7, 6)] == [5, 6, None, 5, None, 6]


def test_errors_and_refusals_of_threads_are_added():
    part, total = ThreadCounters(), ThreadCounters()
    for _ in range(2):
        part.count_error("/api/f", 7)
        part.count_refusal("413 Content Too Large")
        part.batches += 1
        part.notifications += 2
    total.add(part)
    total.add(part)

    assert (total.errors, total.refusals) == ({("/api/f", 7): 4}, {"413": 4})
    assert (total.batches, total.notifications) == (4, 8)
