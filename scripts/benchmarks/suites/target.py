"""How long until a network is this good? A recipe of fixed length over seeds, its accuracy tested against a target.

    python scripts/benchmark.py target --recipe configs/recipes/mnist_99_fast.yaml --data-root DIR [--accuracy 0.99]

The length is that of the recipe and is not stopped when the target is reached, so no luck counts. Accuracy is that of
the test set, with the weights that validation chose. The target is reached if the mean is above it with p < 0.05 in a
one-sided t-test over the seeds. Other projects run interleaved with it; the time of pytorch-examples, which prints its
accuracy after each epoch, ends at the first epoch that reaches the target, which is to its advantage.

seconds    of the whole command: imports, data, training, test
training   epochs with their validation; of pytorch-examples from its first step on; cifar10-airbench counts its own,
           without its validation
"""

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scipy.stats import ttest_1samp

from benchmarks.baselines.loops import ACCELERATORS
from benchmarks.baselines.projects import airbench, place, pytorch_examples
from benchmarks.measure.environment import ROOT, as_sentence, environment, keep, not_measured
from benchmarks.measure.intervals import interval
from benchmarks.measure.noise_probe import probe
from benchmarks.measure.process import run
from benchmarks.measure.rounds import (
    Failed,
    Probe,
    Programs,
    Round,
    Sample,
    best_noise,
    counted,
    programs_in,
    ratios,
    report,
    run_interleaved,
    values,
)
from benchmarks.measure.targets import ACCURACIES, RECIPES, Row
from zoo.errors import UsageError
from zoo.studies.statistics import Mean, mean_of

LEVEL = 0.05
PROJECTS = {"pytorch-examples": pytorch_examples, "cifar10-airbench": airbench}
TRIED_ON = {"pytorch-examples": "mnist", "cifar10-airbench": "cifar10"}
CLOCKED = ("seconds", "training")


def recipe(options: argparse.Namespace) -> Callable[[], Sample]:
    """What trains the recipe with the next seed."""
    seeds = itertools.count()

    def once() -> Sample:
        with tempfile.TemporaryDirectory() as folder:
            argv = [*argv_of(options), *options.more, f"--seed_everything={next(seeds)}", f"--run_dir={folder}/run"]
            ended = run([sys.executable, "cli.py", *argv], options.threads, folder=ROOT)
            result = json.loads(Path(folder, "run/result.json").read_text())
        wall = {"training": result["seconds"], "command": ended.seconds, "processor": ended.processor}
        counts = ended.processor if options.clock == "processor" else ended.seconds
        return {"seconds": counts, "accuracy": result["test"]["accuracy"], **wall}

    return once


def argv_of(options: argparse.Namespace) -> list[str]:
    """The command, without seed and folder."""
    argv = ["fit", "-c", str(options.recipe.absolute()), "--figures=false"]
    argv.append(f"--trainer.accelerator={ACCELERATORS[options.device]}")
    if options.recipe.stem.startswith("cifar10") and options.cifar10:
        return [*argv, "--data", "Arrays", "--data.path", str(options.cifar10.absolute())]
    return argv if options.recipe.stem == "quickstart" else [*argv, "--data.root", str(options.data_root.absolute())]


def accuracy_of(recipe: Path) -> float:
    """The accuracy that a recipe is for, by its name, or by that of its data."""
    return ACCURACIES.get(recipe.stem) or ACCURACIES.get(recipe.stem.partition("_")[0], ACCURACIES["mnist"])


def programs(options: argparse.Namespace, skipped: list[str]) -> dict[str, Callable[[], Sample]]:
    """The recipe, and the projects that do the same."""
    found = {"zoo": recipe(options)}
    for name in options.peers:
        try:
            if not options.recipe.stem.startswith(TRIED_ON.get(name, "nothing")):
                raise Failed(f"peer {name} in --peer: expected one for {options.recipe.stem}, found one for other data")
            python = str(options.peer_pythons.get(name, options.python))
            found[name] = PROJECTS[name](place(name, options.peers), python, options)
        except Failed as error:
            report(str(error), skipped)
    return found


def chance(accuracies: Sequence[float], target: float) -> float:
    """One-sided p of "the mean is not above the target"."""
    if len(accuracies) < 2:
        return 1.0
    if len(set(accuracies)) == 1:  # no spread: the test has no answer, the numbers have
        return 0.0 if accuracies[0] > target else 1.0
    return float(ttest_1samp(accuracies, target, alternative="greater").pvalue)


def summary(record: dict[str, Any]) -> str:
    """Accuracy against the target."""
    mean, p = percent(record["rounds"], "zoo"), chance_of(record)
    return (
        f"{record['recipe']}: test accuracy {shown(mean, ' %')} ({seeds(mean.n)}), above"
        f" {100 * record['accuracy']:g} % with p = {p:.2g}: {'reached' if p < LEVEL else 'not shown'}."
    )


def chance_of(record: dict[str, Any]) -> float:
    """The p of a record."""
    return chance(values(record["rounds"], "zoo", "accuracy"), record["accuracy"])


def section(record: dict[str, Any]) -> list[str]:
    """The record in words, and a row for each program."""
    rounds = record["rounds"]
    lines = [as_sentence(record["setting"]), "", summary(record), ""]
    lines += ["| program | accuracy | seconds | training | rounds | ratios |", "|---|---:|---:|---:|---|---|"]
    for name in [n for n in ("zoo", *PROJECTS) if n in programs_in(rounds)]:
        kept, which = counted_of(rounds, name)
        times = {clock: shown(mean_of(values(kept, name, clock)), "") for clock in clocks_of(kept, name)}
        cells = [name, shown(percent(rounds, name), " %"), *(times.get(clock, "") for clock in CLOCKED), which]
        lines.append(f"| {' | '.join([*cells, '; '.join(compared(kept, name))])} |")
    return [*lines, "", *not_measured(record)]


def counted_of(rounds: list[Round], name: str) -> tuple[list[Round], str]:
    """The rounds that count of those that a program took part in, and how to name them."""
    return counted([one for one in rounds if name in one["samples"]], best_noise(rounds))


def clocks_of(rounds: list[Round], name: str) -> list[str]:
    """Which times a program knows."""
    return [clock for clock in CLOCKED if any(clock in one["samples"].get(name, {}) for one in rounds)]


def compared(rounds: list[Round], name: str) -> list[str]:
    """Another project over the zoo, in each time that both know."""
    clocks = clocks_of(rounds, name) if name != "zoo" else []
    return [f"{name} / zoo, {clock}: {interval(ratios(rounds, name, 'zoo', clock))}" for clock in clocks]


def percent(rounds: list[Round], name: str) -> Mean:
    """A program's accuracy in percent, over all rounds that it ran in."""
    return mean_of([100 * value for value in values(rounds, name, "accuracy")])


def seeds(count: int) -> str:
    """How many."""
    return f"{count} seed{'s' if count != 1 else ''}"


def shown(mean: Mean, unit: str) -> str:
    """A mean with its interval, if it has one."""
    return f"{mean.value:.2f} ± {mean.half:.2f}{unit}" if mean.n > 1 else f"{mean.value:.2f}{unit}"


def targets(record: dict[str, Any]) -> list[Row]:
    """Accuracy, time, and ratios to other projects."""
    rounds, recipe = record["rounds"], record["recipe"]
    good = percent(rounds, "zoo")
    bound, reached = f"test accuracy ≥ {100 * record['accuracy']:g} %", chance_of(record) < LEVEL
    found = [Row(bound, recipe, shown(good, " %"), reached, seeds(good.n))]
    most, projects = RECIPES.get(recipe, (None, {}))
    if most is not None:
        kept, which = counted_of(rounds, "zoo")
        time = mean_of(values(kept, "zoo", "training"))
        found.append(Row(f"training ≤ {most} s", recipe, shown(time, " s"), time.value <= most, which))
    for name, least in projects.items():
        kept, which = counted_of(rounds, name)
        if kept:
            # of the whole command or of the training alone: the one that is less to our advantage
            ratio, clock = min((interval(ratios(kept, name, "zoo", clock)), clock) for clock in clocks_of(kept, name))
            # faster to something worse is not faster; noise changes no accuracy, so all runs count
            theirs = percent(rounds, name)
            text = f"{ratio}, to {shown(good, ' %')} against {shown(theirs, ' %')}"
            met = ratio.median >= least and good.value >= theirs.value
            found.append(Row(f"{name} / zoo, {clock} ≥ {least:g}", recipe, text, met, which))
    return found


def check(options: argparse.Namespace) -> None:
    """Raises UsageError for a recipe that there is not."""
    if not options.recipe.is_file():
        known = sorted(path.stem for path in (ROOT / "configs/recipes").glob("*.yaml"))
        [near] = get_close_matches(options.recipe.stem, known, 1, 0)
        raise UsageError(
            f"recipe in --recipe: expected a file, found {options.recipe}. Try: configs/recipes/{near}.yaml"
        )
    options.accuracy = accuracy_of(options.recipe) if options.accuracy is None else options.accuracy
    if not 0 < options.accuracy < 1:
        raise UsageError(f"share in --accuracy: expected above 0 and below 1, found {options.accuracy:g}. Try: 0.99")


def rounds_of(found: Programs, options: argparse.Namespace, skipped: list[str], probe: Probe) -> list[Round]:
    """A round for each seed; other projects take part in the first so many."""
    others = {name: options.peer_rounds or options.seeds for name in found if name != "zoo"}
    return run_interleaved(found, options.seeds, probe, skipped, only=others)


def main(options: argparse.Namespace) -> None:
    """Trains all seeds and prints what came out."""
    skipped: list[str] = options.skipped
    found = programs(options, skipped)
    record = {"setting": environment(options), "recipe": options.recipe.stem, "accuracy": options.accuracy}
    record |= {"skipped": skipped, "rounds": rounds_of(found, options, skipped, probe(options))}
    if "zoo" not in programs_in(record["rounds"]):
        raise ValueError(skipped[-1])
    print("\n".join(section(record)))
    keep(record, options, f"target_{options.recipe.stem}")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--recipe", type=Path, required=True, help="a complete run, such as configs/recipes/NAME.yaml")
    parser.set_defaults(images=None, more=())
    parser.add_argument("--accuracy", type=float, help="target, in [0, 1]; 0.99 for MNIST, 0.9 for CIFAR-10 if unset")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0, 1, …")
    parser.add_argument("--peer-rounds", type=int, help="in how many rounds other projects take part; all if unset")
    parser.add_argument("--runs", type=int, default=5, help="of cifar10-airbench on a GPU, in one process")
    parser.add_argument("--peer-flags", default="", help="of another project, as '--epochs 3'; as it ships if unset")
