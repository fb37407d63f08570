"""The figures of each method, and which of them have changed since a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..runtime.counters import Calls
from .history import NO_CALLS, PERCENTS, plain

__all__ = ["MethodFigures"]


class MethodFigures:
    """The figures of the methods that have been called, each with the number of the sample that changed it."""

    def __init__(self) -> None:
        self._before: Mapping[str, Calls] = {}
        self._rows: dict[str, tuple[int, dict[str, Any]]] = {}

    def update(self, calls: Mapping[str, Calls], elapsed_s: float, sequence: int) -> None:
        """Compute the figures that a sample has changed.

        Args:
            calls: The calls of each method since the server was made. They are kept until the next sample.
            elapsed_s: The time since the sample before.
            sequence: The number of the sample.
        """
        for name, now in calls.items():
            before = self._before.get(name, NO_CALLS)
            if now is not before or self._rows[name][1]["calls_per_s"]:
                self._rows[name] = sequence, figures(name, now, (now.started - before.started) / elapsed_s)
        self._before = calls

    def since(self, sequence: int) -> list[dict[str, Any]]:
        """Return the figures that have changed after a sample."""
        return [row for changed, row in list(self._rows.values()) if changed > sequence]


def figures(name: str, calls: Calls, calls_per_s: float) -> dict[str, Any]:
    """Return the figures of a method since the server was made; those of the same names in ``stats()`` are equal."""
    ended = calls.ended()
    p50, p95, p99 = (plain(percentile_ns / 1e6) for percentile_ns in ended.percentiles_ns(PERCENTS))
    return {
        "name": name,
        "calls": calls.started,
        "errors": calls.failed,
        "running": calls.running(),
        "calls_per_s": plain(calls_per_s),
        "mean_ms": plain(ended.mean_ns() / 1e6),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "max_ms": plain(ended.longest_ns / 1e6),
    }
