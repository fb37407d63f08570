"""The benchmark over sockets: how it reads wrk, serves contestants and reports. No test checks speeds."""

import json
import math
import sys
from itertools import pairwise

import pytest

from benchmarks.sockets import environments, page, run, wrk
from benchmarks.sockets.environments import PEERS, LeftOutError, Runner, prepare, versions
from benchmarks.sockets.growth import growth_mb
from benchmarks.sockets.loads import BATCH, KEPT_ALIVE, LOADS, MAIN, MEGABYTES, NAP, PAYLOAD, SINGLE
from benchmarks.sockets.results import Results
from benchmarks.sockets.roster import BACKENDS, PEER, chosen, contestants_on, roster
from benchmarks.sockets.run import Run
from benchmarks.sockets.serving import Pins, in_order, serving
from benchmarks.sockets.targets import Verdict, verdicts
from benchmarks.sockets.wrk import LoadError, Sample, parse

# The output of wrk 4.1.0 with our script, for a server that answered some requests with status 500.
OUTPUT = """\
Running 60m test @ http://127.0.0.1:9501/api
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.36ms    2.65ms  29.27ms   84.05%
    Req/Sec     2.80k   212.01     3.11k    70.00%
  Latency Distribution
     50%    5.05ms
     99%   17.39ms
  2797 requests in 1.01s, 494.00KB read
  Socket errors: connect 1, read 2, write 0, timeout 3
Requests/sec:   2755.98

{"requests": 2797, "duration_us": 1014888, "p50_us": 5052, "p99_us": 17389, "connect": 1, "read": 2, "write": 0, "timeout": 3, "status": 797}
"""  # noqa: E501  as it was printed

RUNNER = prepare("ours")
WERKZEUG = contestants_on("werkzeug")
OURS, BARE, SIMPLEJSON, _, VIA_FLASK, FLASK_VIEW = WERKZEUG
JAYSON = next(one for one in roster([]) if one.environment == "jayson")


def sample(requests_per_s, *, p50_ms=1.0, p99_ms=2.0, failed=0):
    return Sample(requests_per_s, p50_ms, p99_ms, failed)


def results_of(*figures):
    """Make results of triples: contestant, workload, the requests per second of each round."""
    results = Results()
    for contestant, load, rounds in figures:
        for requests_per_s in rounds:
            results.add(contestant, load, sample(requests_per_s))
    return results


def test_output_of_wrk_is_read_without_the_answers_of_an_error_status():
    read = parse(OUTPUT)
    assert read.requests_per_s == pytest.approx(2000 / 1.014888)
    assert (read.p50_ms, read.p99_ms, read.failed) == (5.052, 17.389, 1 + 2 + 3 + 797)


def test_output_without_figures_is_an_error_that_quotes_wrk():
    with pytest.raises(LoadError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:9999 Connection refused\n")
    with pytest.raises(LoadError):
        parse("")


def test_missing_wrk_is_an_error_with_the_remedy(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LoadError, match="tools/install-wrk"):
        wrk.find_wrk()


def test_early_end_is_not_waited_for():
    assert wrk.run_for(3600, [sys.executable, "-c", "print('done')"]) == "done\n"


def test_loads_have_the_sizes_in_their_titles():
    assert len(PAYLOAD.body) == pytest.approx(100_000, rel=0.02)
    assert len(MEGABYTES.body) == pytest.approx(10_000_000, rel=0.02)
    assert len(BATCH.message) == len(BATCH.expected) == BATCH.calls == 100
    assert (SINGLE.connections, KEPT_ALIVE.connections, NAP.connections) == (16, 1000, 64)


@pytest.mark.parametrize("contestant", WERKZEUG, ids=lambda contestant: contestant.name)
def test_ours_and_the_bare_ones_answer_correctly(contestant):
    with serving(contestant, RUNNER, Pins()) as served:
        assert [load for load in contestant.loads if not served.answers(load)] == []
        assert served.memory_mb() > 1


@pytest.mark.parametrize("contestant", contestants_on("pywsgi")[:2], ids=lambda contestant: contestant.name)
def test_ours_and_the_bare_ones_answer_under_gevent(contestant):
    with serving(contestant, RUNNER, Pins()) as served:
        assert served.answers(NAP)


def test_wrong_answer_is_distinguished_from_the_right_one():
    with serving(OURS, RUNNER, Pins()) as served:
        assert not served.answers(type(SINGLE)("wrong", "", SINGLE.message, {**SINGLE.expected, "result": 4}))
    assert not served.answers(SINGLE)


def test_answers_of_a_batch_may_come_in_any_order():
    assert in_order(BATCH.expected[::-1]) == BATCH.expected
    assert in_order(SINGLE.expected) == SINGLE.expected


def test_server_that_does_not_start_is_left_out_with_its_last_output():
    unknown = contestants_on("granite")[0]
    with pytest.raises(LeftOutError, match="unknown serving backend 'granite'"), serving(unknown, RUNNER, Pins()):
        pass


def test_whole_roster_has_every_backend_once_and_every_peer():
    everybody = roster(BACKENDS)
    assert len({one.name for one in everybody}) == len(everybody) == len(BACKENDS) * 6 + 10
    assert all((PEERS / one.script).is_file() for one in everybody)
    assert all(one.loads == MAIN for one in everybody if one.kind == PEER)


def test_shown_versions_are_known():
    for one in roster(["werkzeug"]):
        missing = [name for name in one.shows if name not in versions(one.environment)]
        assert missing == []


def test_only_and_workload_choose():
    everybody = roster(["werkzeug"])
    assert [one for one, _ in chosen(everybody, [], [])] == everybody
    assert chosen(everybody, ["JAYSON"], ["nap", "batch"]) == [(JAYSON, [BATCH, NAP])]
    assert [one for one, _ in chosen(everybody, [], ["megabytes"])] == [OURS, BARE]
    assert chosen(everybody, ["nobody"], []) == []


def test_turn_measures_each_load_and_the_memory(monkeypatch):
    asked = []
    monkeypatch.setattr(run, "measure", lambda url, body, **options: asked.append(body) or sample(7))
    turn = Run(rounds=2, seconds=0.01, pins=Pins(), runners={"ours": RUNNER})
    assert turn.measure_rounds([(OURS, [SINGLE, BATCH])]) == 2
    assert asked == [SINGLE.body, SINGLE.body, BATCH.body] * 2
    assert turn.results.of(OURS, BATCH) == [sample(7)] * 2
    assert turn.results.memory_mb[OURS.name] > 1


def test_failing_contestant_is_left_out_afterwards(monkeypatch):
    starts = []
    monkeypatch.setattr(run, "serving", lambda contestant, *_: starts.append(contestant) or fails())

    def fails():
        raise LeftOutError("it has no wheels")

    turn = Run(rounds=3, seconds=0.01, pins=Pins(), runners={"ours": RUNNER})
    turn.measure_rounds([(OURS, [SINGLE])])
    assert starts == [OURS]
    assert turn.results.left_out == {OURS.name: "it has no wheels"}


def test_load_with_a_wrong_answer_is_left_out_and_the_others_are_measured(monkeypatch):
    monkeypatch.setattr(run, "measure", lambda *_, **__: sample(7))
    wrong = type(SINGLE)("wrong", "one wrong call", SINGLE.message, None)
    turn = Run(rounds=1, seconds=0.01, pins=Pins(), runners={"ours": RUNNER})
    turn.measure_rounds([(BARE, [wrong, SINGLE])])
    assert turn.results.left_out == {f"{BARE.name}: one wrong call": "its answer is wrong"}
    assert turn.results.has(BARE, SINGLE)


def test_rounds_end_before_the_limit(monkeypatch):
    monkeypatch.setattr(run, "_LIMIT_S", 0)
    assert Run(rounds=5, seconds=0.01, pins=Pins()).measure_rounds([]) == 1


def test_missing_environment_leaves_its_contestants_out(monkeypatch):
    monkeypatch.setenv("PATH", "")
    prepared = Run(rounds=1, seconds=0.01, pins=Pins())
    assert prepared.prepare([(JAYSON, [SINGLE]), (OURS, [SINGLE])]) == [(OURS, [SINGLE])]
    assert prepared.results.left_out == {JAYSON.name: "there is no Node.js with npm"}


def test_python2_is_not_looked_for_in_vain(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(LeftOutError, match=r"no Python 2\.7"):
        prepare("old")


def test_environment_is_built_once_for_one_set_of_pins(monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "_HOME", tmp_path / ".venvs")
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    pins = tmp_path / "pins"
    built = []

    def build():
        built.append(pins.read_text())
        return [[sys.executable, "-c", "import pathlib; pathlib.Path('.venvs/one').mkdir(parents=True)"]]

    monkeypatch.chdir(tmp_path)
    for text in ("a==1", "a==1", "a==2"):
        pins.write_text(text)
        environments.install("one", pins, build)
    assert built == ["a==1", "a==2"]


def test_environment_that_cannot_be_built_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "_HOME", tmp_path)
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    pins = tmp_path / "pins"
    pins.write_text("a==1")
    with pytest.raises(LeftOutError, match="could not be built: no such package"):
        environments.install("one", pins, lambda: [[sys.executable, "-c", "raise SystemExit('no such package')"]])


def test_ratios_are_computed_in_each_round():
    results = results_of((OURS, SINGLE, [100, 30, 50]), (BARE, SINGLE, [200, 40, 100]), (OURS, BATCH, [10, 10, 10]))
    assert results.ratio(OURS, BARE, SINGLE) == 0.5
    assert results.ratio_of_loads(OURS, BATCH, SINGLE) == 1000 / 50
    assert results.calls_per_s(OURS, BATCH) == 1000


def test_ratio_to_a_contestant_without_answers_is_nan_and_meets_no_bound():
    results = results_of((OURS, SINGLE, [100, 100]), (JAYSON, SINGLE, [50, 0]))
    ratio = results.ratio(OURS, JAYSON, SINGLE)
    assert math.isnan(ratio)
    assert not Verdict("", ratio, 1).is_met
    assert not Verdict("", ratio, 1, at_most=True).is_met


def test_fastest_of_ours_represents_us():
    results = results_of((SIMPLEJSON, SINGLE, [8]), (OURS, SINGLE, [9]), (BARE, SINGLE, [99]), (JAYSON, SINGLE, [50]))
    assert results.champion() == OURS
    assert Results().champion() is None


def test_every_measured_figure_is_compared_with_its_target():
    results = results_of(
        (OURS, SINGLE, [82]),
        (BARE, SINGLE, [100]),
        (SIMPLEJSON, SINGLE, [71]),
        (VIA_FLASK, SINGLE, [85]),
        (FLASK_VIEW, SINGLE, [100]),
        (JAYSON, SINGLE, [100]),
        (OURS, BATCH, [5]),
        (OURS, KEPT_ALIVE, [41]),
        (OURS, MEGABYTES, [9]),
        (BARE, MEGABYTES, [10]),
    )
    imports = {"import flask": 100, "from flaskJSONRPCServer import flaskJSONRPCServer": 160}
    imports["import flaskJSONRPCServer.sansio_jsonrpc"] = 41
    held = [(verdict.figure, verdict.bound, verdict.is_met) for verdict in verdicts(results, imports, {OURS.name: 3.1})]
    assert sorted(held) == sorted(
        [
            (0.82, 0.82, True),
            (0.71, 0.72, False),
            (0.9, 0.9, True),
            (0.85, 0.85, True),
            (0.82, 0.95, False),
            (2.0, 3, True),
            (500 / 82, 5, True),
            (0.5, 0.8, False),
            (0, 0, True),
            (60, 60, True),
            (41, 40, False),
            (3.1, 3, False),
        ]
    )


def test_verdict_is_a_row():
    assert Verdict("ratio", 2.5, 3).cells() == ["ratio", "2.50", "≥ 3", "**not met**"]
    assert Verdict("MB", 2.5, 3, at_most=True).cells() == ["MB", "2.50", "≤ 3", "met"]


def test_report_has_a_table_for_each_load_with_the_fastest_first():
    results = results_of((OURS, SINGLE, [1234.4]), (JAYSON, SINGLE, [4936]), (OURS, NAP, [10]))
    results.memory_mb[OURS.name] = 34.4
    results.left_out["somebody"] = "it was ill"
    written = page.report(results, verdicts(results, {}, {}), "two cores", "a chart")
    rows = [line for line in written.splitlines() if line.startswith("| ")]
    assert rows[2].startswith("| jayson, Node http | 4,936 | 1.00 | 2.00 |  | 0.25 | 0 | jayson ")
    assert rows[3].startswith(f"| {OURS.name} | 1,234 | 1.00 | 2.00 | 34 | 1.00 | 0 | flaskJSONRPCServer ")
    titles = [line for line in written.splitlines() if line.startswith("### ")]
    assert titles == ["### One call", "### 64 connections, 5 ms", "### Targets", "### Left out"]
    assert written.startswith("two cores\n\na chart\n\n### One call")
    assert written.endswith("- somebody: it was ill")


def test_only_the_text_between_the_marks_is_replaced():
    text = f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n"
    once = page.replace_between(text, "new")
    assert once == f"before\n{page.BEGIN}\n\nnew\n\n{page.END}\nafter\n"
    assert page.replace_between(once, "new") == once
    with pytest.raises(ValueError, match="lacks the lines"):
        page.replace_between("before", "new")


def test_page_has_the_markers():
    text = page.PAGE.read_text()
    assert text.count(page.BEGIN) == text.count(page.END) == 1


def test_cores_are_printed():
    assert str(Pins(("taskset", "-c", "0"), ("taskset", "-c", "1"))) == "the server on core 0, the load on core 1"
    assert "fewer than two cores" in str(Pins())


def test_memory_is_measured_around_the_counted_calls(monkeypatch):
    put = []

    def measure(url, body, *, connections, seconds, prefix):
        put.append(1000 * seconds)
        return sample(1000)

    monkeypatch.setattr("benchmarks.sockets.growth.measure", measure)
    assert growth_mb(OURS, RUNNER, Pins(), calls=20_000) < 1000
    assert sum(put) >= 20_000
    assert all(one <= 5000 for one in put)


def test_json_has_every_round():
    figures = json.loads(json.dumps(results_of((OURS, SINGLE, [1, 2])).as_json()))
    rounds = figures["samples"][0]["rounds"]
    assert all(low["requests_per_s"] < high["requests_per_s"] for low, high in pairwise(rounds))


def test_runner_of_ours_is_this_interpreter():
    assert isinstance(RUNNER, Runner)
    assert RUNNER.command == [sys.executable]
    assert len(LOADS) == len({load.name for load in LOADS})
