"""Running targets in processes of their own: libFuzzer ends the process that it runs in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FOUND", "NAMES", "Outcome", "run_command", "run_target"]

NAMES = ("connection", "body", "head")

_ROOT = Path(__file__).resolve().parents[1]

# Where libFuzzer leaves the inputs that failed.
FOUND = _ROOT / ".cache" / "fuzz"

# How long a fuzzer may take beyond its time, to start and to end.
_MARGIN_S = 120

_DONE = re.compile(r"Done (\d+) (?:runs|in)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a fuzzer.

    Attributes:
        name: Its name.
        runs: How many inputs it has tried.
        fault: What it has found, or why it did not run; empty where all is well.
    """

    name: str
    runs: int
    fault: str


def run_target(name: str, seconds: int) -> Outcome:
    """Fuzz a target for a time."""
    return run_command(name, ["-m", "fuzz", name, "--seconds", str(seconds)], seconds)


def run_command(name: str, arguments: list[str], seconds: int) -> Outcome:
    """Run a fuzzer by this interpreter.

    Args:
        name: How it is called.
        arguments: Those of the interpreter. What it prints says how many runs it has done.
        seconds: How long it will take.
    """
    FOUND.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=FOUND,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + _MARGIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(name, 0, f"not done after {seconds + _MARGIN_S} s")
    return outcome_of(name, done.stdout + done.stderr, done.returncode)


def outcome_of(name: str, output: str, status: int) -> Outcome:
    """Return what the output of a fuzzer and its exit status tell."""
    counts = _DONE.findall(output)
    if status != 0:
        return Outcome(name, int(counts[-1]) if counts else 0, output.strip()[-400:])
    return Outcome(name, int(counts[-1]), "") if counts else Outcome(name, 0, "it has run nothing")
