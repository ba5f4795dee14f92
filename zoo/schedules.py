"""Learning-rate schedules: what to multiply the rate with, as a function of training progress from 0 to 1.

Progress, not steps or epochs: a schedule keeps its shape when the number of epochs or the batch size changes.

    --model.schedule Cosine --model.schedule.warmup 0.05
"""

import math
from abc import ABC, abstractmethod


class Schedule(ABC):
    """A multiplier of the learning rate; 1 is the rate the optimiser was given."""

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """The multiplier at this progress, 0 at the first step and 1 after the last."""


def check_fraction(name: str, value: float) -> None:
    """Raises ValueError unless the value is a share, from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"share in --model.schedule.{name}: expected 0 to 1, found {value}")


class Cosine(Schedule):
    """Rises in a straight line, then falls along half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983).

    Args:
        warmup: share of the training in which the rate rises from near 0 to its full value.
        floor: multiplier at the end.
    """

    def __init__(self, warmup: float = 0.0, floor: float = 0.0) -> None:
        check_fraction("warmup", warmup)
        check_fraction("floor", floor)
        self.warmup, self.floor = warmup, floor

    def __call__(self, progress: float) -> float:
        if progress < self.warmup:
            return progress / self.warmup
        fall = (progress - self.warmup) / (1 - self.warmup) if self.warmup < 1 else 0.0
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(fall, 1.0))) / 2


class Triangle(Schedule):
    """Rises in a straight line to the full rate, then falls in one (Smith and Topin 2018, arXiv 1708.07120).

    Args:
        peak: share of the training after which the rate is full.
        floor: multiplier at the end.
        start: multiplier at the beginning.
    """

    def __init__(self, peak: float = 0.25, floor: float = 0.0, start: float = 0.1) -> None:
        check_fraction("peak", peak)
        check_fraction("floor", floor)
        check_fraction("start", start)
        self.peak, self.floor, self.start = peak, floor, start

    def __call__(self, progress: float) -> float:
        if progress < self.peak:
            return self.start + (1 - self.start) * progress / self.peak
        fall = (progress - self.peak) / (1 - self.peak) if self.peak < 1 else 0.0
        return 1 + (self.floor - 1) * min(fall, 1.0)


class Steps(Schedule):
    """Multiplies the rate by `factor` at each of the given points of the training (He et al. 2015, §4.2).

    Args:
        at: shares of the training.
        factor: what the rate is multiplied by at each of them.
    """

    def __init__(self, at: tuple[float, ...] = (0.5, 0.75), factor: float = 0.1) -> None:
        for share in at:
            check_fraction("at", share)
        self.at, self.factor = tuple(at), factor

    def __call__(self, progress: float) -> float:
        return self.factor ** sum(progress >= point for point in self.at)
