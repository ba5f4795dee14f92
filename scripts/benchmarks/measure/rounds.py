"""Who is faster on a noisy machine? All run interleaved, and what counts is the median of the rounds' ratios.

    round = noise probe, program, noise probe, program, noise probe     in an order drawn anew, each in a fresh process
    rounds -> valid ones, in which no sample of the probe is more than 10 % slower than the fastest quarter of all
           -> ratio within each -> median, with its interval

Noise that lasts longer than a round hits all programs alike, and shorter noise shows in the samples around it.
"""

import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
Sample = dict[str, float]
Programs = Mapping[str, Callable[[], Sample]]  # by name, what runs one once; it raises Failed if it cannot
Probe = Callable[[], dict[str, float]]
Round = dict[str, Any]  # {"samples": {program: sample}, "canary": [{"gemm": …, "copy": …}, …]}, the probe's samples
SLOWEST = 0.9  # of the best samples of the probe
BEST = 0.75  # the quantile that they begin at: one lucky sample must not make all others look noisy
LEAST = 3  # rounds that a median is taken of


class Failed(ValueError):
    """A program could not run: reported in one line, and the others go on."""


def run_interleaved(
    programs: Programs,
    count: int,
    probe: Probe,
    skipped: list[str],
    seed: int = 0,
    only: Mapping[str, int] | None = None,
) -> list[Round]:
    """Runs each program once in each round.

    Args:
        programs: who fails once is not asked again.
        count: rounds.
        probe: how fast the machine is now.
        skipped: takes what could not be measured.
        seed: of the orders.
        only: in how many of the first rounds a program takes part, if not in all.
    """
    left, draw = dict(programs), random.Random(seed)

    def measure(i: int) -> Round:
        for name in [name for name, rounds in (only or {}).items() if i >= rounds]:
            left.pop(name, None)
        one = one_round(left, draw, probe, skipped)
        shown = "  ".join(f"{name} {sample['seconds']:.3f} s" for name, sample in sorted(one["samples"].items()))
        print(f"  round {i + 1}: {shown}", flush=True)
        return one

    return until_stopped(measure, range(count), f"rounds: expected {count}", skipped)


def until_stopped(measure: Callable[[T], Round], what: Iterable[T], wanted: str, skipped: list[str]) -> list[Round]:
    """Measures one after the other; Ctrl-C ends that and keeps those that are over. With none over it ends all.

    Args:
        measure: what is done with each.
        what: rounds or cases.
        wanted: what to report of them if it was stopped: "rounds: expected 5".
        skipped: takes what could not be measured.
    """
    done: list[Round] = []
    for each in what:
        try:
            done.append(measure(each))
        except KeyboardInterrupt:
            if not done:
                raise
            report(f"{wanted}, found {len(done)} when it was stopped", skipped)
            break
    return done


def one_round(left: dict[str, Callable[[], Sample]], draw: random.Random, probe: Probe, skipped: list[str]) -> Round:
    """All programs that are left run once; who fails leaves."""
    samples: dict[str, Sample] = {}
    noise = [probe()]
    for name in draw.sample(sorted(left), len(left)):
        try:
            samples[name] = left[name]()
        except Failed as error:
            report(str(error), skipped)
            del left[name]
        noise.append(probe())
    return {"samples": samples, "canary": noise}


def report(text: str, skipped: list[str]) -> None:
    """Prints in one line what is not measured, once."""
    if text not in skipped:
        print(text if text.startswith("error: ") else f"error: {text}", file=sys.stderr, flush=True)
        skipped.append(text)


def best_noise(rounds: Iterable[Round]) -> dict[str, float]:
    """How fast the fastest quarter of the probe's samples is, of each kind, at least."""
    samples = [sample for one in rounds for sample in one["canary"]]
    kinds = samples[0] if samples else {}
    return {kind: float(np.quantile([sample[kind] for sample in samples], BEST)) for kind in kinds}


def valid(rounds: Sequence[Round], best: Mapping[str, float] | None = None) -> list[Round]:
    """The rounds without noise.

    Args:
        rounds: all of them.
        best: the best samples of more rounds than these, if there are more.
    """
    least = {kind: SLOWEST * speed for kind, speed in (best_noise(rounds) if best is None else best).items()}
    return [one for one in rounds if all(sample[kind] >= least[kind] for sample in one["canary"] for kind in least)]


def counted(rounds: Sequence[Round], best: Mapping[str, float] | None = None) -> tuple[list[Round], str]:
    """The rounds that count, and how to name them: all of them if too few are valid."""
    kept = valid(rounds, best)
    if len(kept) >= LEAST:
        return kept, f"{len(kept)} of {len(rounds)} rounds"
    if len(rounds) == 1:
        return list(rounds), "a single round" if kept else "a single round, not a valid one"
    found = {0: "none is", 1: "only one is"}.get(len(kept), f"only {len(kept)} are")
    return list(rounds), f"all {len(rounds)} rounds, as {found} valid"


def values(rounds: Iterable[Round], name: str, what: str = "seconds") -> list[float]:
    """A program's values, of the rounds that it ran in."""
    return [one["samples"][name][what] for one in rounds if name in one["samples"]]


def ratios(rounds: Iterable[Round], slow: str, fast: str, what: str = "seconds") -> list[float]:
    """How many times as long one program took as the other, in each round that both ran in."""
    samples = [one["samples"] for one in rounds if {slow, fast} <= one["samples"].keys()]
    return [sample[slow][what] / sample[fast][what] for sample in samples]


def programs_in(rounds: Iterable[Round]) -> list[str]:
    """The names of all that ran."""
    return sorted({name for one in rounds for name in one["samples"]})
