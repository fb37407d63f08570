"""The counters of one thread. Only that thread writes them; readers add up the counters of all threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

__all__ = ["OTHER", "Calls", "Durations", "ErrorCodes", "Histogram", "ThreadCounters", "upper_edge_ns"]

OTHER: Final = "_OTHER"
"""The name of all methods or codes together that have no figures of their own. No URL of a method is like it."""

Key = TypeVar("Key")

# Bits of a duration that select its bucket, including the leading one: eight buckets for each power of two.
_BUCKET_BITS: Final = 4
# Masks that keep the leading bits, by the bit length of a duration. The last one is for 292 years.
_LEADING_BITS: Final = [-1 << max(bits - _BUCKET_BITS, 0) for bits in range(64)]
_LEAST: Final = 1 << (_BUCKET_BITS - 1)  # shorter durations have no bits to drop


class Histogram:
    """Durations, counted in fine buckets.

    The key of a bucket is its least duration, in ns. Its width is at most an eighth of that, so its middle is wrong by
    at most a sixteenth. Only buckets with durations in them exist: at most eight for each power of two.
    """

    __slots__ = ("buckets", "longest_ns", "total_ns")

    def __init__(self) -> None:
        self.total_ns = 0
        self.longest_ns = 0
        self.buckets: dict[int, int] = {}

    def end(self, duration_ns: int) -> None:
        """Count a duration."""
        if duration_ns > self.longest_ns:  # noqa: PLR1730  max() costs each call more
            self.longest_ns = duration_ns
        bucket = duration_ns & _LEADING_BITS[duration_ns.bit_length()]
        try:
            self.buckets[bucket] += 1
        except KeyError:  # once in the life of a bucket; get() would cost every call
            self.buckets[bucket] = 1
        self.total_ns += duration_ns

    def add_durations(self, part: Histogram) -> None:
        """Add the durations of another thread, which may still be counting."""
        # Read in the reverse order of writing. Then a call that ends during the copy is never half counted: no mean
        # exceeds the maximum, and no count is below zero.
        self.total_ns += part.total_ns
        add_counts(self.buckets, part.buckets.copy())
        self.longest_ns = max(self.longest_ns, part.longest_ns)

    def count(self) -> int:
        """Return how many durations have been counted."""
        # Copying a dict is atomic, even while the thread that owns it counts on.
        return sum(self.buckets.copy().values())

    def mean_ns(self) -> float:
        """Return the mean duration; 0 if there is none."""
        return self.total_ns / count if (count := self.count()) else 0.0

    def percentiles_ns(self, percents: Iterable[int]) -> list[float]:
        """Return the percentiles of the durations, one for each percentage; 0 without durations."""
        ordered = sorted(self.buckets.items())
        count = self.count()
        return [self._reached_ns(ordered, count * percent / 100) for percent in percents]

    def _reached_ns(self, ordered: list[tuple[int, int]], rank: float) -> float:
        passed = 0
        for bucket, count in ordered:
            passed += count
            if passed >= rank:
                return min(middle(bucket), self.longest_ns)
        return 0.0


class Calls(Histogram):
    """The calls of one dispatcher. Its own durations are those of the calls that returned a result.

    Attributes:
        started: The number of calls that have begun.
        failed: The number of calls that have raised an exception.
        failures: The durations of the failed calls, by the code of their error.
    """

    __slots__ = ("failed", "failures", "started")

    def __init__(self) -> None:
        Histogram.__init__(self)
        self.started = 0
        self.failed = 0
        self.failures: dict[int | None, Histogram] = {}

    def failures_with(self, code: int | None) -> Histogram:
        """Return the durations of the calls that failed with an error code."""
        histogram = self.failures.get(code)
        if histogram is None:
            histogram = self.failures[code] = Histogram()
        return histogram

    def add(self, part: Calls) -> None:
        """Add the counts of another thread, which may still be counting."""
        self.add_durations(part)
        for code, histogram in part.failures.copy().items():
            self.failures_with(code).add_durations(histogram)
        self.failed += part.failed
        self.started += part.started

    def ended(self) -> Histogram:
        """Return the durations of all calls, failed or not."""
        total = Histogram()
        for histogram in (self, *self.failures.copy().values()):
            total.add_durations(histogram)
        return total

    def progress(self) -> int:
        """Return a number that grows whenever a call begins or ends. That of a sum is the sum of those of its parts."""
        failed_ns = sum(histogram.total_ns for histogram in self.failures.copy().values())
        return self.started + self.failed + self.total_ns + failed_ns

    def done(self) -> int:
        """Return how many calls have ended."""
        return self.count() + sum(histogram.count() for histogram in self.failures.copy().values())

    def running(self) -> int:
        """Return how many calls are running."""
        done = self.done()
        return self.started - done


def middle(bucket: int) -> float:
    """Return the middle of a bucket."""
    return (bucket + upper_edge_ns(bucket)) / 2


def upper_edge_ns(bucket: int) -> int:
    """Return the longest duration that a bucket holds."""
    return bucket + (1 << ((bucket | _LEAST).bit_length() - _BUCKET_BITS)) - 1


class Durations:
    """The durations recorded under one name that the user chose, in ms."""

    __slots__ = ("count", "longest_ms", "total_ms")

    def __init__(self) -> None:
        self.count = 0
        self.total_ms = 0.0
        self.longest_ms = -math.inf

    def end(self, duration_ms: float) -> None:
        """Count a duration."""
        if duration_ms > self.longest_ms:  # noqa: PLR1730  max() costs each call more
            self.longest_ms = duration_ms
        self.count += 1
        self.total_ms += duration_ms

    def add(self, part: Durations) -> None:
        """Add the durations of another thread, in the reverse order of writing, as :meth:`Calls.add` does."""
        self.total_ms += part.total_ms
        self.count += part.count
        self.longest_ms = max(self.longest_ms, part.longest_ms)


class CallsByUrl(dict[str, Calls]):
    """The calls of each dispatcher by its URL; a missing one starts at zero."""

    def __missing__(self, url: str) -> Calls:
        calls = self[url] = Calls()
        return calls


class ErrorCodes:
    """The error codes that are counted apart. Dispatchers choose codes, so their number must have a bound.

    Args:
        most: The most codes; all others are counted together, under None.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._known: set[int] = set()  # guarded by _lock, read without it
        self._lock = threading.Lock()

    def known(self, code: int) -> int | None:
        """Return the code under which an error is counted; None for the codes that are counted together."""
        if code in self._known:
            return code
        with self._lock:
            if len(self._known) < self._most:
                self._known.add(code)
        return code if code in self._known else None


class ThreadCounters:
    """The counts of one thread.

    Args:
        codes: The error codes that are counted apart.

    Attributes:
        batches: The number of batches.
        calls: The calls by the URL of their dispatcher. Only dispatchers that the thread has called are listed.
        codes: The error codes that are counted apart.
        durations: The user's durations by their name.
        errors: The number of answers with an error, by the URL of the dispatcher, empty without one, and the code.
        notifications: The number of notifications that have been handled.
        refusals: The number of requests that were answered with an HTTP error, by the status.
        requests_started: The number of requests that have begun.
        requests_done: The number of requests that have been answered.
    """

    __slots__ = (
        *("batches", "calls", "codes", "durations", "errors", "notifications"),
        *("refusals", "requests_done", "requests_started"),
    )

    def __init__(self, codes: ErrorCodes | None = None) -> None:
        self.requests_started = 0
        self.requests_done = 0
        self.batches = 0
        self.notifications = 0
        self.calls = CallsByUrl()
        self.durations: dict[str, Durations] = {}
        self.errors: dict[tuple[str, int | None], int] = {}
        self.refusals: dict[str, int] = {}
        self.codes = ErrorCodes() if codes is None else codes

    def calls_of(self, url: str) -> Calls:
        """Return the counts of one dispatcher."""
        return self.calls[url]

    def durations_of(self, name: str) -> Durations:
        """Return the durations recorded under one name."""
        durations = self.durations.get(name)
        if durations is None:
            durations = self.durations[name] = Durations()
        return durations

    def count_error(self, url: str, code: int) -> None:
        """Count an answer with an error; the URL is empty if there is no such dispatcher."""
        key = url, self.codes.known(code)
        self.errors[key] = self.errors.get(key, 0) + 1

    def count_refusal(self, status: str) -> None:
        """Count a request that is answered with an HTTP error, such as ``403 Forbidden``."""
        code = status[:3]
        self.refusals[code] = self.refusals.get(code, 0) + 1

    def calls_running(self) -> int:
        """Return how many calls are running."""
        return sum(calls.running() for calls in self.calls.copy().values())

    def calls_started(self) -> int:
        """Return how many calls have started."""
        return sum(calls.started for calls in self.calls.copy().values())

    def add(self, part: ThreadCounters) -> None:
        """Add the counts of another thread, which may still be counting."""
        self.requests_done += part.requests_done
        self.requests_started += part.requests_started
        self.batches += part.batches
        self.notifications += part.notifications
        for url, calls in part.calls.copy().items():
            self.calls_of(url).add(calls)
        for name, durations in part.durations.copy().items():
            self.durations_of(name).add(durations)
        add_counts(self.errors, part.errors.copy())
        add_counts(self.refusals, part.refusals.copy())


def add_counts(total: dict[Key, int], part: Mapping[Key, int]) -> None:
    """Add counts by their keys."""
    for key, count in part.items():
        total[key] = total.get(key, 0) + count
