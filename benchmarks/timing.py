"""Timing in interleaved rounds: A B C, A B C, ... so that a slow phase of the machine slows all alike."""

import gc
import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from .bare import Application
from .contestants import (
    BARE,
    CONTESTANTS,
    DIRECT,
    FLASK_VIEW,
    JSON_MODULES,
    VIA_FLASK,
    check_answer,
    do_nothing,
    exchange,
    ignore_response,
    make_application,
)
from .workloads import WORKLOADS, Workload

HARNESS = "harness"

# The dividend and the divisor of each ratio.
PAIRS = ((DIRECT, BARE), (DIRECT, FLASK_VIEW), (VIA_FLASK, FLASK_VIEW))


class Lane:
    """One application under one workload, with the durations of its samples.

    Args:
        app: The application.
        workload: The request.
        sample_ms: The least duration of a sample, in milliseconds.
    """

    def __init__(self, app: Application, workload: Workload, sample_ms: float) -> None:
        self._app = app
        self._environ = workload.environ()
        self._body = workload.body
        self._count = self._calibrated(sample_ms)
        self.samples_us: list[float] = []

    def sample(self) -> None:
        """Take one sample: the mean duration of one request, in microseconds."""
        self.samples_us.append(self._elapsed_us(self._count) / self._count)

    def _calibrated(self, sample_ms: float) -> int:
        count = 1
        while self._elapsed_us(count) < sample_ms * 1000:
            count *= 2
        return count

    def _elapsed_us(self, count: int) -> float:
        app, environ, body = self._app, self._environ, self._body
        started_ns = time.perf_counter_ns()
        for _ in range(count):
            exchange(app, environ, body, ignore_response)
        return (time.perf_counter_ns() - started_ns) / 1000


@dataclass(frozen=True, slots=True)
class Spread:
    """The median over all rounds, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])


class Race:
    """All contestants under one workload with one JSON module."""

    def __init__(self, json_module: str, workload: Workload, sample_ms: float) -> None:
        self.json_module = json_module
        self.workload = workload
        apps = {name: make_application(name, json_module, workload.kind) for name in CONTESTANTS}
        for name, app in apps.items():
            check_answer(app, name, workload)
        self._lanes = {name: Lane(app, workload, sample_ms) for name, app in {HARNESS: do_nothing, **apps}.items()}

    def run_round(self) -> None:
        for lane in self._lanes.values():
            lane.sample()

    def harness_us(self) -> float:
        """Return the time of the harness for one request."""
        return statistics.median(self._lanes[HARNESS].samples_us)

    def net_us(self, contestant: str) -> list[float]:
        """Return the samples of a contestant, minus the time of the harness in the same round."""
        pairs = zip(self._lanes[contestant].samples_us, self._lanes[HARNESS].samples_us, strict=True)
        return [sample - harness for sample, harness in pairs]

    def ratio(self, contestant: str, other: str) -> Spread:
        """Return the spread of a ratio that is computed in each round."""
        pairs = zip(self.net_us(contestant), self.net_us(other), strict=True)
        return Spread.of(mine / its for mine, its in pairs)

    def figures(self) -> dict[str, Any]:
        """Return all measurements as plain values."""
        return {
            "json_module": self.json_module,
            "workload": self.workload.name,
            "harness_us": self.harness_us(),
            "net_us": {name: asdict(Spread.of(self.net_us(name))) for name in CONTESTANTS},
            "ratios": {f"{mine} / {its}": asdict(self.ratio(mine, its)) for mine, its in PAIRS},
        }


def run_races(rounds: int, sample_ms: float) -> list[Race]:
    """Run all rounds and return the races."""
    races = [Race(name, workload, sample_ms) for name in JSON_MODULES for workload in WORKLOADS]
    gc.collect()
    gc.freeze()  # objects of the set-up are not garbage of the requests
    for _ in range(rounds):
        for race in races:
            race.run_round()
    return races
