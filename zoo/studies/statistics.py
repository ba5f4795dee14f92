"""Means, paired differences and their intervals, and what many comparisons cost.

    values of n seeds -> mean ± t(0.975, n − 1) · s/√n
    two arms, the same seeds -> differences seed by seed -> the same

A difference is judged against a border that was stated before the runs: the claim "at least 0.2 points better" is
supported where the 95 % interval lies above 0.2, refuted where it lies below, and else not distinguishable. "Equal
within 0.2" is supported where the interval lies within ±0.2. Over all comparisons of a study the p-values behind that
are corrected as Holm 1979 does: the chance of even one wrong word is at most 5 %.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from scipy.stats import t

LEVEL = 0.95
Kind = Literal["more", "less", "same"]
Verdict = Literal["supported", "partly", "refuted", "not distinguishable", "not measured"]


class Mean(NamedTuple):
    """A mean over seeds with its 95 % interval, which is without end for a single seed."""

    value: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


def mean_of(values: Sequence[float]) -> Mean:
    """Mean and Student's interval of the values of some seeds."""
    n, mean = len(values), float(statistics.mean(values))  # exact, so that its last digit is the same everywhere
    if n < 2:
        return Mean(mean, -math.inf, math.inf, n)
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * standard_error(values)
    return Mean(mean, mean - half, mean + half, n)


def one_more(values: Sequence[float]) -> Mean:
    """Mean of the values of some seeds, and the interval in which the value of one more seed falls in 95 % of cases.

    It is t(0.975, n − 1) · s · √(1 + 1/n) to either side (the prediction interval of a normal sample: Hahn and Meeker
    1991, §4.7).
    """
    mean = mean_of(values)
    half = mean.half * (mean.n + 1) ** 0.5  # s · √(1 + 1/n) is the standard error times √(n + 1)
    return Mean(mean.value, mean.value - half, mean.value + half, mean.n)


def standard_error(values: Sequence[float]) -> float:
    """Of the mean; exactly 0 for equal values."""
    return float(statistics.stdev(values)) / len(values) ** 0.5


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> list[float]:
    """Differences, first less second, of the seeds that both have."""
    return [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]


def distance(kind: Kind, border: float, mean: float) -> float:
    """How far a mean is from the border between supported (from 0 on) and refuted (below)."""
    return {"more": mean - border, "less": -mean - border, "same": border - abs(mean)}[kind]


def p_value(values: Sequence[float], far: float) -> float:
    """Two-sided p of the hypothesis that the true mean lies on the border that the mean of the values is so far from.

    It is below 0.05 exactly where the 95 % interval does not reach that border.
    """
    if len(values) < 2:
        return 1.0
    error = standard_error(values)
    if error == 0:
        return float(far == 0)
    return float(2 * t.sf(abs(far) / error, len(values) - 1))


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): the smallest times n, the next times n − 1, never falling."""
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = highest
    return adjusted


def judge(far: float, p: float) -> Verdict:
    """The word for a difference.

    Args:
        far: distance of its mean to the border.
        p: of that border, corrected.
    """
    if p >= 1 - LEVEL:
        return "not distinguishable"
    return "supported" if far >= 0 else "refuted"


def verdict_of(verdicts: Sequence[Verdict], *, somewhere: bool = False) -> Verdict:
    """One word for several: supported if all are, or if only one must be, one is; refuted if any is, or all are."""
    if not verdicts or "not measured" in verdicts:
        return "not measured"
    strong, weak = ("refuted", "supported") if not somewhere else ("supported", "refuted")
    if strong in verdicts:
        return strong  # type: ignore[return-value]
    return weak if all(verdict == weak for verdict in verdicts) else "not distinguishable"  # type: ignore[return-value]


def of_claim(parts: Sequence[Verdict]) -> Verdict:
    """One word for a claim of several parts.

    Supported if all parts are. Partly if some are and others are not, be these refuted or open. Where none is
    supported, refuted if any is.
    """
    if not parts or "not measured" in parts:
        return "not measured"
    if all(part == "supported" for part in parts):
        return "supported"
    if "supported" in parts:
        return "partly"
    return "refuted" if "refuted" in parts else "not distinguishable"
