"""Check 40: fuzzers over body, URL and headers, and over the bytes of a connection."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fuzz.running import NAMES, Outcome, run_command

from .checks import Scope, check
from .fuzz_target import FUZZERS
from .results import Findings, Result
from .subject import Start
from .suites import run_tests

__all__: list[str] = []

# How long each fuzzer of the whole pipeline runs, and each fuzzer of one part, in seconds.
_PIPELINE_S = 300
_TARGET_S = 60

# How many fuzzers run at the same time, one for each core.
_CONCURRENCY = 2

_STATE_MACHINE = "tests/servBackend/native/test_state_machine.py"


@dataclass(frozen=True, slots=True)
class Fuzzer:
    """A fuzzer.

    Attributes:
        name: The name in the figure.
        arguments: The arguments of the interpreter.
        seconds: How long it runs.
    """

    name: str
    arguments: list[str]
    seconds: int


_ALL = (
    *(Fuzzer(name, ["-m", "scorecard.fuzz_target", name, str(_PIPELINE_S)], _PIPELINE_S) for name in FUZZERS),
    *(Fuzzer(f"atheris, {name}", ["-m", "fuzz", name, "--seconds", str(_TARGET_S)], _TARGET_S) for name in NAMES),
)


@check(40, "Ten minutes of Hypothesis and atheris, and more: no crash, no unexpected 500", scope=Scope.ALONE)
def fuzzers(_start: Start) -> Result:
    findings = Findings()
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        outcomes = pool.map(fuzz, _ALL)
        states = pool.submit(run_tests, f"{_STATE_MACHINE} --hypothesis-profile=thorough --timeout=400")
        for fuzzer, outcome in zip(_ALL, outcomes, strict=True):
            findings.measure(f"{fuzzer.name}: {outcome.runs:,} runs in {fuzzer.seconds} s")
            findings.require(not outcome.fault, f"{fuzzer.name}: {outcome.fault}")
        state_machine = states.result()
    findings.measure("Hypothesis, states of a connection: 2,000 sequences of up to 100 steps")
    findings.require(state_machine.passed, "; ".join(state_machine.faults))
    return findings.result()


def fuzz(fuzzer: Fuzzer) -> Outcome:
    return run_command(fuzzer.name, fuzzer.arguments, fuzzer.seconds)
