"""How long until a network is this good? A recipe of fixed length over seeds, its accuracy tested against a target.

    python scripts/benchmark.py target --recipe configs/recipes/mnist_99_fast.yaml --data-root DIR [--accuracy 0.99]

The length is that of the recipe and is not stopped when the target is reached, so no luck counts. Accuracy is that of
the test set, with the weights that validation chose. The target is reached if the mean is above it with p < 0.05 in a
one-sided t-test over the seeds. Peers take turns with it; the time of pytorch-examples, which tells its accuracy after
each epoch, ends at the first epoch that reaches the target, which is to its advantage.

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
from functools import partial
from pathlib import Path
from typing import Any

from scipy.stats import ttest_1samp

from benchmarks.baselines.loops import ACCELERATORS
from benchmarks.baselines.projects import airbench, place, pytorch_examples
from benchmarks.measure.environment import ROOT, keep, not_measured, setting, told
from benchmarks.measure.noise_probe import canary
from benchmarks.measure.process import run
from benchmarks.measure.rounds import Failed, Round, Sample, best_canary, counted, interval, play, ratios, tell, values
from benchmarks.measure.targets import ACCURACIES, TARGETS
from zoo.errors import UsageError
from zoo.studies.statistics import Mean, mean_of

LEVEL = 0.05
PEERS = {"pytorch-examples": pytorch_examples, "cifar10-airbench": airbench}
TRIED_ON = {"pytorch-examples": "mnist", "cifar10-airbench": "cifar10"}
CLOCKED = ("seconds", "training")


def recipe(options: argparse.Namespace) -> Callable[[], Sample]:
    """What trains the recipe with the next seed."""
    seeds = itertools.count()

    def turn() -> Sample:
        with tempfile.TemporaryDirectory() as folder:
            words = [
                *words_of(options),
                *options.more,
                "--seed_everything",
                str(next(seeds)),
                "--run_dir",
                f"{folder}/run",
            ]
            ended = run([sys.executable, "cli.py", *words], options.threads, folder=ROOT)
            result = json.loads(Path(folder, "run/result.json").read_text())
        wall = {"training": result["seconds"], "command": ended.seconds, "processor": ended.processor}
        counts = ended.processor if options.clock == "processor" else ended.seconds
        return {"seconds": counts, "accuracy": result["test"]["accuracy"], **wall}

    return turn


def words_of(options: argparse.Namespace) -> list[str]:
    """The command, without seed and folder."""
    words = ["fit", "-c", str(options.recipe.absolute()), "--figures=false"]
    words.append(f"--trainer.accelerator={ACCELERATORS[options.device]}")
    if options.recipe.stem.startswith("cifar10") and options.cifar10:
        return [*words, "--data", "Arrays", "--data.path", str(options.cifar10.absolute())]
    return words if options.recipe.stem == "quickstart" else [*words, "--data.root", str(options.data_root.absolute())]


def aim(recipe: Path) -> float:
    """The accuracy that a recipe is for, by its name, or by that of its data."""
    return ACCURACIES.get(recipe.stem) or ACCURACIES.get(recipe.stem.partition("_")[0], ACCURACIES["mnist"])


def contenders(options: argparse.Namespace, skipped: list[str]) -> dict[str, Callable[[], Sample]]:
    """The recipe, and the peers that do the same."""
    turns = {"zoo": recipe(options)}
    for name in options.peers:
        try:
            if not options.recipe.stem.startswith(TRIED_ON.get(name, "nothing")):
                raise Failed(f"peer {name} in --peer: expected one for {options.recipe.stem}, found one for other data")
            python = str(options.peer_pythons.get(name, options.python))
            turns[name] = PEERS[name](place(name, options.peers), python, options)
        except Failed as error:
            tell(str(error), skipped)
    return turns


def chance(accuracies: Sequence[float], target: float) -> float:
    """One-sided p of "the mean is not above the target"."""
    if len(accuracies) < 2:
        return 1.0
    if len(set(accuracies)) == 1:  # no spread: the test has no answer, the numbers have
        return 0.0 if accuracies[0] > target else 1.0
    return float(ttest_1samp(accuracies, target, alternative="greater").pvalue)


def summary(record: dict[str, Any]) -> str:
    """Accuracy against the target, time, and how peers compare."""
    rounds: list[Round] = record["rounds"]
    accuracies = values(rounds, "zoo", "accuracy")
    mean, p = percent(rounds, "zoo"), chance(accuracies, record["accuracy"])
    lines = [
        f"{record['recipe']}: test accuracy {shown(mean, ' %')} ({seeds(mean.n)}), above"
        f" {100 * record['accuracy']:g} % with p = {p:.2g}: {'reached' if p < LEVEL else 'not shown'}"
    ]
    for name in sorted({name for one in rounds for name in one["samples"]}):
        kept, which = that_count(rounds, name)
        took = ", ".join(f"{word} {shown(mean_of(values(kept, name, word)), ' s')}" for word in words_told(kept, name))
        lines.append(f"  {name}: {took}, {which}")
        lines += [f"  {ratio}" for ratio in compared(kept, name)]
    return "\n".join(lines)


def section(record: dict[str, Any]) -> list[str]:
    """The record in words, and a row for each contender."""
    rounds = record["rounds"]
    first, *_ = summary(record).splitlines()
    lines = [told(record["setting"]), "", f"{first}.", ""]
    lines += ["| contender | accuracy | seconds | training | rounds | ratios |", "|---|---:|---:|---:|---|---|"]
    for name in [n for n in ("zoo", *PEERS) if any(n in one["samples"] for one in rounds)]:
        good = percent(rounds, name)
        kept, which = that_count(rounds, name)
        times = {word: shown(mean_of(values(kept, name, word)), "") for word in words_told(kept, name)}
        cells = [name, shown(good, " %"), *(times.get(word, "") for word in CLOCKED), which]
        lines.append(f"| {' | '.join([*cells, '; '.join(compared(kept, name))])} |")
    return [*lines, "", *not_measured(record)]


def that_count(rounds: list[Round], name: str) -> tuple[list[Round], str]:
    """The rounds that count of those that a contender took part in, and what to say of them."""
    return counted([one for one in rounds if name in one["samples"]], best_canary(rounds))


def words_told(rounds: list[Round], name: str) -> list[str]:
    """Which times a contender knows."""
    return [word for word in CLOCKED if any(word in one["samples"].get(name, {}) for one in rounds)]


def compared(rounds: list[Round], name: str) -> list[str]:
    """A peer over the zoo, in each time that both know."""
    lines = []
    for word in words_told(rounds, name) if name != "zoo" else []:
        lines.append(f"{name} / zoo, {word}: {interval(ratios(rounds, name, 'zoo', word))}")
    return lines


def percent(rounds: list[Round], name: str) -> Mean:
    """A contender's accuracy in percent, over all rounds that it ran in."""
    return mean_of([100 * value for value in values(rounds, name, "accuracy")])


def seeds(count: int) -> str:
    """How many."""
    return f"{count} seed{'s' if count != 1 else ''}"


def shown(mean: Mean, unit: str) -> str:
    """A mean with its interval, if it has one."""
    return f"{mean.value:.2f} ± {mean.half:.2f}{unit}" if mean.n > 1 else f"{mean.value:.2f}{unit}"


def aims(record: dict[str, Any]) -> list[tuple[str, str, bool, str]]:
    """What was aimed at with a recipe, what came out, whether that is it, and of which rounds."""
    rounds, recipe = record["rounds"], record["recipe"]
    accuracies = values(rounds, "zoo", "accuracy")
    good = percent(rounds, "zoo")
    bound, reached = f"test accuracy ≥ {100 * record['accuracy']:g} %", chance(accuracies, record["accuracy"]) < LEVEL
    found = [(bound, shown(good, " %"), reached, seeds(good.n))]
    if recipe not in TARGETS:
        return found
    most, peers = TARGETS[recipe]
    kept, which = that_count(rounds, "zoo")
    time = mean_of(values(kept, "zoo", "training"))
    found.append((f"training ≤ {most} s", shown(time, " s"), time.value <= most, which))
    for peer, least in peers.items():
        kept, which = that_count(rounds, peer)
        if kept:
            # of the whole command or of the training alone: the one that is less to our advantage
            ratio, word = min((interval(ratios(kept, peer, "zoo", word)), word) for word in words_told(kept, peer))
            # faster to something worse is not faster; noise changes no accuracy, so all runs tell it
            theirs = percent(rounds, peer)
            text = f"{ratio}, to {shown(good, ' %')} against {shown(theirs, ' %')}"
            met = ratio.median >= least and good.value >= theirs.value
            found.append((f"{peer} / zoo, {word} ≥ {least:g}", text, met, which))
    return found


def check(options: argparse.Namespace) -> None:
    """Raises UsageError for a recipe that there is not."""
    if not options.recipe.is_file():
        known = sorted(path.stem for path in (ROOT / "configs/recipes").glob("*.yaml"))
        [near] = get_close_matches(options.recipe.stem, known, 1, 0)
        raise UsageError(
            f"recipe in --recipe: expected a file, found {options.recipe}. Try: configs/recipes/{near}.yaml"
        )
    options.accuracy = aim(options.recipe) if options.accuracy is None else options.accuracy
    if not 0 < options.accuracy < 1:
        raise UsageError(f"share in --accuracy: expected above 0 and below 1, found {options.accuracy:g}. Try: 0.99")


def rounds_of(
    turns: dict[str, Callable[[], Sample]],
    options: argparse.Namespace,
    skipped: list[str],
    check: Callable[[], dict[str, float]],
) -> list[Round]:
    """A round for each seed; peers take part in the first so many."""
    peers = {name: options.peer_rounds or options.seeds for name in turns if name != "zoo"}
    return play(turns, options.seeds, check, skipped, only=peers)


def main(options: argparse.Namespace) -> None:
    """Trains all seeds and says what came out."""
    skipped: list[str] = options.skipped
    turns = contenders(options, skipped)
    record = {"setting": setting(options), "recipe": options.recipe.stem, "accuracy": options.accuracy}
    check = partial(canary, options.clock, options.device)
    record |= {"skipped": skipped, "rounds": rounds_of(turns, options, skipped, check)}
    if not any("zoo" in one["samples"] for one in record["rounds"]):
        raise ValueError(skipped[-1])
    print(summary(record))
    keep(record, options, f"target_{options.recipe.stem}")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--recipe", type=Path, required=True, help="a complete run, such as configs/recipes/NAME.yaml")
    parser.set_defaults(images=None, more=())
    parser.add_argument("--accuracy", type=float, help="target, in [0, 1]; 0.99 for MNIST, 0.9 for CIFAR-10 if unset")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0, 1, …")
    parser.add_argument("--peer-rounds", type=int, help="in how many rounds peers take part; in all if unset")
    parser.add_argument("--runs", type=int, default=5, help="of cifar10-airbench on a GPU, in one process")
    parser.add_argument("--peer-flags", default="", help="flags of a peer, as '--epochs 3'; none runs it as it ships")
