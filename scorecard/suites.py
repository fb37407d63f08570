"""Running selected tests of the package by pytest, for checks that they cover."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence

from .results import Result
from .subject import ROOT

__all__ = ["run_tests"]

# How long a selection of tests may take, in seconds.
_LIMIT_S = 420

_COUNTS = re.compile(r"(\d+) (passed|failed|error|errors|xfailed|skipped)")

_UNDER_GEVENT = "from gevent import monkey; monkey.patch_all(); import pytest, sys; sys.exit(pytest.main())"


def run_tests(*selections: str, gevent: bool = False, options: Sequence[str] = ()) -> Result:
    """Run tests, and return how many have passed.

    Args:
        selections: The arguments of pytest for each run: paths, node ids, and ``-k`` with an expression.
        gevent: Whether to run them in a process that gevent has patched, where pywsgi serves.
        options: Further options of the interpreter.
    """
    passed, faults = 0, []
    for selection in selections:
        counts, tail = run_pytest(shlex.split(selection), gevent, options)
        passed += counts.get("passed", 0)
        if tail or not counts.get("passed"):
            faults.append(f"{selection}: {tail or 'no test was run'}")
    return Result(not faults, f"{passed} tests passed ({', '.join(selections)})", tuple(faults))


def run_pytest(arguments: list[str], gevent: bool, options: Sequence[str]) -> tuple[dict[str, int], str]:
    """Run pytest once. Return its counts, and the failed tests or its last lines; an empty text if all tests passed."""
    command = ["-c", _UNDER_GEVENT, "-p", "tests.gevent.everywhere"] if gevent else ["-m", "pytest"]
    quiet = ["-p", "no:xdist", "-p", "no:cacheprovider", "-q", "--no-header", "--tb=line"]
    try:
        done = subprocess.run(
            [sys.executable, *options, *command, *quiet, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, f"not done after {_LIMIT_S} s"
    lines = done.stdout.strip().splitlines()
    counts = {name: int(count) for count, name in _COUNTS.findall(lines[-1] if lines else "")}
    if done.returncode == 0:
        return counts, ""
    failed = [line.split(" - ")[0] for line in lines if line.startswith(("FAILED", "ERROR"))]
    return counts, ", ".join(failed[:5]) or (done.stderr or done.stdout).strip()[-300:]
