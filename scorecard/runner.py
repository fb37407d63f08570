"""Running checks: which of them, on which backends, and what becomes of one that breaks off."""

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

# The backend of the checks that need any one.
DEFAULT = "auto"

Task = tuple[Check, str]


def known_backends(wanted: Sequence[str]) -> list[str]:
    """Return the backends that are wanted; all of the scorecard where none is named.

    Raises:
        SettingsError: The installed package has none of this name.
    """
    names = [name for text in wanted for name in text.split()] or list(BACKENDS)
    for name in names:
        if name not in servBackendMap:
            raise SettingsError(unknown_name("serving backend", name, servBackendMap))
    return names


def select(checks: Iterable[Check], numbers: Sequence[int], *, quick: bool) -> list[Check]:
    """Return the checks of these numbers, or all; with ``quick``, only those of a second or two.

    Raises:
        SettingsError: There is no check of a number.
    """
    table = {check.number: check for check in checks}
    for number in numbers:
        if number not in table:
            raise SettingsError(f"unknown check {number}; known: {', '.join(map(str, table))}")
    return [
        check for number, check in table.items() if (not numbers or number in numbers) and (check.quick or not quick)
    ]


def plan(checks: Iterable[Check], backends: Sequence[str], *, named: bool) -> list[Task]:
    """Return which check runs on which backend. What needs a long measurement beforehand comes last.

    Args:
        checks: The checks.
        backends: The backends.
        named: Whether they were asked for: what needs any one runs on the first of them then, else on the default one.
    """
    tasks = []
    for check in sorted(checks, key=lambda check: (check.beforehand is not None, check.number)):
        where = list(backends)
        if check.scope is Scope.ONCE:
            where = [backends[0] if named else DEFAULT]
        elif check.scope is Scope.ALONE:
            where = ["-"]
        tasks += [(check, backend) for backend in where]
    return tasks


def run(tasks: Sequence[Task]) -> Iterator[Row]:
    """Run checks one after another, and yield a row for each. Long measurements begin at once, and run beside them."""
    with ThreadPoolExecutor(max(1, len(tasks))) as pool:
        begun = {
            (check.number, backend): pool.submit(measure_beforehand, check, backend)
            for check, backend in tasks
            if check.beforehand is not None
        }
        for check, backend in tasks:
            began = time.monotonic()
            result = run_check(check, backend, begun.get((check.number, backend)))
            yield Row(check.number, check.title, backend, result, time.monotonic() - began)


def measure_beforehand(check: Check, backend: str) -> Any:
    assert check.beforehand is not None
    with Starter(backend) as start:
        return check.beforehand(start)


def run_check(check: Check, backend: str, beforehand: Future[Any] | None = None) -> Result:
    """Run one check. One that cannot run has failed, and so has one that breaks off."""
    try:
        with Starter(backend) as start:
            given = [] if beforehand is None else [beforehand.result()]
            return check.function(start, *given)
    except SubjectError as exc:
        return Result(False, "", (f"cannot run: {exc}",))
    except Exception as exc:  # noqa: BLE001  whatever ends a check is a fault of what it checks, or its own: both are red
        return Result(False, "", (f"broke off: {type(exc).__name__}: {exc}",))
