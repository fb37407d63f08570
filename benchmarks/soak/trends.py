"""Test whether a figure grows: detect a trend in its samples.

Consecutive samples are correlated, so they are not independent. They are grouped in blocks, each represented by its
median: garbage collections, bursts of load and restarts occur many times within a block. A growing figure grows from
block to block. Mann's test gives the probability that chance alone orders the blocks as well (H. B. Mann,
"Nonparametric tests against trend", Econometrica 13, 1945). The median of the slopes between all pairs of blocks, by
Theil and Sen, gives the rise. Neither assumes normal noise, and a single outlier changes neither.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

BLOCKS = 12

# The probability of a false alarm for a figure that does not grow.
_SIGNIFICANCE = 0.01


@dataclass(frozen=True, slots=True)
class Trend:
    """The change of a figure over time.

    Attributes:
        level: The median, in the unit of the figure.
        rise: The growth from the first block to the last, in the unit of the figure.
        p_value: The probability that a figure without a trend rises as consistently.
    """

    level: float
    rise: float
    p_value: float

    def is_growth(self, tolerance: float) -> bool:
        """Return whether the figure grows significantly and by more than the tolerance.

        Args:
            tolerance: The tolerated rise, in the unit of the figure.
        """
        return self.p_value < _SIGNIFICANCE and self.rise > tolerance


def trend_of(values: Sequence[float]) -> Trend:
    """Return the trend of values that were sampled at equal intervals.

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
    """Return the p-value of Mann's test for a rising trend, with a variance corrected for ties."""
    count = len(values)
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = [values.count(value) for value in set(values)]
    variance = sum(sign * size * (size - 1) * (2 * size + 5) for sign, size in [(1, count), *((-1, t) for t in ties)])
    if variance <= 0:  # all values are equal
        return 1.0
    deviations = (score - math.copysign(1, score)) / math.sqrt(variance / 18) if score else 0.0
    return math.erfc(deviations / math.sqrt(2)) / 2
