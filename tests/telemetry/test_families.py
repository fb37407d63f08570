"""Metrics as values, and the sum of several processes."""

import json

import pytest

from flaskJSONRPCServer.telemetry.families import (
    Family,
    as_json,
    counter,
    from_json,
    gauge,
    kept_after_death,
    merged,
    sample_key,
)

CALLS = counter("calls", "Calls.", ({"method": "/api/a"}, 3), ({"method": "/api/b"}, 4))


def test_counters_of_processes_are_added_by_their_labels():
    other = counter("calls", "Calls.", ({"method": "/api/b"}, 5), ({"method": "/api/c"}, 6))

    (total,) = merged([[CALLS], [other]])

    assert total == counter(
        "calls", "Calls.", ({"method": "/api/a"}, 3), ({"method": "/api/b"}, 9), ({"method": "/api/c"}, 6)
    )
    assert CALLS.samples[sample_key("_total", {"method": "/api/b"})] == 4


@pytest.mark.parametrize(("merge", "value"), [("sum", 12), ("min", 5), ("max", 7), ("living", 12)])
def test_gauges_are_merged_as_they_ask(merge, value):
    processes = [[gauge("level", "A level.", ({}, number), merge=merge)] for number in (7, 5)]

    (total,) = merged(processes)
    assert total.samples == {("", ()): value}


def test_counts_are_kept_after_the_end_of_a_process_and_levels_are_not():
    histogram = Family("duration_seconds", "histogram", "Durations.", {})
    own = Family("process_cpu_seconds", "counter", "Processor.", {}, "living")

    assert kept_after_death([CALLS, gauge("level", "A level.", ({}, 1)), histogram, own]) == [CALLS, histogram]


def test_families_come_back_from_json():
    families = [CALLS, gauge("level", "A level.", ({"b": 1, "a": "x"}, 0.5), merge="max")]

    assert from_json(json.loads(json.dumps(as_json(families)))) == families


def test_labels_are_sorted_and_can_be_written_as_utf8():
    assert sample_key("", {"b": "\ud800", "a": 1}) == ("", (("a", "1"), ("b", "\\ud800")))
