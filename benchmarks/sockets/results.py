"""The results: medians over all rounds, and ratios that are computed in each round."""

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from .loads import SINGLE, Load
from .roster import OURS, Contestant
from .wrk import Sample


@dataclass
class Results:
    """All samples.

    Attributes:
        samples: The samples by the names of contestant and workload, one for each round.
        memory_mb: The memory at the end of the last round by the name of the contestant, in MB.
        left_out: The reason for each omission, by the name of the contestant or load.
    """

    contestants: list[Contestant] = field(default_factory=list)
    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, contestant: Contestant, load: Load, sample: Sample) -> None:
        if contestant not in self.contestants:
            self.contestants.append(contestant)
        self.samples.setdefault((contestant.name, load.name), []).append(sample)

    def has(self, contestant: Contestant, load: Load) -> bool:
        return (contestant.name, load.name) in self.samples

    def of(self, contestant: Contestant, load: Load) -> list[Sample]:
        return self.samples[contestant.name, load.name]

    def calls_per_s(self, contestant: Contestant, load: Load) -> float:
        return load.calls * self.median(contestant, load, lambda sample: sample.requests_per_s)

    def median(self, contestant: Contestant, load: Load, figure: Callable[[Sample], float]) -> float:
        return statistics.median(map(figure, self.of(contestant, load)))

    def failed(self, contestant: Contestant, load: Load) -> int:
        return sum(sample.failed for sample in self.of(contestant, load))

    def ratio(self, one: Contestant, other: Contestant, load: Load) -> float:
        """Return the ratio of the calls per second of two contestants."""
        pairs = zip(self.of(one, load), self.of(other, load), strict=False)
        return median_ratio((mine.requests_per_s, its.requests_per_s) for mine, its in pairs)

    def ratio_of_loads(self, contestant: Contestant, load: Load, other: Load) -> float:
        """Return the ratio of the calls per second of two workloads of one contestant."""
        pairs = zip(self.of(contestant, load), self.of(contestant, other), strict=False)
        return median_ratio((mine.requests_per_s * load.calls, its.requests_per_s * other.calls) for mine, its in pairs)

    def champion(self) -> Contestant | None:
        """Return our fastest contestant for single calls."""
        ours = [one for one in self.contestants if one.kind == OURS and self.has(one, SINGLE)]
        return max(ours, key=lambda one: self.calls_per_s(one, SINGLE), default=None)

    def as_json(self) -> dict[str, Any]:
        samples = [
            {"contestant": contestant, "workload": load, "rounds": [asdict(sample) for sample in rounds]}
            for (contestant, load), rounds in self.samples.items()
        ]
        return {"samples": samples, "memory_mb": self.memory_mb, "left_out": self.left_out}


def median_ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the median of ratios; NaN if a divisor is zero."""
    listed = list(pairs)
    if not all(its for _, its in listed):
        return math.nan
    return statistics.median(mine / its for mine, its in listed)
