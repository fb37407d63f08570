"""The benchmark of Celery gives its figures. No test checks speeds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.celery_overhead import timed

ROOT = Path(__file__).resolve().parents[2]


def test_figures_of_both_and_their_ratio_are_printed():
    command = [sys.executable, "-m", "benchmarks.celery_overhead", "--calls=20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)

    assert (done.returncode, done.stderr) == (0, "")
    _, bare, ours, ratio = done.stdout.splitlines()
    assert re.fullmatch(r"bare Celery +p50 +\d+\.\d\d ms +p99 +\d+\.\d\d ms", bare)
    assert re.fullmatch(r"ours +p50 +\d+\.\d\d ms +p99 +\d+\.\d\d ms", ours)
    assert re.fullmatch(r"ours / bare Celery at p50: \d+\.\d\d, <= 2\.5: (pass|FAIL)", ratio)


def test_wrong_answer_is_not_timed():
    with pytest.raises(ValueError, match="is not 3"):
        timed(lambda: 4)
