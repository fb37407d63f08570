"""The soak run: its criteria for growth and lost calls, and a short run against a real server."""

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.soak import page
from benchmarks.soak.__main__ import faults_of
from benchmarks.soak.clients import CUT
from benchmarks.soak.misbehaving import assert_refused, assert_results
from benchmarks.soak.samples import TOLERANCES, Recorder, Sample, growths, percentile_ms, trends
from benchmarks.soak.server import count_standbys
from benchmarks.soak.stalls import StallWatch
from benchmarks.soak.trends import BLOCKS, p_value_of, trend_of
from scorecard.wire import Received

ROOT = Path(__file__).resolve().parents[2]

# A run of half an hour has 900 samples, of which the second half is judged.
COUNT = 450


def noisy(level, noise, rise=0.0, seed=0):
    """Samples with autocorrelated noise, as those of a real process have."""
    chance = random.Random(seed)
    values, drift = [], 0.0
    for number in range(COUNT):
        drift = 0.9 * drift + chance.gauss(0, noise)
        values.append(level + rise * number / COUNT + drift)
    return values


def sawtooth(level, height, rise=0.0, period=15):
    """Garbage that is collected occasionally."""
    return [level + height * (number % period) / period + rise * number / COUNT for number in range(COUNT)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("level", "noise", "leak", "tolerance"),
    [(80, 0.5, 6, 1), (25, 0.7, 8, 1), (30, 0.3, 3, 1), (80, 0.0, 1.5, 1)],
    ids=["memory", "descriptors", "threads", "without noise"],
)
def test_leak_is_growth(level, noise, leak, tolerance, seed):
    trend = trend_of(noisy(level, noise, leak, seed))

    assert trend.is_growth(tolerance), trend
    assert trend.level == pytest.approx(level + leak / 2, abs=2 + noise * 4)


@pytest.fixture
def managing_threads():
    """Starts threads that are called like those of the connections of an address, and ends them."""
    over, threads = threading.Event(), []

    def start(count):
        for _ in range(count):
            threads.append(threading.Thread(target=over.wait, name="server-native-connections-follower"))
            threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(("running", "standbys"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 2), (5, 2)])
def test_each_address_may_have_one_standby(running, standbys, managing_threads):
    managing_threads(running)

    assert count_standbys(2) == standbys


def test_leak_under_a_sawtooth_is_growth():
    assert trend_of(sawtooth(80, 20, rise=3)).is_growth(1)
    assert not trend_of(sawtooth(80, 20)).is_growth(1)


def test_noise_alone_is_seldom_growth():
    called = sum(trend_of(noisy(80, 0.5, seed=seed)).is_growth(0) for seed in range(300))

    assert called <= 12  # one in a hundred is what the test allows, and the samples resemble each other a little


@pytest.mark.parametrize(
    "values",
    [
        [80.0] * COUNT,
        noisy(80, 0.5, rise=-10),
        [*[80.0] * 200, *[500.0] * 10, *[80.0] * (COUNT - 210)],
        [*[80.0] * (COUNT - 1), 1e9],
        noisy(80, 0.001, rise=0.5),
    ],
    ids=["constant", "falls", "a burst", "an outlier", "too little to matter"],
)
def test_constant_figure_is_flat(values):
    assert not trend_of(values).is_growth(1)


def test_integers_that_grow_by_one_for_each_block_are_growth():
    assert trend_of([number // 40 for number in range(COUNT)]).is_growth(1)


@pytest.mark.parametrize(
    ("values", "p_value"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.0000416),  # S=45, variance 125
        ([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 0.9999584),
        ([5, 5, 5, 5], 1.0),
        ([1, 1, 2, 2, 3, 3], 0.01443),  # S=12, variance 25.33 with the ties
        ([1, 2, 1, 2], 0.34927),  # S=2, variance 6.67 with the ties
    ],
)
def test_p_value_is_that_of_manns_test(values, p_value):
    assert p_value_of(values) == pytest.approx(p_value, rel=0.02)


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match=f"23 samples tell no trend; it takes {2 * BLOCKS}: run for longer"):
        trend_of([1.0] * 23)


def sample(number, **figures):
    defaults = {"rss_mb": 80, "uss_mb": 60, "descriptors": 20, "connections": 15, "threads": 25}
    defaults |= {"requests_per_s": 800, "p50_ms": 1, "p99_ms": 30, "unavailable": 0}
    return Sample(at_s=2.0 * (number + 1), **(defaults | figures))


@pytest.mark.parametrize("name", TOLERANCES)
def test_leak_in_the_second_half_is_reported_by_name(name):
    flat = [sample(number) for number in range(200)]
    early = [sample(number, **{name: min(number, 90)}) for number in range(200)]
    leaking = [sample(number, **{name: 20 + number / 20}) for number in range(200)]

    assert growths(trends(flat)) == growths(trends(early)) == []
    [sentence] = growths(trends(leaking))
    assert sentence.startswith(f"{name} grew by 4.")
    assert "beyond chance" in sentence


def figures(**changed):
    defaults = {
        "threads": 5,
        "descriptors": 14,
        "children": 0,
        "modules": 500,
        "memory_mb": 60.0,
        "blocks": 300_000,
        "notes": 0,
        "kills": 0,
    }
    defaults |= {"reloads": 0, "locks": 0, "restarts": 0, "requestCount": 0, "notificationLostCount": 0}
    return defaults | {"processingRequestCount": 0, "processingDispatcherCount": 0} | changed


@pytest.mark.parametrize(
    ("counts", "after", "faults"),
    [
        ({"notifications": 3}, {"notes": 3}, []),
        ({"notifications": 3}, {"notes": 2}, ["of 3 notifications 2 ran"]),
        ({"notifications": 3}, {"notes": 4}, ["of 3 notifications 4 ran"]),
        ({"notifications": 3, CUT: 1}, {"notes": 5}, []),
        ({"notifications": 3, CUT: 1}, {"notes": 6}, ["of 3 notifications 6 ran"]),
        ({"notifications": 3, CUT: 1}, {"notes": 2}, ["of 3 notifications 2 ran"]),
        ({"killed calls": 2}, {"kills": 1}, ["2 calls were lost with 1 processes"]),
        ({}, {"descriptors": 15}, ["descriptors grew from 14 to 15"]),
        ({}, {"processingRequestCount": 1}, ["processingRequestCount is 1 at the end"]),
    ],
)
def test_lost_calls_and_leftovers_are_faults(counts, after, faults):
    assert faults_of(Counter(counts), figures(), figures(**after)) == faults


def test_stall_explains_running_and_following_requests():
    watch = StallWatch()
    watch.noticed(0.3, 100.0)
    assert (watch.count, watch.total_s) == (0, 0.0)

    watch.noticed(20.0, 200.0)

    assert (watch.count, watch.total_s) == (1, 20.0)
    assert watch.explains(190.0)
    assert watch.explains(204.0)
    assert not watch.explains(206.0)


def test_recorder_clears_returned_samples():
    recorder = Recorder()
    for duration_s in (0.3, 0.1):
        recorder.answered(duration_s)
    recorder.unavailable()

    assert recorder.take() == ([0.1, 0.3], 1)
    assert recorder.take() == ([], 0)


def test_percentiles_are_measured_durations():
    assert [percentile_ms([0.001, 0.002, 0.003, 0.004], share) for share in (0.5, 0.99)] == [2.0, 4.0]
    assert percentile_ms([], 0.99) == 0.0


ANSWER = b'HTTP/1.1 %d X\r\nContent-Length: 1\r\n\r\n{"result":"%b"}'


@pytest.mark.parametrize(
    ("data", "results", "message"),
    [
        (ANSWER % (200, b"a") + ANSWER % (200, b"b"), ["a", "b"], None),
        (ANSWER % (200, b"a") + ANSWER % (503, b""), ["a", "b"], None),
        (ANSWER % (200, b"b") + ANSWER % (200, b"a"), ["a", "b"], "not 'a'"),
        (ANSWER % (200, b"a"), ["a", "b"], "1 answers to 2 requests"),
        (ANSWER % (500, b"a"), ["a"], "status b'500'"),
    ],
)
def test_results_are_held_to_what_was_asked(data, results, message):
    received = Received(data, ended=True, seconds=0.0)
    if message is None:
        assert_results(received, results)
    else:
        with pytest.raises(AssertionError, match=message):
            assert_results(received, results)


@pytest.mark.parametrize(
    ("data", "ended", "message"),
    [
        (ANSWER % (413, b""), True, None),
        (ANSWER % (413, b""), False, "kept after"),
        (ANSWER % (200, b""), True, r"status 200, not one of \(413,\)"),
        (ANSWER % (413, b"") + ANSWER % (200, b""), True, r"\[413, 200\]"),
        (b"", True, r"\[\], not one of"),
    ],
)
def test_refusals_are_checked_for_status_and_end_of_connection(data, ended, message):
    received = Received(data, ended=ended, seconds=0.0)
    if message is None:
        assert_refused(received, 413)
    else:
        with pytest.raises(AssertionError, match=message):
            assert_refused(received, 413)


def test_figures_are_inserted_into_the_page():
    samples = [sample(number) for number in range(200)]
    run = page.Run(6.7, Counter(calls=3), figures(), figures(reloads=7), samples, trends(samples), ["one fault"])

    written = page.replaced(f"before\n{page.BEGIN}\nold\n{page.END}\nafter", page.report(run))

    assert written.startswith(f"before\n{page.BEGIN}\n\n20")
    assert written.endswith(f"{page.END}\nafter")
    assert "old" not in written
    assert "| rss_mb | 80 | 80 | 80 | +0.00 | 1.00 | flat |" in written
    assert "| calls | 3 |" in written
    assert "| reloads | 7 |" in written
    assert "1 faults\n\n- one fault" in written
    with pytest.raises(ValueError, match=r"performance\.md lacks the lines"):
        page.replaced("no marks", "text")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("backend", [[], ["--gevent"]], ids=["native", "pywsgi"])
def test_short_run_ends_with_its_tables_and_its_samples(tmp_path, backend):
    options = ["--minutes=0.06", "--every-s=0.05", "--warm-up-s=0.5", "--idle-s=0", f"--json={tmp_path / 'run.json'}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *options, *backend],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    # gevent prints a traceback if a client disconnects before its handshake.
    assert backend or done.stderr == ""
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    # A few seconds are too short to judge growth and leftovers: only the answers are judged here.
    left = [fault for fault in run["faults"] if " grew " not in fault]
    assert left == []
    assert run["counts"]["calls"] > 0
    assert run["counts"]["half close"] > 0
    assert run["counts"]["speak no tls"] > 0
    assert len(run["samples"]) > 30
    assert f"| calls | {run['counts']['calls']:,} |" in done.stdout
