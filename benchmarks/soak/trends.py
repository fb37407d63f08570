"""Whether a figure grows: a test for a trend in what was sampled.

Samples that follow each other resemble each other, so no two of them count as independent. They are put into blocks, of
which each gives its median: garbage collection, bursts of load and restarts come many times within a block. What grows
does so from block to block. Mann's test tells how likely chance alone would order the blocks as well (H. B. Mann,
"Nonparametric tests against trend", Econometrica 13, 1945), and the median of the slopes between all pairs of blocks,
by Theil and Sen, tells by how much. Neither assumes that the noise is normal, and a single outlier changes neither.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

BLOCKS = 12

# How seldom a figure that does not grow may be called one that does.
_SIGNIFICANCE = 0.01


@dataclass(frozen=True, slots=True)
class Trend:
    """How a figure changes over a time.

    Attributes:
        level: Its median, in its own unit.
        rise: By how much it grows from the first block to the last, in its own unit.
        p_value: How likely a figure without a trend has its blocks in an order that rises as much.
    """

    level: float
    rise: float
    p_value: float

    def is_growth(self, tolerance: float) -> bool:
        """Return whether it grows: beyond chance, and by more than does matter.

        Args:
            tolerance: The rise that does not matter, in the figure's own unit.
        """
        return self.p_value < _SIGNIFICANCE and self.rise > tolerance


def trend_of(values: Sequence[float]) -> Trend:
    """Return the trend of what was sampled at equal distances in time.

    Raises:
        ValueError: There are fewer than two values for each block.
    """
    if len(values) < 2 * BLOCKS:
        raise ValueError(f"{len(values)} samples tell no trend; it takes {2 * BLOCKS}: run for longer")
    medians = block_medians(values)
    slopes = [
        (later - earlier) / (place - before)
        for (before, earlier), (place, later) in combinations(enumerate(medians), 2)
    ]
    return Trend(statistics.median(values), statistics.median(slopes) * (BLOCKS - 1), p_value_of(medians))


def block_medians(values: Sequence[float]) -> list[float]:
    edges = [round(number * len(values) / BLOCKS) for number in range(BLOCKS + 1)]
    return [statistics.median(values[start:end]) for start, end in pairwise(edges)]


def p_value_of(values: Sequence[float]) -> float:
    """Return how likely values without a trend rise as often as these, by Mann's test; its variance heeds ties."""
    count = len(values)
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = [values.count(value) for value in set(values)]
    variance = sum(sign * size * (size - 1) * (2 * size + 5) for sign, size in [(1, count), *((-1, t) for t in ties)])
    if variance <= 0:  # all are equal
        return 1.0
    deviations = (score - math.copysign(1, score)) / math.sqrt(variance / 18) if score else 0.0
    return math.erfc(deviations / math.sqrt(2)) / 2
