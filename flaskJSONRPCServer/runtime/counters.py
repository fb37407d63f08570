"""The counters of one thread. Only that thread writes them; readers add up the counters of all threads."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

__all__ = ["Calls", "Durations", "ThreadCounters"]

# Bits of a duration that select its bucket, including the leading one: eight buckets for each power of two.
_BUCKET_BITS: Final = 4
# Masks that keep the leading bits, by the bit length of a duration. The last one is for 292 years.
_LEADING_BITS: Final = [-1 << max(bits - _BUCKET_BITS, 0) for bits in range(64)]
_LEAST: Final = 1 << (_BUCKET_BITS - 1)  # shorter durations have no bits to drop


class Calls:
    """The calls of one dispatcher, with a histogram of their durations.

    The key of a bucket is its least duration, in ns. Its width is at most an eighth of that, so its middle is wrong by
    at most a sixteenth. Only buckets with calls in them exist: at most eight for each power of two.
    """

    __slots__ = ("buckets", "failed", "longest_ns", "started", "total_ns")

    def __init__(self) -> None:
        self.started = 0
        self.failed = 0
        self.total_ns = 0
        self.longest_ns = 0
        self.buckets: dict[int, int] = {}

    def end(self, duration_ns: int) -> None:
        """Count a call as ended."""
        if duration_ns > self.longest_ns:  # noqa: PLR1730  max() costs each call more
            self.longest_ns = duration_ns
        bucket = duration_ns & _LEADING_BITS[duration_ns.bit_length()]
        try:
            self.buckets[bucket] += 1
        except KeyError:  # once in the life of a bucket; get() would cost every call
            self.buckets[bucket] = 1
        self.total_ns += duration_ns

    def add(self, part: Calls) -> None:
        """Add the counts of another thread, which may still be counting."""
        # Read in the reverse order of writing. Then a call that ends during the copy is never half counted: no mean
        # exceeds the maximum, and no count is below zero.
        self.total_ns += part.total_ns
        for bucket, count in part.buckets.copy().items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.longest_ns = max(self.longest_ns, part.longest_ns)
        self.failed += part.failed
        self.started += part.started

    def done(self) -> int:
        """Return how many calls have ended."""
        # Copying a dict is atomic, even while the thread that owns it counts on.
        return sum(self.buckets.copy().values())

    def running(self) -> int:
        """Return how many calls are running."""
        done = self.done()
        return self.started - done

    def mean_ns(self) -> float:
        """Return the mean duration; 0 if no call has ended."""
        return self.total_ns / done if (done := self.done()) else 0.0

    def percentiles_ns(self, percents: Iterable[int]) -> list[float]:
        """Return the percentiles of the durations, one for each percentage; 0 without calls."""
        ordered = sorted(self.buckets.items())
        done = self.done()
        return [self._reached_ns(ordered, done * percent / 100) for percent in percents]

    def _reached_ns(self, ordered: list[tuple[int, int]], rank: float) -> float:
        passed = 0
        for bucket, count in ordered:
            passed += count
            if passed >= rank:
                return min(middle(bucket), self.longest_ns)
        return 0.0


def middle(bucket: int) -> float:
    """Return the middle of a bucket."""
    width = 1 << ((bucket | _LEAST).bit_length() - _BUCKET_BITS)
    return bucket + (width - 1) / 2


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


class ThreadCounters:
    """The counts of one thread.

    Attributes:
        requests_started: The number of requests that have begun.
        requests_done: The number of requests that have been answered.
        calls: The calls by the URL of their dispatcher. Only dispatchers that the thread has called are listed.
        durations: The user's durations by their name.
    """

    __slots__ = ("calls", "durations", "requests_done", "requests_started")

    def __init__(self) -> None:
        self.requests_started = 0
        self.requests_done = 0
        self.calls = CallsByUrl()
        self.durations: dict[str, Durations] = {}

    def calls_of(self, url: str) -> Calls:
        """Return the counts of one dispatcher."""
        return self.calls[url]

    def durations_of(self, name: str) -> Durations:
        """Return the durations recorded under one name."""
        durations = self.durations.get(name)
        if durations is None:
            durations = self.durations[name] = Durations()
        return durations

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
        for url, calls in part.calls.copy().items():
            self.calls_of(url).add(calls)
        for name, durations in part.durations.copy().items():
            self.durations_of(name).add(durations)
