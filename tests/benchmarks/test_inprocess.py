"""The benchmark gives its table, and times nothing but right answers. No test checks speeds."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.contestants import (
    CONTESTANTS,
    DIRECT,
    JSON_MODULES,
    answer_of,
    check_answer,
    exchange,
    make_application,
    right_answer,
)
from benchmarks.report import Verdict, memory_verdict, ratio_verdict
from benchmarks.timing import PAIRS, Race, Spread
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--rounds=2", "--sample-ms=0.01", "--calls=200"]

by_json_module = pytest.mark.parametrize("json_module", JSON_MODULES)
by_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks.inprocess", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    """The command's standard output and its output file."""
    file = tmp_path_factory.mktemp("benchmark") / "figures.json"
    done = run(*TINY, f"--json={file}")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, json.loads(file.read_text())


@by_json_module
@by_workload
@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_every_contestant_gives_the_right_answer(contestant, workload, json_module):
    app = make_application(contestant, json_module, workload.kind)
    assert answer_of(app, workload) == right_answer(workload)


def test_right_answers_are_sums_under_the_ids_of_the_calls():
    answers = {workload.name: workload.expected for workload in WORKLOADS}
    one = {"jsonrpc": "2.0", "result": 3, "id": 1}
    batch = [{**one, "id": number} for number in range(100)]
    assert answers == {
        "call, positional": one,
        "call, named": one,
        "notification, positional": None,
        "notification, named": None,
        "batch, positional": batch,
        "batch, named": batch,
    }


def test_wrong_answer_is_not_timed():
    def wrong(_environ, start_response):
        start_response("200 OK", [])
        return [b'{"jsonrpc": "2.0", "result": 4, "id": 1}']

    with pytest.raises(ValueError, match="wrong one answers 'call, positional' with"):
        check_answer(wrong, "wrong one", WORKLOADS[0])


def test_exchange_closes_what_an_application_returns():
    class Parts(list):
        closed = False

        def close(self):
            self.closed = True

    parts = Parts([b"a", b"b"])
    assert exchange(lambda environ, start_response: parts, {}, b"", None) == b"ab"
    assert parts.closed


def test_ratios_are_computed_in_each_round_without_the_harness():
    race = Race("json", WORKLOADS[0], 0.001)
    race._lanes["harness"].samples_us = [1.0, 2.0, 1.0]
    race._lanes["direct"].samples_us = [7.0, 5.0, 3.0]
    race._lanes["bare WSGI"].samples_us = [3.0, 3.0, 2.0]
    assert race.ratio("direct", "bare WSGI") == Spread(median=3.0, least=2.0, most=3.0)


def test_only_single_direct_calls_with_the_default_module_are_held_to_a_ratio():
    races = [Race(json_module, workload, 0.001) for json_module in JSON_MODULES for workload in WORKLOADS]
    for race in races:
        race.run_round()
    held = {
        (race.json_module, race.workload.name, pair) for race in races for pair in PAIRS if ratio_verdict(race, pair)
    }
    names = ("call, positional", "call, named")
    assert held == {("simplejson", name, (DIRECT, other)) for name in names for other in ("bare WSGI", "Flask view")}


def test_verdict_shows_the_bound_and_whether_it_is_met():
    assert str(Verdict("", 2.5, 2.5)) == "<= 2.5: pass"
    assert str(Verdict("", 2.51, 2.5)) == "<= 2.5: FAIL"
    assert memory_verdict({"growth_mb": 2.0}).passed
    assert not memory_verdict({"growth_mb": 2.1}).passed


def test_table_has_one_row_for_each_json_module_and_workload(tiny_run):
    lines = tiny_run[0].splitlines()
    assert lines[0].split()[:4] == ["JSON", "workload", "bare", "WSGI"]
    starts = [tuple(part.strip() for part in line.split("  ", 1)) for line in lines[1:19]]
    expected = [(name, workload.name) for name in JSON_MODULES for workload in WORKLOADS]
    assert [(name, rest.split("  ")[0]) for name, rest in starts] == expected


def test_bounds_are_printed_beside_their_figures(tiny_run):
    lines = tiny_run[0].splitlines()
    held = [line for line in lines if "<= 2.5:" in line and "<= 0.2:" in line]
    assert len(held) == 2
    assert all(line.startswith("simplejson  call, ") for line in held)
    assert lines[-1].startswith("memory after 200 direct calls, against after 20: ")
    assert "<= 2: " in lines[-1]


def test_json_file_has_what_was_measured(tiny_run):
    figures = tiny_run[1]
    assert [(race["json_module"], race["workload"]) for race in figures["races"]] == [
        (name, workload.name) for name in JSON_MODULES for workload in WORKLOADS
    ]
    assert all(set(race["net_us"]) == set(CONTESTANTS) for race in figures["races"])
    ratio = figures["races"][0]["ratios"]["direct / bare WSGI"]
    assert all(low <= high for low, high in pairwise([ratio["least"], ratio["median"], ratio["most"]]))
    assert figures["memory"]["calls"] == 200
    assert len(figures["verdicts"]) == 4 + 1


def test_memory_alone_is_one_line():
    done = run("--memory", "--calls=100")
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("memory after 100 direct calls, against after 10: ")


def test_check_turns_a_missed_bound_into_the_exit_status(monkeypatch, capsys):
    from benchmarks import inprocess, memory

    grown = {"calls": 10, "first": 1, "growth_mb": 2.1}
    monkeypatch.setattr(memory, "measure_apart", lambda calls: grown)
    monkeypatch.setattr(sys, "argv", ["inprocess", "--memory", "--check"])
    assert inprocess.main() == 1
    monkeypatch.setattr(sys, "argv", ["inprocess", "--memory"])
    assert inprocess.main() == 0
    assert capsys.readouterr().out.count("<= 2: FAIL") == 2
