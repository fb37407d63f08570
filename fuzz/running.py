"""Running targets in separate processes, since libFuzzer ends its process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CRASHES", "NAMES", "Outcome", "run_command", "run_target"]

NAMES = ("connection", "body", "head")

_ROOT = Path(__file__).resolve().parents[1]

# The folder where libFuzzer saves failing inputs.
CRASHES = _ROOT / ".cache" / "fuzz"

# How much longer than its time a fuzzer may take, to start and to end, in seconds.
_MARGIN_S = 120

_DONE = re.compile(r"Done (\d+) (?:runs|in)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a fuzzer.

    Attributes:
        name: The name of the fuzzer.
        runs: How many inputs it has tried.
        fault: The fault that it has found, or why it did not run; empty if all is well.
    """

    name: str
    runs: int
    fault: str


def run_target(name: str, seconds: int) -> Outcome:
    """Fuzz a target for some time."""
    return run_command(name, ["-m", "fuzz", name, "--seconds", str(seconds)], seconds)


def run_command(name: str, arguments: list[str], seconds: int) -> Outcome:
    """Run a fuzzer by this interpreter.

    Args:
        name: The name of the fuzzer.
        arguments: The arguments of the interpreter. The fuzzer prints how many runs it has done.
        seconds: How long it will run.
    """
    CRASHES.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=CRASHES,
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
    """Parse the output of a fuzzer and its exit status."""
    counts = _DONE.findall(output)
    if status != 0:
        return Outcome(name, int(counts[-1]) if counts else 0, output.strip()[-400:])
    return Outcome(name, int(counts[-1]), "") if counts else Outcome(name, 0, "it has run nothing")
