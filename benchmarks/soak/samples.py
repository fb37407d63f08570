"""Sample a server under load at equal intervals."""

import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .trends import Trend, trend_of

# The figures that must not grow over the second half, and the tolerated rise: less than one more client, or a page
# cache of the allocator.
TOLERANCES = {"rss_mb": 1.0, "uss_mb": 1.0, "descriptors": 1.0, "threads": 1.0}


@dataclass(frozen=True, slots=True)
class Sample:
    """The figures of one interval.

    Attributes:
        at_s: Its end, in seconds since the start.
        rss_mb: The resident memory of the process.
        uss_mb: The unique memory of the process.
        descriptors: The number of open descriptors.
        connections: The number of sockets among them, including listening ones.
        threads: The number of threads.
        requests_per_s: The rate of answers to the well-behaved clients.
        p50_ms: The median duration of their requests.
        p99_ms: The 99th percentile of the durations.
        unavailable: The number of answers with status 503.
    """

    at_s: float
    rss_mb: float
    uss_mb: float
    descriptors: int
    connections: int
    threads: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    unavailable: int


@dataclass
class Recorder:
    """Records the answers to the clients. Any thread may call it."""

    _durations_s: list[float] = field(default_factory=list)  # guarded by _lock, as is _unavailable
    _unavailable: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, duration_s: float) -> None:
        """Record an answered request."""
        with self._lock:
            self._durations_s.append(duration_s)

    def unavailable(self) -> None:
        """Record an answer with status 503."""
        with self._lock:
            self._unavailable += 1

    def take(self) -> tuple[list[float], int]:
        """Return the durations in ascending order and the number of 503s since the last call."""
        with self._lock:
            durations_s, self._durations_s = self._durations_s, []
            unavailable, self._unavailable = self._unavailable, 0
        return sorted(durations_s), unavailable


class Sampler:
    """Samples a process and the answers to its clients.

    Args:
        pid: The process.
        recorder: The record of the answers.
        every_s: The time between two samples.
    """

    def __init__(self, pid: int, recorder: Recorder, every_s: float) -> None:
        self.samples: list[Sample] = []
        self._process = psutil.Process(pid)
        self._recorder = recorder
        self._every_s = every_s
        self._over = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Sample while the block runs."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        began = last = time.monotonic()
        self._recorder.take()
        while not self._over.wait(last + self._every_s - time.monotonic()):
            now = time.monotonic()
            self.samples.append(self._sample(now - began, now - last))
            last = now

    def _sample(self, at_s: float, lasted_s: float) -> Sample:
        durations_s, unavailable = self._recorder.take()
        memory = self._process.memory_full_info()
        descriptors, sockets = count_descriptors(self._process.pid)
        return Sample(
            at_s=round(at_s, 2),
            rss_mb=round(memory.rss / 1e6, 3),
            uss_mb=round(memory.uss / 1e6, 3),
            descriptors=descriptors,
            connections=sockets,
            threads=self._process.num_threads(),
            requests_per_s=round(len(durations_s) / lasted_s, 1),
            p50_ms=percentile_ms(durations_s, 0.5),
            p99_ms=percentile_ms(durations_s, 0.99),
            unavailable=unavailable,
        )


def count_descriptors(pid: int) -> tuple[int, int]:
    """Return the number of descriptors of a process, and the number of sockets among them."""
    targets = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            targets.append(os.readlink(link))  # noqa: PTH115  the target is no path
    return len(targets), sum(target.startswith("socket:") for target in targets)


def percentile_ms(durations_s: list[float], share: float) -> float:
    """Return a percentile of durations in ascending order, in milliseconds; 0 if there are none."""
    if not durations_s:
        return 0.0
    return round(durations_s[math.ceil(share * len(durations_s)) - 1] * 1000, 3)


def trends(samples: list[Sample]) -> dict[str, Trend]:
    """Return the trends of the second half by the names of the figures.

    Raises:
        ValueError: There are too few samples.
    """
    second_half = samples[len(samples) // 2 :]
    return {name: trend_of([getattr(sample, name) for sample in second_half]) for name in TOLERANCES}


def growths(figure_trends: dict[str, Trend]) -> list[str]:
    """Return a sentence for each figure that grew."""
    return [
        f"{name} grew by {trend.rise:.3g} over the second half, beyond chance (p={trend.p_value:.2g})"
        for name, trend in figure_trends.items()
        if trend.is_growth(TOLERANCES[name])
    ]
