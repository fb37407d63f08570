"""A call whose request is open, and that may become a task before it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ...dispatch.call_control import CallControl, Report
from ...runtime.concurrency import make_event, make_lock
from ..feature import Result

__all__ = ["Outcome", "PendingCall"]

# How often it is looked whether the client has left, in seconds; guessed.
_LOOK_S: Final = 0.1


# Not frozen: result() forgets what it returns.
@dataclass(slots=True)
class Outcome:
    """How a function has ended.

    Attributes:
        value: Its result; None if it has failed.
        failure: The exception that it has raised; None if it has not.
    """

    value: Result | None = None
    failure: BaseException | None = None

    @classmethod
    def of(cls, run: Callable[[], Result]) -> Outcome:
        """Run a function."""
        try:
            return cls(run())
        except BaseException as exc:  # noqa: BLE001  result() raises it
            return cls(failure=exc)

    def result(self) -> Result:
        """Return the result, once.

        Raises:
            BaseException: The function has failed with it.
        """
        value, failure = self.value, self.failure
        self.value = self.failure = None
        try:
            if failure is not None:
                raise failure
        finally:
            del failure  # its traceback has this frame, which would keep it
        assert value is not None  # noqa: S101  it has no failure
        return value


class PendingCall:
    """One run of a function in a thread of its own, while another thread serves its request.

    At first it is a call as any other whose request is open: its reports and log messages go to the client, and the
    client cancels it by leaving. It becomes a task at one moment, or never.

    Args:
        opened: The control that the request has for the run.
        wants_log: Whether the client wants log messages.

    Attributes:
        control: The control of the run.
    """

    def __init__(self, opened: CallControl, *, wants_log: bool) -> None:
        self.control = CallControl(self._report, opened.answers, log=opened.log if wants_log else None)
        self._opened = opened
        self._finished = make_event()
        self._changing = make_lock()
        self._outcome: Outcome | None = None  # guarded by _changing, as the next one
        self._settle: Callable[[Outcome], object] | None = None
        self._report_later: Report | None = None  # this one and the next are replaced in one step
        self._last: tuple[float, float | None, str | None] | None = None
        opened.on_cancel(self.control.cancel)

    def run(self, function: Callable[[CallControl], Result]) -> None:
        """Run the function. What it ends with is for :meth:`outcome`, or for the task that the call has become."""
        outcome = Outcome.of(lambda: function(self.control))
        with self._changing:
            settle = self._settle
            if settle is None:
                self._outcome = outcome
        self._finished.set()
        if settle is not None:
            settle(outcome)

    def wait(self, has_left: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Wait for the end of the function, and cancel it if the client leaves.

        Args:
            has_left: Returns whether the client has left.
            timeout_s: How long to wait at most, in seconds, unless the call is cancelled; None for any time.

        Returns:
            Whether the function has ended.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        wait_s = _LOOK_S if timeout_s is None else min(_LOOK_S, timeout_s)
        while not self._finished.wait(wait_s):
            if not self._opened.is_cancelled and has_left():
                self._opened.cancel()
            if end is not None and time.monotonic() >= end and not self._opened.is_cancelled:
                return False
        return True

    def outcome(self) -> Outcome:
        """Return how the function has ended, once it has, if the call has not become a task."""
        self._opened.end()
        with self._changing:
            outcome, self._outcome = self._outcome, None
        assert outcome is not None  # noqa: S101  as above
        return outcome

    def become_task(self, report: Report, settle: Callable[[Outcome], object]) -> bool:
        """Let the call outlast its request, unless it has ended or is cancelled.

        From now on the client hears of it as of a task, and does not cancel it by leaving.

        Args:
            report: Takes its progress, beginning with the last one that there was.
            settle: Takes how the function has ended, in the thread that has run it.

        Returns:
            Whether it does.
        """
        with self._changing:
            if self._outcome is not None:
                return False
            self._opened.end()
            if self._opened.is_cancelled:  # nothing cancels it after its end
                return False
            self._settle = settle
        self._report_later = report
        if self._last is not None:
            report(*self._last)
        return True

    def _report(self, done: float, total: float | None, message: str | None) -> None:
        self._last = done, total, message  # before the next line, so that become_task() sees it, or this report does
        report = self._report_later
        if report is None:
            self._opened.report(done, total, message)
        else:
            report(done, total, message)
