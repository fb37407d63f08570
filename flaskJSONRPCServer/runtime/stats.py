"""The counters of one server. Counting takes no lock in the serving threads.

Each thread counts in counters of its own, and a reader adds them up.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol

from .concurrency import make_condition, make_lock
from .counters import Calls, ErrorCodes, ThreadCounters
from .rate import Rate

__all__ = ["Events", "Stats", "paired"]

# The counters of the thread that waits for a coroutine, in the coroutine's context: the event loop has another thread.
_waiting: ContextVar[ThreadCounters | None] = ContextVar("_waiting", default=None)


class ThreadEnd:
    """Reports the counters of a thread when the thread has ended. It lives in the thread's local storage."""

    __slots__ = ("_counters", "_ended")

    def __init__(self, counters: ThreadCounters, ended: deque[ThreadCounters]) -> None:
        self._counters = counters
        self._ended = ended

    def __del__(self) -> None:
        # A finalizer may run anywhere, even while this thread holds a lock. Appending to a deque takes none.
        self._ended.append(self._counters)


class Abandoned(Protocol):
    """A call that was answered at its deadline, while its thread runs on."""

    @property
    def counters(self) -> ThreadCounters | None:
        """The counters of its thread; None before it has begun."""


@dataclass(frozen=True, slots=True)
class Events:
    """Counts of what happens seldom.

    Attributes:
        lost_notifications: The notifications that did not run or did not finish.
        abandoned_calls: The calls that were answered at their deadlines, while their threads ran on.
        abandoned_running: Those of them that still run.
        reloads: The reloads that have succeeded.
        failed_reloads: The reloads that have not.
    """

    lost_notifications: int
    abandoned_calls: int
    abandoned_running: int
    reloads: int
    failed_reloads: int


class Stats:
    """Counts requests and calls, and the mean and maximum of named durations.

    Every thread has its own :class:`~flaskJSONRPCServer.runtime.counters.ThreadCounters`. When a thread has ended, the
    next new thread, sample or report folds its counters into a total, so memory is bounded by the living threads.

    Attributes:
        awaiting_idle: The number of threads that wait for requests or calls to end. If it is not 0, call
            :meth:`wake_waiting` after ending one.
        local: Has the ``counters`` of each thread that has counted; see :meth:`thread_counters`.
        on_first_count: Called in each thread before it counts for the first time; None for nothing.
        started_at: When counting began, in seconds since 1970.
    """

    def __init__(self) -> None:
        self.started_at = time.time()
        self.on_first_count: Callable[[], object] | None = None
        self._codes = ErrorCodes()
        self._begin()

    def _begin(self) -> None:
        self.local = threading.local()
        self._lock = make_lock()
        self._remote = ThreadCounters(self._codes)  # written under _lock, since no thread owns it
        self._counters: set[ThreadCounters] = {self._remote}  # guarded by _lock
        self._ended: deque[ThreadCounters] = deque()
        self._ended_total = ThreadCounters(self._codes)  # guarded by _lock
        self._rate = Rate(time.time())  # guarded by _lock
        self._idle = make_condition(self._lock)
        self.awaiting_idle = 0  # written under _lock, read without it
        self._lost_notifications = 0  # guarded by _lock
        self._set_aside = 0  # guarded by _lock
        self._abandoned: set[Abandoned] = set()  # guarded by _lock
        self._abandoned_total = 0  # guarded by _lock
        self._reloads = {True: 0, False: 0}  # by whether they have succeeded; guarded by _lock

    def begin_in_child(self) -> None:
        """Count from zero in a forked process: its parent has the counts until then.

        No other thread has come along, so that no lock is needed; another thread may have held it at the fork.
        """
        self.started_at = time.time()
        self._codes = ErrorCodes()
        self._begin()

    def thread_counters(self) -> ThreadCounters:
        """Return the counters of the calling thread."""
        try:
            counters: ThreadCounters = self.local.counters
        except AttributeError:
            counters = self._new_counters()
        return counters

    def is_calling(self) -> bool:
        """Return whether the calling thread is inside a dispatcher."""
        return self.own_calls() > 0

    def own_calls(self) -> int:
        """Return how many calls the calling thread runs; in a coroutine, the thread that waits for it."""
        return self._own_counters().calls_running()

    def _own_counters(self) -> ThreadCounters:
        counters = _waiting.get()
        if counters is None or counters not in self._counters:  # of another server, or of a thread that has ended
            return self.thread_counters()
        return counters

    def mark_waiting(self) -> None:
        """Attribute what runs in this context to the calling thread, which is about to wait for it."""
        _waiting.set(self.thread_counters())

    def remote_call_begins(self, url: str) -> None:
        """Count the start of a call that runs in another process."""
        with self._lock:
            self._remote.calls_of(url).started += 1

    def remote_call_ends(self, url: str, duration_ns: int, *, failed: bool, code: int | None = None) -> None:
        """Count the end of a call that ran in another process. Any thread may do it.

        Args:
            url: The URL of the dispatcher.
            duration_ns: How long it took.
            failed: Whether it failed.
            code: The code of its error, if that is known.
        """
        with self._lock:
            calls = self._remote.calls_of(url)
            if failed:
                calls.failed += 1
                calls.failures_with(None if code is None else self._codes.known(code)).end(duration_ns)
            else:
                calls.end(duration_ns)
        self.wake_waiting()

    def wake_waiting(self) -> None:
        """Wake the threads that wait for requests or calls to end."""
        if self.awaiting_idle:
            with self._idle:
                self._idle.notify_all()

    def count_lost(self, notifications: int) -> None:
        """Count notifications that did not run or did not finish."""
        with self._lock:
            self._lost_notifications += notifications

    def count_refusal(self, status: str) -> None:
        """Count a request that the serving backend has answered with an HTTP error, such as ``408 Request Timeout``."""
        with self._lock:
            self._remote.count_refusal(status)

    def count_reload(self, *, succeeded: bool) -> None:
        """Count a reload of dispatchers."""
        with self._lock:
            self._reloads[succeeded] += 1

    def abandon(self, call: Abandoned) -> None:
        """Count a call that was answered at its deadline, while its thread runs on.

        :meth:`wait_calls_idle` does not wait for it: it may never end.
        """
        with self._idle:
            self._abandoned.add(call)
            self._abandoned_total += 1
            self._idle.notify_all()

    def end_abandoned(self, call: Abandoned) -> None:
        """Count an abandoned call as ended."""
        with self._lock:
            self._abandoned.discard(call)

    def abandoned_now(self) -> int:
        """Return how many abandoned calls still run."""
        return len(self._abandoned)

    def wait_idle(self, timeout_s: float, allowed: int = 0) -> int:
        """Wait until at most ``allowed`` requests are being processed.

        Returns:
            The number still being processed; more than ``allowed`` only after the timeout.
        """
        return self._wait(self._in_flight, timeout_s, allowed)

    def wait_calls_idle(self, timeout_s: float, allowed: int = 0) -> int:
        """Wait until at most ``allowed`` dispatchers run, not counting those of the calling thread.

        Returns:
            The number still running; more than ``allowed`` only after the timeout.
        """
        counters = self._own_counters()
        own = counters.calls_running()
        return self._wait(
            lambda: self._calls_running() - own - self._set_aside - self._abandoned_running(counters),
            timeout_s,
            allowed,
        )

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Exclude the calling thread's dispatchers from :meth:`wait_calls_idle` inside the block.

        They wait for other dispatchers there; waiting for each other would never end.
        """
        own = self.own_calls()
        with self._idle:
            self._set_aside += own
            self._idle.notify_all()
        try:
            yield
        finally:
            with self._idle:
                self._set_aside -= own

    def add_durations(self, names: str | Sequence[str], durations_ms: float | Sequence[float]) -> None:
        """Count durations in milliseconds: one or several under one name, or one under each of several names.

        Raises:
            TypeError, ValueError: Names and durations do not match, or a duration is not a finite number. Nothing is
                counted then.
        """
        durations_of = self.thread_counters().durations_of
        for name, duration_ms in paired(names, durations_ms):
            durations_of(name).end(duration_ms)

    def sample(self) -> None:
        """Sample the rate of requests, and fold the counters of ended threads.

        Call it once a second if the server has a timer.
        """
        with self._lock:
            self._sample()

    def served(self) -> tuple[int, int]:
        """Return the number of requests and of calls that have begun."""
        with self._lock:
            calls = self._ended_total.calls_started() + sum(counters.calls_started() for counters in self._counters)
            return self._requests_started(), calls

    def progress(self) -> tuple[int, ...]:
        """Return a value that changes whenever a request or a call begins or ends."""
        totals = self.totals()
        ended = sum(calls.done() for calls in totals.calls.values())
        return totals.requests_started, totals.requests_done, totals.calls_started(), ended

    def totals(self) -> ThreadCounters:
        """Return the current sum over all threads."""
        total = ThreadCounters(self._codes)
        with self._lock:
            total.add(self._ended_total)
            for counters in self._counters:
                total.add(counters)
        return total

    def events(self) -> Events:
        """Return the counts that no thread owns."""
        with self._lock:
            return Events(
                self._lost_notifications,
                self._abandoned_total,
                len(self._abandoned),
                self._reloads[True],
                self._reloads[False],
            )

    def totals_after(self, before: ThreadCounters) -> ThreadCounters:
        """Return the current sums of requests and calls, for a reader that comes often.

        Histograms are added up only for methods with calls since the sums before; the others are taken from there. So
        a thousand methods of which few are called cost little.

        Args:
            before: The sums that this method returned the last time; empty counters the first time.
        """
        total = ThreadCounters()
        with self._lock:
            every_thread = [self._ended_total, *self._counters]
            changed = changed_urls(every_thread, before)
            for counters in every_thread:
                total.requests_done += counters.requests_done
                total.requests_started += counters.requests_started
                for url in changed & counters.calls.keys():
                    total.calls_of(url).add(counters.calls[url])
        for url in before.calls.keys() - changed:
            total.calls[url] = before.calls[url]
        return total

    def report(self, *, in_ms: bool) -> dict[str, Any]:
        """Return the statistics, with durations in milliseconds if ``in_ms``, else in seconds."""
        totals = self.totals()
        with self._lock:
            self._sample()
            rates = self._rate.report()
            lost = self._lost_notifications
            abandoned, abandoned_total = len(self._abandoned), self._abandoned_total
        calls = totals.calls
        return {
            **rates,
            "requestCount": totals.requests_started,
            "dispatcherCount": totals.calls_started(),
            "dispatcherErrorCount": sum(calls_of_url.failed for calls_of_url in calls.values()),
            "notificationLostCount": lost,
            "abandonedCallCount": abandoned_total,
            "processingRequestCount": totals.requests_started - totals.requests_done,
            "processingDispatcherCount": totals.calls_running(),
            "processingAbandonedCallCount": abandoned,
            "speedStats": speed_stats(totals, 1.0 if in_ms else 1e-3),
            "dispatchers": {url: calls_report(calls[url], 1e-6 if in_ms else 1e-9) for url in sorted(calls)},
        }

    def _sample(self) -> None:
        self._fold_ended()
        self._rate.count(self._requests_started(), time.time())

    def _requests_started(self) -> int:
        return self._ended_total.requests_started + sum(counters.requests_started for counters in self._counters)

    def _new_counters(self) -> ThreadCounters:
        if self.on_first_count is not None:
            self.on_first_count()
        counters = self.local.counters = ThreadCounters(self._codes)
        self.local.thread_end = ThreadEnd(counters, self._ended)
        with self._lock:
            self._fold_ended()
            self._counters.add(counters)
        return counters

    def _fold_ended(self) -> None:
        while self._ended:
            counters = self._ended.popleft()
            self._counters.remove(counters)
            self._ended_total.add(counters)

    def _in_flight(self) -> int:
        every_thread = [self._ended_total, *self._counters]
        done = sum(counters.requests_done for counters in every_thread)
        return sum(counters.requests_started for counters in every_thread) - done

    def _calls_running(self) -> int:
        return self._ended_total.calls_running() + sum(counters.calls_running() for counters in self._counters)

    def _abandoned_running(self, own: ThreadCounters) -> int:
        """Return how many abandoned dispatchers run, not counting those of the thread with these counters."""
        every_thread = [call.counters for call in self._abandoned]
        return sum(counters.calls_running() for counters in every_thread if counters and counters is not own)

    def _wait(self, busy: Callable[[], int], timeout_s: float, allowed: int) -> int:
        with self._idle:
            self.awaiting_idle += 1
            try:
                self._idle.wait_for(lambda: busy() <= allowed, timeout_s)
                return busy()
            finally:
                self.awaiting_idle -= 1


def changed_urls(every_thread: Iterable[ThreadCounters], before: ThreadCounters) -> set[str]:
    """Return the URLs of the methods whose counts differ from earlier sums."""
    sums: dict[str, int] = {}
    for counters in every_thread:
        for url, calls in counters.calls.copy().items():
            sums[url] = sums.get(url, 0) + calls.progress()
    return {url for url, total in sums.items() if url not in before.calls or total != before.calls[url].progress()}


def calls_report(calls: Calls, factor: float) -> dict[str, float]:
    ended = calls.ended()
    p50, p90, p99 = ended.percentiles_ns((50, 90, 99))
    return {
        "calls": calls.started,
        "errors": calls.failed,
        "processing": calls.running(),
        "mean": ended.mean_ns() * factor,
        "max": ended.longest_ns * factor,
        "p50": p50 * factor,
        "p90": p90 * factor,
        "p99": p99 * factor,
    }


def speed_stats(totals: ThreadCounters, factor: float) -> dict[str, float]:
    speeds: dict[str, float] = {}
    for name, durations in totals.durations.items():
        if durations.count == 0:  # another thread is about to count its first
            continue
        speeds[f"{name}_max"] = durations.longest_ms * factor
        speeds[f"{name}_average"] = durations.total_ms / durations.count * factor
    return speeds


def paired(names: Any, durations_ms: Any) -> list[tuple[str, float]]:
    """Pair names with durations.

    Raises:
        TypeError, ValueError: See :meth:`Stats.add_durations`.
    """
    durations = durations_ms if isinstance(durations_ms, (list, tuple)) else [durations_ms]
    if not isinstance(names, (list, tuple)):
        names = [names] * len(durations)
    elif durations is not durations_ms or len(names) != len(durations):
        raise ValueError(f"{durations_ms!r} for the names {names!r} is refused: give a list with one duration for each")
    return [(checked_name(name), checked_duration(duration)) for name, duration in zip(names, durations, strict=True)]


def checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is refused as the name of a duration: give a string, or a list of strings")
    return name


def checked_duration(duration_ms: Any) -> float:
    if not isinstance(duration_ms, (float, Real)):
        raise TypeError(f"{duration_ms!r} is refused as a duration: give a number of milliseconds, or a list of them")
    if not math.isfinite(duration_ms):
        raise ValueError(f"{duration_ms!r} is refused as a duration: give a finite number of milliseconds")
    return float(duration_ms)
