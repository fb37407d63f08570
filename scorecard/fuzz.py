"""Check 40: fuzzers over body, URL and headers, and over the bytes of a connection."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from .checks import Scope, check
from .fuzz_target import FUZZERS
from .outside_sources import SourceError, python_package
from .results import Findings, Result
from .subject import ROOT, Start

__all__: list[str] = []

# How long each of the fuzzers runs, at the same time, on a core each: ten minutes together.
_SECONDS = 300

_DONE = re.compile(r"Done (\d+) runs")


@check(40, "Ten minutes of Hypothesis and atheris: no crash, no unexpected 500", scope=Scope.ALONE)
def fuzzers(_start: Start) -> Result:
    found = Findings()
    with ThreadPoolExecutor(len(FUZZERS)) as pool:
        for name, (count, fault) in zip(FUZZERS, pool.map(fuzz, FUZZERS), strict=True):
            found.measure(f"{name}: {count:,} runs in {_SECONDS} s")
            found.require(not fault, f"{name}: {fault}")
            found.require(count > 0, f"{name} has run nothing")
    return found.result()


def fuzz(name: str) -> tuple[int, str]:
    """Run a fuzzer. Return how many inputs it has tried, and what it has found."""
    path = str(ROOT)
    if name == "atheris":
        try:
            path += os.pathsep + str(python_package("atheris"))
        except SourceError as exc:
            return 0, str(exc)
    with tempfile.TemporaryDirectory() as folder:  # where atheris leaves what it finds
        done = subprocess.run(
            [sys.executable, "-m", "scorecard.fuzz_target", name, str(_SECONDS)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS + 120,
            check=False,
        )
    output = done.stdout + done.stderr
    counts = _DONE.findall(output)
    fault = "" if done.returncode == 0 else output.strip()[-400:]
    return int(counts[-1]) if counts else 0, fault
