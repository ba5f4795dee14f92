"""Who is faster on a noisy machine? Contenders take turns, and what counts is the median of the rounds' ratios.

    round = canary, contender, canary, contender, canary      in an order drawn anew, each in a fresh process
    rounds -> those in which no canary is more than 10 % slower than the fastest quarter of all -> ratio within each
           -> median, with the 95 % interval of a bootstrap (Efron 1979; percentiles)

Noise that lasts longer than a round hits all contenders alike, and shorter noise shows in the canaries around it.
"""

import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy.stats import bootstrap

T = TypeVar("T")
Sample = dict[str, float]
Round = dict[str, Any]  # {"samples": {contender: sample}, "canary": [{"gemm": …, "copy": …}, …]}
SLOWEST = 0.9  # of the best canaries
BEST = 0.75  # the quantile that they begin at: one lucky canary must not make all others look noisy
LEAST = 3  # rounds that a median is taken of
RESAMPLES = 5000


class Failed(ValueError):
    """A contender could not run: told in one line, and the others go on."""


class Interval(NamedTuple):
    """A median with its 95 % interval."""

    median: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})" if self.n > 1 else f"{self.median:.2f}"


def play(
    turns: Mapping[str, Callable[[], Sample]],
    count: int,
    canary: Callable[[], dict[str, float]],
    skipped: list[str],
    seed: int = 0,
    only: Mapping[str, int] | None = None,
) -> list[Round]:
    """Lets all contenders run once in each round.

    Ctrl-C ends the rounds: those that are over count. Before the first is over there is nothing to keep, and it ends
    all.

    Args:
        turns: what runs a contender once; raises Failed if it cannot, and is not asked again.
        count: rounds.
        canary: how fast the machine is now.
        skipped: takes what could not be measured.
        seed: of the orders.
        only: in how many of the first rounds a contender takes part, if not in all.
    """
    left, draw = dict(turns), random.Random(seed)

    def turn(i: int) -> Round:
        for name in [name for name, rounds in (only or {}).items() if i >= rounds]:
            left.pop(name, None)
        one = one_round(left, draw, canary, skipped)
        shown = "  ".join(f"{name} {sample['seconds']:.3f} s" for name, sample in sorted(one["samples"].items()))
        print(f"  round {i + 1}: {shown}", flush=True)
        return one

    return until_stopped(turn, range(count), f"rounds: expected {count}", skipped)


def until_stopped(measure: Callable[[T], Round], what: Iterable[T], wanted: str, skipped: list[str]) -> list[Round]:
    """Measures one after the other; Ctrl-C ends that, and keeps those that are over, if there are any.

    Args:
        measure: what is done with each.
        what: rounds or cases.
        wanted: what to say of them if it was stopped: "rounds: expected 5".
        skipped: takes what could not be measured.
    """
    done: list[Round] = []
    for each in what:
        try:
            done.append(measure(each))
        except KeyboardInterrupt:
            if not done:
                raise
            tell(f"{wanted}, found {len(done)} when it was stopped", skipped)
            break
    return done


def one_round(
    left: dict[str, Callable[[], Sample]],
    draw: random.Random,
    canary: Callable[[], dict[str, float]],
    skipped: list[str],
) -> Round:
    """All that are left run once; whoever fails leaves."""
    samples: dict[str, Sample] = {}
    beats = [canary()]
    for name in draw.sample(sorted(left), len(left)):
        try:
            samples[name] = left[name]()
        except Failed as error:
            tell(str(error), skipped)
            del left[name]
        beats.append(canary())
    return {"samples": samples, "canary": beats}


def tell(text: str, skipped: list[str]) -> None:
    """Says in one line what is not measured, once."""
    if text not in skipped:
        print(text if text.startswith("error: ") else f"error: {text}", file=sys.stderr, flush=True)
        skipped.append(text)


def is_quiet(one: Round, best: Mapping[str, float]) -> bool:
    """Whether no canary of a round was slower than nine tenths of the best ones."""
    return all(beat[kind] >= SLOWEST * best[kind] for beat in one["canary"] for kind in best)


def best_canary(rounds: Iterable[Round]) -> dict[str, float]:
    """How fast the fastest quarter of the canaries is, of each kind, at least."""
    beats = [beat for one in rounds for beat in one["canary"]]
    return {kind: float(np.quantile([beat[kind] for beat in beats], BEST)) for kind in beats[0]} if beats else {}


def quiet(rounds: Sequence[Round], best: Mapping[str, float] | None = None) -> list[Round]:
    """The rounds in which the machine was quiet.

    Args:
        rounds: all of them.
        best: canaries of more rounds than these, if there are more.
    """
    best = best_canary(rounds) if best is None else best
    return [one for one in rounds if is_quiet(one, best)]


def counted(rounds: Sequence[Round], best: Mapping[str, float] | None = None) -> tuple[list[Round], str]:
    """The rounds that count, and what to say of them: all of them if too few were quiet."""
    kept = quiet(rounds, best)
    if len(kept) >= LEAST:
        return kept, f"{len(kept)} of {len(rounds)} rounds"
    if len(rounds) == 1:
        return list(rounds), "a single round" if kept else "a single round, not a quiet one"
    found = {0: "none was", 1: "only one was"}.get(len(kept), f"only {len(kept)} were")
    return list(rounds), f"all {len(rounds)} rounds, as {found} quiet"


def values(rounds: Iterable[Round], name: str, what: str = "seconds") -> list[float]:
    """A contender's values, of the rounds that it ran in."""
    return [one["samples"][name][what] for one in rounds if name in one["samples"]]


def ratios(rounds: Iterable[Round], slow: str, fast: str, what: str = "seconds") -> list[float]:
    """How many times as long one contender took as the other, in each round that both ran in."""
    samples = [one["samples"] for one in rounds if {slow, fast} <= one["samples"].keys()]
    return [sample[slow][what] / sample[fast][what] for sample in samples]


def interval(numbers: Sequence[float]) -> Interval:
    """Median and its 95 % interval; the interval of fewer than two numbers has no width, and means nothing."""
    if len(numbers) < 2:
        only = numbers[0] if numbers else float("nan")
        return Interval(only, only, only, len(numbers))
    found = bootstrap(
        (np.asarray(numbers),), np.median, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return Interval(float(np.median(numbers)), float(found.low), float(found.high), len(numbers))
