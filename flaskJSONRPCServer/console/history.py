"""The last hour of a server, in fixed memory.

A :class:`Sample` holds totals. A :class:`Track` makes one row of two samples: the difference between them. Its columns
are arrays of a fixed length, in which the newest row overwrites the oldest. One track has a row each second for the
last five minutes, the other a row each ten seconds for the last hour.
"""

from __future__ import annotations

import math
import secrets
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..runtime.counters import Calls, ThreadCounters
from ..runtime.resources import ProcessUsage

__all__ = ["METHOD_COLUMNS", "NO_CALLS", "PERCENTS", "SERVER_COLUMNS", "History", "Sample", "Track", "plain"]

METHOD_COLUMNS = ("calls_per_s", "errors_per_s", "p50_ms", "p95_ms", "p99_ms")
"""The columns of one method."""

SERVER_COLUMNS = (
    *("requests_per_s", *METHOD_COLUMNS, "in_flight", "running"),
    *("gc_ms", "cpu_percent", "memory_kb", "descriptors", "threads"),
)
"""The columns of the whole server."""

# How many methods have columns of their own. With all of them, a history takes 0.8 MB.
_MOST_METHODS = 50

# The seconds from row to row, and the number of rows: five minutes, and an hour.
_TRACKS = ((1, 300), (10, 360))

# How much sooner than its time a row is due, in seconds: no timer is exact.
_EARLY_S = 0.5

# Enough digits for a plot, and for a memory of a terabyte in kB within a millionth.
_DIGITS = 6

PERCENTS = (50, 95, 99)
"""The percentiles that are shown."""

NO_CALLS = Calls()
"""The calls of a method before its first one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The totals of a server at one moment.

    Attributes:
        clock_s: The moment, by :func:`time.monotonic`.
        totals: The requests and calls since the server was made.
        gc_s: The pauses of garbage collections since then, in seconds.
        usage: What the process uses.
    """

    clock_s: float
    totals: ThreadCounters
    gc_s: float
    usage: ProcessUsage


class Ring:
    """Columns of numbers that hold the last rows.

    Args:
        columns: The names of the columns.
        length: The number of rows.
    """

    def __init__(self, columns: Iterable[str], length: int) -> None:
        self._length = length
        # Rows from before the ring was made: a method that nobody had called.
        self._columns = {name: array("f", [math.nan if name.endswith("_ms") else 0.0]) * length for name in columns}

    def put(self, row: int, values: Iterable[float]) -> None:
        """Write a row. The number of the row counts from the first one on."""
        for column, value in zip(self._columns.values(), values, strict=True):
            column[row % self._length] = value

    def read(self, rows: Iterable[int]) -> dict[str, list[float | None]]:
        """Return rows, column by column."""
        places = [row % self._length for row in rows]
        return {name: [plain(column[place]) for place in places] for name, column in self._columns.items()}


class Track:
    """Rows at one interval, for the server and for each of its busiest methods.

    Args:
        step_s: The interval, in seconds.
        length: The number of rows that are kept.
        most_methods: How many methods have columns of their own. The others have some together.
    """

    def __init__(self, step_s: int, length: int, most_methods: int = _MOST_METHODS) -> None:
        self.step_s = step_s
        self.length = length
        self._most_methods = most_methods
        self._rows = 0
        self._sequences = array("Q", [0]) * length
        self._times = array("d", [0.0]) * length
        self._before: Sample | None = None
        self._server = Ring(SERVER_COLUMNS, length)
        self._other = Ring(METHOD_COLUMNS, length)
        self._methods: dict[str, Ring] = {}
        self._called_at: dict[str, int] = {}  # the row of its last calls, for each method with columns

    def add(self, sample: Sample, sequence: int, at_s: float) -> None:
        """Write a row, if one is due.

        Args:
            sample: The totals now.
            sequence: The number of the sample, larger than all before.
            at_s: The time that the row is shown at, in seconds since 1970.
        """
        before = self._before
        if before is not None and sample.clock_s - before.clock_s < self.step_s - _EARLY_S:
            return
        self._before = sample
        if before is None:
            return
        self._sequences[self._rows % self.length], self._times[self._rows % self.length] = sequence, at_s
        self._put(before, sample, sample.clock_s - before.clock_s)
        self._rows += 1

    def since(self, sequence: int) -> dict[str, Any]:
        """Return the rows of the server from after a sample on."""
        rows = self._rows_since(sequence)
        return {**self._frame(rows), **self._server.read(rows)}

    def method_since(self, name: str, sequence: int) -> dict[str, Any]:
        """Return the rows of a method from after a sample on; those of all others together if it has none."""
        rows = self._rows_since(sequence)
        return {**self._frame(rows), **self._methods.get(name, self._other).read(rows)}

    def _frame(self, rows: Iterable[int]) -> dict[str, Any]:
        times = [round(self._times[row % self.length], 3) for row in rows]
        return {"step_s": self.step_s, "length": self.length, "time": times}

    def has_method(self, name: str) -> bool:
        """Return whether a method has columns of its own."""
        return name in self._methods

    def _rows_since(self, sequence: int) -> range:
        first = last = self._rows
        while first > max(0, last - self.length) and self._sequences[(first - 1) % self.length] > sequence:
            first -= 1
        return range(first, last)

    def _put(self, before: Sample, now: Sample, elapsed_s: float) -> None:
        parts = calls_between(before.totals.calls, now.totals.calls)
        self._server.put(self._rows, server_row(before, now, sum_of(parts.values()), elapsed_s))
        with_columns = {name for name in parts if self._has_or_gets_columns(name)}
        for name, ring in self._methods.items():
            ring.put(self._rows, method_row(parts.get(name, NO_CALLS), elapsed_s))
        others = sum_of(part for name, part in parts.items() if name not in with_columns)
        self._other.put(self._rows, method_row(others, elapsed_s))

    def _has_or_gets_columns(self, name: str) -> bool:
        if name not in self._methods:
            if len(self._methods) >= self._most_methods and not self._drop_idle():
                return False
            self._methods[name] = Ring(METHOD_COLUMNS, self.length)
        self._called_at[name] = self._rows
        return True

    def _drop_idle(self) -> bool:
        """Drop the columns of a method whose rows are all empty; return whether there was one."""
        name = min(self._called_at, key=self._called_at.__getitem__, default=None)
        if name is None or self._rows - self._called_at[name] < self.length:
            return False
        del self._methods[name], self._called_at[name]
        return True


class History:
    """The tracks of one server.

    Args:
        clock_s: The time now, by :func:`time.monotonic`.
        now_s: The time now, in seconds since 1970.
        most_methods: How many methods have columns of their own.

    Attributes:
        id: A name that no other history has: the numbers of samples mean nothing in another one.
        sequence: The number of the last sample; 0 before the first.
    """

    def __init__(self, clock_s: float, now_s: float, most_methods: int = _MOST_METHODS) -> None:
        self.id = secrets.token_hex(8)
        self.sequence = 0
        # Rows are shown at times that never go back, whatever happens to the clock of the system.
        self._offset_s = now_s - clock_s
        self._tracks = [Track(step_s, length, most_methods) for step_s, length in _TRACKS]

    def add(self, sample: Sample) -> int:
        """Add a sample, and return its number."""
        self.sequence += 1
        for track in self._tracks:
            track.add(sample, self.sequence, self._offset_s + sample.clock_s)
        return self.sequence

    def since(self, sequence: int) -> list[dict[str, Any]]:
        """Return the rows of the server from after a sample on, for each track."""
        return [track.since(sequence) for track in self._tracks]

    def method_since(self, name: str, sequence: int) -> list[dict[str, Any]]:
        """Return the rows of a method from after a sample on, for each track."""
        return [track.method_since(name, sequence) for track in self._tracks]

    def has_method(self, name: str) -> bool:
        """Return whether a method has columns of its own."""
        return all(track.has_method(name) for track in self._tracks)


def calls_between(before: Mapping[str, Calls], now: Mapping[str, Calls]) -> dict[str, Calls]:
    """Return the calls that have begun or ended between two samples, by their method; only those with any."""
    parts = {}
    for name, calls in now.items():
        earlier = before.get(name, NO_CALLS)
        if calls is not earlier and ((part := difference(earlier, calls)).started or part.buckets):
            parts[name] = part
    return parts


def difference(before: Calls, now: Calls) -> Calls:
    """Return the calls that have begun or ended between two samples, with the durations of all that have ended."""
    part = Calls()
    part.started, part.failed = now.started - before.started, now.failed - before.failed
    ended, earlier = now.ended(), before.ended()
    part.longest_ns = ended.longest_ns  # an upper bound, which the middle of a bucket may exceed
    if ended.buckets != earlier.buckets:
        counts = ((bucket, count - earlier.buckets.get(bucket, 0)) for bucket, count in ended.buckets.items())
        part.buckets = {bucket: count for bucket, count in counts if count}
    return part


def sum_of(parts: Iterable[Calls]) -> Calls:
    """Return the sum of calls."""
    total = Calls()
    for part in parts:
        total.add(part)
    return total


def server_row(before: Sample, now: Sample, calls: Calls, elapsed_s: float) -> tuple[float, ...]:
    """Return the values of :data:`SERVER_COLUMNS`."""
    usage, totals = now.usage, now.totals
    return (
        (totals.requests_started - before.totals.requests_started) / elapsed_s,
        *method_row(calls, elapsed_s),
        totals.requests_started - totals.requests_done,
        totals.calls_running(),
        (now.gc_s - before.gc_s) * 1e3,
        (usage.cpu_s - before.usage.cpu_s) / elapsed_s * 100,
        usage.memory_kb,
        usage.descriptors,
        usage.threads,
    )


def method_row(calls: Calls, elapsed_s: float) -> tuple[float, ...]:
    """Return the values of :data:`METHOD_COLUMNS`; no call that has ended has no percentiles."""
    if not calls.buckets:
        return calls.started / elapsed_s, calls.failed / elapsed_s, math.nan, math.nan, math.nan
    percentiles_ms = (percentile_ns / 1e6 for percentile_ns in calls.percentiles_ns(PERCENTS))
    return calls.started / elapsed_s, calls.failed / elapsed_s, *percentiles_ms


def plain(value: float) -> float | None:
    """Return a number as JSON has it; None for one that it has not."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
