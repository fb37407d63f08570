"""The benchmark of the pool of processes prints its ratios. No test checks speeds."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_ratios_are_printed():
    command = [sys.executable, "-m", "benchmarks.parallel", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [re.split(r" {2,}", line)[0] for line in lines[1:]] == [
        "call",
        "call through the WSGI callable",
        "1 MB there and back",
        "gain of two processes over one",
        "the same with bare loky",
    ]
    assert all(float(re.findall(r" (\d+\.\d\d) ", line)[0]) > 0 for line in lines[1:])
