"""Checks that run in threads of their own, so that one that hangs holds up nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..runtime.concurrency import make_condition, start_thread
from ..runtime.interrupts import is_interrupt
from ..runtime.logs import INFO, WARNING, ServerLog

__all__ = ["Check", "ReadinessChecks"]

Check = Callable[[], object]
"""A check of the user's. It fails if it raises, or returns something false other than None."""

# All guessed. A probe of Kubernetes waits a second by default.
FRESH_S = 1.0  # how long an outcome is used before the check runs again
WAIT_S = 0.5  # how long one request waits for the checks that it has started
TIMEOUT_S = 5.0  # a check that runs for longer fails until it ends


class BackgroundCheck:
    """One check, with its last outcome.

    Attributes:
        name: Its name.
        check: The function.
        began_at: When its current run began, by the monotonic clock; None between runs.
        ended_at: When its last run ended.
        passed: Whether its last run has passed.
        is_failing: Whether the log has said that it fails.
    """

    __slots__ = ("began_at", "check", "ended_at", "is_failing", "name", "passed")

    def __init__(self, name: str, check: Check) -> None:
        self.name = name
        self.check = check
        self.began_at: float | None = None
        self.ended_at = float("-inf")
        self.passed = self.is_failing = False

    @property
    def has_outcome(self) -> bool:
        """Whether it has ever ended."""
        return self.ended_at > float("-inf")

    def is_due(self, now: float) -> bool:
        """Return whether to run it for a request at this time."""
        return self.began_at is None and now - self.ended_at >= FRESH_S

    def is_awaited(self, now: float) -> bool:
        """Return whether a request waits for its current run. One that takes long counts by its last outcome."""
        return self.began_at is not None and now - self.began_at < WAIT_S

    def passes(self, now: float) -> bool:
        """Return whether it counts as passed."""
        return self.passed and not self.is_late(now)

    def is_late(self, now: float) -> bool:
        """Return whether its current run takes too long."""
        return self.began_at is not None and now - self.began_at >= TIMEOUT_S


class ReadinessChecks:
    """The checks of one server. They run only when someone asks for their outcomes.

    One request at a time waits for them; others get the last outcomes meanwhile, if there are any. So however many
    requests come, and however long a check takes, they occupy one thread between them.

    Args:
        log: Gets a record when a check begins to fail, and when it passes again.
    """

    def __init__(self, log: ServerLog) -> None:
        self._log = log
        self._changed = make_condition()
        self._checks: dict[str, BackgroundCheck] = {}  # guarded by _changed, and so are the checks
        self._is_awaited = False  # guarded by _changed

    @property
    def names(self) -> list[str]:
        """The names of the checks."""
        return list(self._checks)

    def add(self, name: str, check: Check) -> None:
        """Add a check, unless there is one of this name."""
        with self._changed:
            if name not in self._checks:
                self._checks[name] = BackgroundCheck(name, check)

    def outcomes(self) -> dict[str, bool]:
        """Run the checks whose outcomes are old, wait for them briefly, and return whether each passes."""
        if not self._checks:
            return {}
        for check in self._begin_due():
            self._start(check)
        self._wait()
        with self._changed:
            now = time.monotonic()
            checks = list(self._checks.values())
            outcomes = {check.name: check.passes(now) for check in checks}
            late = [check for check in checks if check.is_late(now) and not check.is_failing]
            for check in late:
                check.is_failing = True
        for check in late:
            self._log.write(WARNING, f"readiness check {check.name!r} has not ended within {TIMEOUT_S:g} s")
        return outcomes

    def _begin_due(self) -> list[BackgroundCheck]:
        with self._changed:
            now = time.monotonic()
            due = [check for check in self._checks.values() if check.is_due(now)]
            for check in due:
                check.began_at = now
            return due

    def _start(self, check: BackgroundCheck) -> None:
        try:
            start_thread(self._run, (check,), name=f"check-{check.name}")
        except RuntimeError:  # the system has no room for another thread
            self._end(check, passed=False)

    def _run(self, check: BackgroundCheck) -> None:
        passed = False
        try:
            result = check.check()
            passed = result is None or bool(result)
            if not passed:
                self._log_failure(check, f"returned {result!r}")
        except BaseException as exc:  # an exception of any kind means that it fails
            passed = False
            if is_interrupt(exc):
                raise
            self._log_failure(check, f"raised {type(exc).__name__}", traceback=True)
        finally:
            self._end(check, passed=passed)

    def _end(self, check: BackgroundCheck, *, passed: bool) -> None:
        with self._changed:
            check.began_at, check.ended_at, check.passed = None, time.monotonic(), passed
            recovers = passed and check.is_failing
            check.is_failing = not passed
            self._changed.notify_all()
        if recovers:
            self._log.write(INFO, f"readiness check {check.name!r} passes again")

    def _log_failure(self, check: BackgroundCheck, what: str, *, traceback: bool = False) -> None:
        if not check.is_failing:
            self._log.write(WARNING, f"readiness check {check.name!r} fails: it {what}", traceback=traceback)

    def _wait(self) -> None:
        with self._changed:
            if self._is_awaited and all(check.has_outcome for check in self._checks.values()):
                return
            self._is_awaited = True
            try:
                self._changed.wait_for(self._are_settled, WAIT_S)
            finally:
                self._is_awaited = False

    def _are_settled(self) -> bool:
        now = time.monotonic()
        return not any(check.is_awaited(now) for check in self._checks.values())
