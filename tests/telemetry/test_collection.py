"""The metrics that are read from the statistics."""

from hypothesis import given
from hypothesis import strategies as st

from flaskJSONRPCServer.runtime.counters import ErrorCodes, Histogram, ThreadCounters
from flaskJSONRPCServer.telemetry.collection import BOUNDS_S, call_families, histogram_samples
from flaskJSONRPCServer.telemetry.families import sample_key

INF = "+Inf"


def buckets_of(durations_ns):
    """Return the samples of a histogram: the buckets by their bounds, the count and the sum."""
    histogram = Histogram()
    for duration_ns in durations_ns:
        histogram.end(duration_ns)
    samples = dict(histogram_samples(histogram, {}))
    buckets = {dict(labels)["le"]: count for (suffix, labels), count in samples.items() if suffix == "_bucket"}
    return buckets, samples["_count", ()], samples["_sum", ()]


@given(st.lists(st.integers(0, 100 * 10**9), min_size=1))
def test_no_duration_is_below_a_bound_that_it_exceeds(durations_ns):
    buckets, count, sum_s = buckets_of(durations_ns)

    assert count == buckets[INF] == len(durations_ns)
    assert sum_s == sum(durations_ns) / 1e9
    assert list(buckets.values()) == sorted(buckets.values())
    for bound_s in BOUNDS_S:
        certain = sum(duration_ns * 1.125 <= bound_s * 1e9 for duration_ns in durations_ns)
        possible = sum(duration_ns <= bound_s * 1e9 for duration_ns in durations_ns)
        assert certain <= buckets[str(bound_s)] <= possible


def test_error_codes_beyond_the_bound_are_one_series():
    counters = ThreadCounters(ErrorCodes(most=2))
    for code in (1, 2, 3, 4, 1):
        counters.count_error("/api/f", code)
        counters.calls["/api/f"].failures_with(counters.codes.known(code)).end(1)

    calls, _, errors, _ = call_families(counters)
    counts = {dict(labels)["code"]: value for (suffix, labels), value in calls.samples.items() if suffix == "_count"}
    assert counts == {"1": 2, "2": 1, "_OTHER": 2}
    labels = {"method": "/api/f", "transport": "http"}
    assert errors.samples[sample_key("_total", {**labels, "code": "_OTHER"})] == 2


def test_call_that_runs_is_in_progress_and_not_yet_timed():
    counters = ThreadCounters()
    counters.calls["/api/f"].started += 1

    calls, running, *_ = call_families(counters)
    assert calls.samples == {}
    assert running.samples == {sample_key("", {"method": "/api/f"}): 1}
