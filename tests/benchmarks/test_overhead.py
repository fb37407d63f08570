"""Counting instructions: computing figures from counts, and comparing them with the kept ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import overhead
from benchmarks.contestants import CONTESTANTS, NATIVE
from benchmarks.counted import (
    CALL_IN_CONTEXT,
    CONTINUED_REQUEST,
    HARNESS,
    JSON_MODULES,
    MEASURED_REQUEST,
    PLAIN_CALL,
    PLAIN_REQUEST,
    RECORDED_REQUEST,
    STEPS,
    THREE_CHECKED,
    THREE_PARAMETERS,
    TRACED_REQUEST,
    cases,
    name_of,
)
from benchmarks.overhead import CannotCountError, beyond_limits, grown, per_request, steps, table

ROOT = Path(__file__).resolve().parents[2]

NAMES = [*(name_of(*case) for case in cases()), *STEPS]

LOG = """\
==12== Cachegrind, a cache and branch-prediction profiler
==15== I   refs:      1,000,500
==17== I   refs:      1,016,000
==12== I   refs:      2,000,000
"""


def figures(**changed):
    """Make figures of 1,000 instructions for all contestants but those in the arguments."""
    return {name: changed.get(name.rpartition(", ")[2].replace(" ", "_"), 1000) for name in NAMES}


def test_figure_is_the_difference_of_two_processes_per_request():
    assert per_request('["orjson, call, direct", 150, [15, 17]]\n', LOG) == {"orjson, call, direct": 103}


def test_counted_process_has_two_forks_for_each_case():
    done = subprocess.run([sys.executable, "-m", "benchmarks.counted"], cwd=ROOT, capture_output=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, _, _ in lines] == NAMES
    assert len({pid for *_, pids in lines for pid in pids}) == 2 * len(NAMES)
    assert all(requests > 0 for _, requests, _ in lines)


def test_only_growth_of_ours_beyond_the_tolerance_is_a_fault():
    assert grown(figures(direct=1029, via_Flask=500, bare_WSGI=2000), figures()) == []
    faults = grown(figures(direct=1031), figures())
    assert len(faults) == len(JSON_MODULES) * 3
    assert faults[0] == "simplejson, call, direct: 1,031 instructions instead of 1,000 (+3.1%)"


def test_case_without_kept_figures_is_no_fault():
    assert grown(figures(direct=9999), {}) == []


def test_table_has_ratios_and_changes():
    lines = table(figures(direct=1500, bare_WSGI=500), figures()).splitlines()
    assert len(lines) == 1 + len(JSON_MODULES) * 3
    assert lines[1].split() == [
        "simplejson,",
        "call",
        "500",
        "1,000",
        "1,500",
        "1,000",
        "1,000",
        "3.00",
        "1.00",
        "+0.0%,",
        "+50.0%,",
        "+0.0%",
    ]
    assert table(figures(), {}).splitlines()[1].endswith("none, none, none")


def test_cost_of_a_step_is_what_a_call_with_it_takes_more():
    counts = {
        HARNESS: 40,
        PLAIN_CALL: 1000,
        CALL_IN_CONTEXT: 2500,
        THREE_PARAMETERS: 300,
        THREE_CHECKED: 900,
        **requests(700),
    }
    counts |= {HARNESS: 40, MEASURED_REQUEST: 5010, RECORDED_REQUEST: 17_500}
    assert steps(counts) == (
        "40 instructions of each figure for one request belong to the benchmark itself.\n"
        "A context of its own adds 1,500 instructions to a call.\n"
        "The check of three integers adds 600 instructions to a call.\n"
        "Tracing without an SDK adds 700 instructions to a call, and 1,400 if the client sends its trace.\n"
        "Tracing with an SDK adds 12,500 instructions to a call for its two spans: 3.5 times as many.\n"
        "Metrics add 10 instructions to a request."
    )


def requests(tracing):
    return {PLAIN_REQUEST: 5000, TRACED_REQUEST: 5000 + tracing, CONTINUED_REQUEST: 5000 + 2 * tracing}


def test_feature_beyond_its_limit_is_a_fault():
    at_the_limits = {PLAIN_REQUEST: 60_000, TRACED_REQUEST: 90_000, MEASURED_REQUEST: 65_000}
    at_the_limits |= {HARNESS: 5000, f"orjson, call, {NATIVE}": 55_000}
    assert beyond_limits(at_the_limits) == []
    assert beyond_limits({**at_the_limits, PLAIN_REQUEST: 59_999}) == [
        "tracing: 30,001 instructions more, instead of at most 30,000",
        "metrics: 5,001 instructions more, instead of at most 5,000",
    ]
    assert beyond_limits({**at_the_limits, HARNESS: 4999}) == ["a call: 50,001 instructions, instead of at most 50,000"]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Keep figures in a temporary file, and count without valgrind."""
    monkeypatch.setattr(overhead, "KEPT", tmp_path / "overhead.json")
    monkeypatch.setattr(overhead, "count", lambda: figures(direct=1100))
    return tmp_path / "overhead.json"


def test_check_fails_for_grown_figures_and_names_the_remedy(kept, capsys):
    kept.write_text(json.dumps({overhead.key(): figures()}))
    assert overhead.check() == 1
    assert "1,100 instructions instead of 1,000 (+10.0%); if that is meant, keep it: make" in capsys.readouterr().out


def test_check_without_growth_prints_only_the_figure_of_a_call_and_its_bound(kept, capsys):
    overhead.keep(figures(direct=1100))
    assert overhead.check() == 0
    of_call = overhead.of_call(figures())
    printed = capsys.readouterr().out
    assert printed == f"overhead: a call above the socket: {of_call:,} instructions, of at most 50,000\n"


def test_check_says_that_it_cannot_compare_other_pythons_and_libraries(kept, capsys):
    kept.write_text(json.dumps({"CPython 2.7, flask 0.1": figures()}))
    assert overhead.check() == 0
    assert capsys.readouterr().out == f"overhead: not compared: overhead.json has no figures for {overhead.key()}\n"


def test_check_says_that_valgrind_is_missing(kept, monkeypatch, capsys):
    monkeypatch.setattr(overhead, "count", cannot_count)
    overhead.keep(figures())
    assert overhead.check() == 0
    assert capsys.readouterr().out == "overhead: not compared: valgrind is not installed\n"


def cannot_count():
    raise CannotCountError("valgrind is not installed")


def test_missing_valgrind_is_reported(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotCountError, match="valgrind is not installed"):
        overhead.count()


def test_keeping_does_not_change_figures_of_other_cases(kept):
    kept.write_text(json.dumps({"another Python": {"a": 1}}))
    overhead.keep(figures())
    assert json.loads(kept.read_text()) == {"another Python": {"a": 1}, overhead.key(): figures()}


def test_kept_figures_cover_every_case():
    stored = json.loads((ROOT / "benchmarks" / "overhead.json").read_text())
    assert stored
    assert all(sorted(figures) == sorted(NAMES) for figures in stored.values())


def test_contestants_are_those_that_are_timed():
    assert {name.rpartition(", ")[2] for name in NAMES if name not in STEPS} == set(CONTESTANTS)
