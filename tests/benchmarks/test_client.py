"""The benchmark of clients gives its figures. No test checks speeds."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_figures_are_printed():
    command = [sys.executable, "-m", "benchmarks.client", "--rounds=1", "--calls=4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)

    assert done.stderr == ""
    lines = done.stdout.splitlines()
    figures = [line for line in lines if " us a call " in line]
    assert [line[29:41].strip() for line in figures[:6]] == ["our client", "httpx", "requests"] * 2
    assert all(re.search(r" +\d+\.\d us a call +\d+\.\d\d$", line) for line in figures)
    assert lines[-1].startswith(("missed: ", "all goals are met"))
