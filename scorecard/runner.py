"""Selecting checks and backends, and running them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from flaskJSONRPCServer.errors import SettingsError, unknown_name
from flaskJSONRPCServer.servBackend import servBackendMap

from .checks import Check, Scope
from .results import Result, Row
from .subject import Starter, SubjectError

__all__ = ["BACKENDS", "known_backends", "plan", "run", "select"]

BACKENDS = ("native", "pywsgi", "werkzeug", "granian")

# The backend for checks that need just one.
DEFAULT = "auto"

Task = tuple[Check, str]


def known_backends(arguments: Sequence[str]) -> list[str]:
    """Return the backends of the command line, or all of the scorecard.

    Raises:
        SettingsError: The installed package has no backend of this name.
    """
    names = [name for text in arguments for name in text.split()] or list(BACKENDS)
    for name in names:
        if name not in servBackendMap:
            raise SettingsError(unknown_name("serving backend", name, servBackendMap))
    return names


def select(checks: Iterable[Check], numbers: Sequence[int], *, quick: bool) -> list[Check]:
    """Return the checks with these numbers, or all. With ``quick``, return only those that take a second or two.

    Raises:
        SettingsError: There is no check with one of the numbers.
    """
    table = {check.number: check for check in checks}
    for number in numbers:
        if number not in table:
            raise SettingsError(f"unknown check {number}; known: {', '.join(map(str, table))}")
    return [
        check for number, check in table.items() if (not numbers or number in numbers) and (check.quick or not quick)
    ]


def plan(checks: Iterable[Check], backends: Sequence[str], *, named: bool) -> list[Task]:
    """Return the pairs of checks and backends to run. Checks with a long measurement beforehand come last.

    Args:
        checks: The checks.
        backends: The backends.
        named: Whether the user named the backends. Then checks that need just one run on the first of them, else on the
            default one.
    """
    tasks = []
    for check in sorted(checks, key=lambda check: (check.beforehand is not None, check.number)):
        targets = list(backends)
        if check.scope is Scope.ONCE:
            targets = [backends[0] if named else DEFAULT]
        elif check.scope is Scope.ALONE:
            targets = ["-"]
        tasks += [(check, backend) for backend in targets]
    return tasks


def run(tasks: Sequence[Task]) -> Iterator[Row]:
    """Run checks one after another, and yield a row for each. Long measurements begin at once, and run in parallel."""
    with ThreadPoolExecutor(max(1, len(tasks))) as pool:
        measurements = {
            (check.number, backend): pool.submit(measure_beforehand, check, backend)
            for check, backend in tasks
            if check.beforehand is not None
        }
        for check, backend in tasks:
            began = time.monotonic()
            result = run_check(check, backend, measurements.get((check.number, backend)))
            yield Row(check.number, check.title, backend, result, time.monotonic() - began)


def measure_beforehand(check: Check, backend: str) -> Any:
    assert check.beforehand is not None
    with Starter(backend) as start:
        return check.beforehand(start)


def run_check(check: Check, backend: str, beforehand: Future[Any] | None = None) -> Result:
    """Run one check. A check that cannot run, or that raises, has failed."""
    try:
        with Starter(backend) as start:
            measurements = [] if beforehand is None else [beforehand.result()]
            return check.function(start, *measurements)
    except SubjectError as exc:
        return Result(False, "", (f"cannot run: {exc}",))
    except Exception as exc:  # noqa: BLE001  a fault of the server or of the check: both are red
        return Result(False, "", (f"broke off: {type(exc).__name__}: {exc}",))
