"""The benchmark of small calls during a large one prints its table, and accepts only right answers."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.beside import ALONE, EXPERIMENTAL, PLAIN, Sample, check_large, large_text, percentile, table

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("options", [[], ["--gevent"]], ids=["native", "gevent"])
def test_table_has_a_line_for_each_case_and_their_ratio(options):
    command = [sys.executable, "-m", "benchmarks.beside", "--rounds=2", "--megabytes=0.5", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].endswith("gevent" if options else "native threads")
    starts = [line.split("  ")[0] for line in lines[2:]]
    assert starts == [ALONE, PLAIN, EXPERIMENTAL, "experimental True / False"]


def test_large_text_has_the_size_that_was_asked_for():
    assert len(large_text(1)) == pytest.approx(1e6, rel=0.1)


def test_wrong_large_answer_is_not_timed():
    text = large_text(0.01)
    right = json.dumps({"result": json.loads(text)["params"][0]}).encode()

    check_large(right, text)
    check_large(gzip.compress(right), text)
    with pytest.raises(ValueError, match="the large request was answered by b"):
        check_large(b'{"error": 1}', text)


def test_percentile_is_a_measured_value():
    assert [percentile([1.0, 2.0, 3.0, 4.0], percent) for percent in (50, 75, 99)] == [2.0, 3.0, 4.0]
    assert percentile([1.0], 50) == 1.0


def test_ratios_are_computed_in_each_round():
    rounds = [
        {
            ALONE: Sample([1.0], 1.0, None),
            PLAIN: Sample([plain], 1.0, 2.0),
            EXPERIMENTAL: Sample([experimental], 1.0, 3.0),
        }
        for plain, experimental in ((10.0, 1.0), (40.0, 20.0), (4.0, 1.0))
    ]

    ratios = table(rounds).splitlines()[-1]

    assert "0.25 (0.1-0.5)" in ratios
    assert ratios.endswith("1.5 (1.5-1.5)")
