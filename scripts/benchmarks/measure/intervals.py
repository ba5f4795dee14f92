"""A median and how far it can be trusted: 95 % intervals by the bootstrap (Efron 1979), from its percentiles."""

import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap

RESAMPLES = 5000
RESAMPLES_OF_PAIRS = 2000


class Interval(NamedTuple):
    """A median with its 95 % interval."""

    median: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})" if self.n > 1 else f"{self.median:.2f}"


def interval(numbers: Sequence[float]) -> Interval:
    """Median and its 95 % interval; the interval of fewer than two numbers has no width, and means nothing."""
    if len(numbers) < 2:
        only = numbers[0] if numbers else float("nan")
        return Interval(only, only, only, len(numbers))
    found = bootstrap(
        (np.asarray(numbers),), np.median, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return Interval(float(np.median(numbers)), float(found.low), float(found.high), len(numbers))


def interval_of_groups(groups: list[list[float]]) -> Interval:
    """Median of all numbers; the interval draws groups with replacement, and then within each."""
    draw = np.random.default_rng(0)
    medians = [
        np.median([draw.choice(groups[j], len(groups[j])) for j in draw.integers(len(groups), size=len(groups))])
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(medians, [0.025, 0.975])
    everything = [number for group in groups for number in group]
    return Interval(float(np.median(everything)), float(low), float(high), len(everything))


def cost_in_percent(ratios: Sequence[float], of: str) -> str:
    """How much longer something takes with `of`, from ratios of pairs."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES_OF_PAIRS))
    cost, low, high = (100 * (ratio - 1) for ratio in (statistics.median(ratios), medians[50], medians[-51]))
    return f"{cost:+.1f} % with {of} (median of {len(ratios)} pairs; 95 % interval {low:+.1f} to {high:+.1f} %)"
