"""What one thread has counted. Only that thread writes it; readers add up the counters of all threads."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

__all__ = ["Calls", "Durations", "ThreadCounters"]

# Bits of a duration that tell its bucket, the leading one among them: eight buckets for each power of two.
_BUCKET_BITS: Final = 4
# By the number of bits of a duration, a mask that keeps so many of them. The last one is for 292 years.
_LEADING_BITS: Final = [-1 << max(bits - _BUCKET_BITS, 0) for bits in range(64)]
_LEAST: Final = 1 << (_BUCKET_BITS - 1)  # shorter durations have no bits to drop


class Calls:
    """The calls of one dispatcher, with a histogram of their durations.

    A bucket is known by its least duration, in ns. Its width is an eighth of that at most, so its middle is never wrong
    by more than a sixteenth. Only buckets that have something in them exist: at most eight for each power of two.
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
        except KeyError:  # once in the life of the bucket, where get() would cost each call
            self.buckets[bucket] = 1
        self.total_ns += duration_ns

    def add(self, part: Calls) -> None:
        """Add what another thread has counted, which may go on counting meanwhile."""
        # In the reverse order of the writing: what is seen of a call that ends meanwhile has nothing missing before it,
        # so that a mean is never over the maximum, nor a count below zero.
        self.total_ns += part.total_ns
        for bucket, count in part.buckets.copy().items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.longest_ns = max(self.longest_ns, part.longest_ns)
        self.failed += part.failed
        self.started += part.started

    def done(self) -> int:
        """Return how many calls have ended."""
        # A copy is made in one step, whatever the thread whose counts these are does meanwhile.
        return sum(self.buckets.copy().values())

    def running(self) -> int:
        """Return how many calls have begun and not ended."""
        done = self.done()
        return self.started - done

    def mean_ns(self) -> float:
        """Return the mean duration; 0 where no call has ended."""
        return self.total_ns / done if (done := self.done()) else 0.0

    def percentiles_ns(self, percents: Iterable[int]) -> list[float]:
        """Return for each percentage the duration that so many of the calls have not exceeded; 0 without calls."""
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
    """Durations of one name of the user's own, in ms."""

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
        """Add what another thread has counted; in the reverse order, as :meth:`Calls.add`."""
        self.total_ms += part.total_ms
        self.count += part.count
        self.longest_ms = max(self.longest_ms, part.longest_ms)


class CallsByUrl(dict[str, Calls]):
    """The calls of each dispatcher, zero for one that has none yet."""

    def __missing__(self, url: str) -> Calls:
        calls = self[url] = Calls()
        return calls


class ThreadCounters:
    """The counts of one thread.

    Attributes:
        requests_started: The requests that have begun.
        requests_done: Those of them that have been answered.
        calls: By the URL of the dispatcher. Only dispatchers that the thread has called are there.
        speeds: By the name that the user gave.
    """

    __slots__ = ("calls", "requests_done", "requests_started", "speeds")

    def __init__(self) -> None:
        self.requests_started = 0
        self.requests_done = 0
        self.calls = CallsByUrl()
        self.speeds: dict[str, Durations] = {}

    def calls_of(self, url: str) -> Calls:
        """Return the counts of one dispatcher."""
        return self.calls[url]

    def speed_of(self, name: str) -> Durations:
        """Return the durations of one name."""
        speed = self.speeds.get(name)
        if speed is None:
            speed = self.speeds[name] = Durations()
        return speed

    def calling(self) -> int:
        """Return how many calls are running."""
        return sum(calls.running() for calls in self.calls.copy().values())

    def calls_started(self) -> int:
        """Return how many calls have begun."""
        return sum(calls.started for calls in self.calls.copy().values())

    def add(self, part: ThreadCounters) -> None:
        """Add what another thread has counted, which may go on counting meanwhile."""
        self.requests_done += part.requests_done
        self.requests_started += part.requests_started
        for url, calls in part.calls.copy().items():
            self.calls_of(url).add(calls)
        for name, speed in part.speeds.copy().items():
            self.speed_of(name).add(speed)
