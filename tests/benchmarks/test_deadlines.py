"""The benchmark of deadlines gives its figures. No test checks speeds."""

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.deadlines import report

ROOT = Path(__file__).resolve().parents[2]


def test_figures_of_a_backend_are_printed():
    command = [sys.executable, "-m", "benchmarks.deadlines", "--calls=2", "--clients=2", "--only=threadedNative"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)

    assert done.stderr == ""
    line = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"native +threadedNative( +-?\d+\.\d ms){4}  4 abandoned  (pass|FAIL: over 50 ms)", line)


def test_late_answers_are_a_failure(capsys):
    assert report(("native", "simple"), [(49.0, "abandoned"), (50.0, "killed")], 0.1)
    assert not report(("native", "simple"), [(50.1, "abandoned")], 0.1)
    assert capsys.readouterr().out.splitlines()[-1].endswith("FAIL: over 50 ms")
