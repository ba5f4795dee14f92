"""What does this version cost against an earlier one? Starts and epochs of both, interleaved.

    starts   a whole fit of one step, cold: before, now, now, before, …           -> seconds more, in each pair
    epochs   two processes, of which one trains an epoch while the other waits     -> ratio, in each pair

    git worktree add --detach OLD 4e5c47a
    python scripts/benchmark.py before --before OLD --data-root DIR --threads 1

Within a pair noise cancels out. Two processes of one version differ too, by where their memory lies; so
there are several of each, and the interval is that of a bootstrap which draws processes first and then their pairs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure.environment import ROOT, commit, environment, keep
from benchmarks.measure.intervals import interval, interval_of_groups
from benchmarks.measure.process import run
from zoo.errors import UsageError

VERSIONS = ("before", "now")
START = (
    "fit --data Digits --model MLP --model.hidden [256] --trainer.max_epochs 1 --trainer.limit_train_batches 1"
    " --trainer.accelerator cpu --figures false"
)
EPOCH = (
    "fit --data MNIST --model MLP --model.hidden [256] --data.batch_size 128 --trainer.max_epochs 1000"
    " --trainer.accelerator cpu"
)
WARM_UP = 2  # epochs
MARK = "it took "
READERS = {"wall": "perf_counter", "processor": "process_time"}
# the command, in whatever version lies where it runs; it prints how long each epoch took, and waits for the next
PROGRAM = f"""
import sys, time
import torch
torch.set_num_threads(int(sys.argv[1]))
now = getattr(time, sys.argv[2])
from cli import main
from zoo import Classifier
begin, began = Classifier.on_train_epoch_start, [0.0]
def on_train_epoch_start(model):
    print("{MARK}", now() - began[0], flush=True)
    sys.stdin.readline()
    began[0] = now()
    begin(model)
Classifier.on_train_epoch_start = on_train_epoch_start
main(sys.argv[3:])
"""


class Trainer:
    """A training that does one epoch whenever it is asked to.

    Args:
        tree: the version's files.
        argv: of the command.
        threads: of torch.
        clock: what an epoch is timed with: "wall" or "processor".
        errors: file that takes its errors.
    """

    def __init__(self, tree: Path, argv: list[str], threads: int, clock: str, errors: Path) -> None:
        self.errors = errors
        command = [sys.executable, "-c", PROGRAM, str(threads), READERS[clock], *argv]
        environ = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(tree)}
        with errors.open("w") as file:
            self.process = subprocess.Popen(
                command, cwd=tree, env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file
            )
        self._wait()

    def _wait(self) -> float:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(MARK):
                return float(line.removeprefix(MARK))
        raise RuntimeError(self.errors.read_text()[-2000:])

    def epoch(self) -> float:
        """Trains one epoch; seconds."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._wait()

    def end(self) -> None:
        """Ends it where it stands: there is nothing to keep."""
        self.process.kill()
        self.process.communicate()


def order_of(i: int) -> tuple[str, str]:
    """Who is first in the i-th pair."""
    return VERSIONS if i % 2 == 0 else VERSIONS[::-1]


def starts(trees: dict[str, Path], options: argparse.Namespace) -> list[dict[str, dict[str, float]]]:
    """Whole commands of both versions, in pairs after one that does not count."""
    pairs = []
    for i in range(options.starts + 1):
        pair = {}
        for name in order_of(i):
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "cli.py", *START.split(), "--run_dir", f"{folder}/run"]
                environ = {"PYTHONPATH": str(trees[name])}
                ended = run(command, options.threads, folder=trees[name], environ=environ)
            pair[name] = {"seconds": ended.seconds, "processor": ended.processor}
        pairs.append(pair)
        print(f"  start {i}: " + "  ".join(f"{name} {pair[name]['seconds']:.2f} s" for name in VERSIONS), flush=True)
    return pairs[1:]


def epochs(trees: dict[str, Path], options: argparse.Namespace) -> list[list[dict[str, float]]]:
    """Epochs of both versions in pairs, of several processes of each."""
    found = []
    for k in range(options.processes):
        with tempfile.TemporaryDirectory() as folder:
            both: dict[str, Trainer] = {}
            try:
                for name in order_of(k):
                    argv = f"{EPOCH} --data.root={options.data_root} --run_dir={folder}/{name}".split()
                    errors = Path(folder, f"{name}.err")
                    both[name] = Trainer(trees[name], argv, options.threads, options.clock, errors)
                pairs = [{name: both[name].epoch() for name in order_of(i)} for i in range(WARM_UP + options.pairs)]
            finally:
                for trainer in both.values():
                    trainer.end()
        found.append(pairs[WARM_UP:])
        ratios = [pair["now"] / pair["before"] for pair in found[-1]]
        print(f"  processes {k + 1}: now / before {' '.join(f'{ratio:.3f}' for ratio in ratios)}", flush=True)
    return found


def summary(record: dict[str, Any]) -> list[str]:
    """What a start and an epoch cost more than before."""
    lines = []
    for clock in ("seconds", "processor"):
        more = interval([pair["now"][clock] - pair["before"][clock] for pair in record["starts"]])
        old = interval([pair["before"][clock] for pair in record["starts"]])
        kind = "by the clock" if clock == "seconds" else "of the processor"
        lines.append(
            f"a start: {more.median:+.3f} s {kind} ({more.low:+.3f} to {more.high:+.3f}, {more.n} pairs),"
            f" {old.median:.2f} s before"
        )
    cost = interval_of_groups([[pair["now"] / pair["before"] for pair in pairs] for pairs in record["epochs"]])
    seconds = interval([pair["before"] for pairs in record["epochs"] for pair in pairs])
    lines.append(
        f"an epoch: {100 * (cost.median - 1):+.1f} % ({100 * (cost.low - 1):+.1f} to {100 * (cost.high - 1):+.1f} %,"
        f" {cost.n} pairs of {len(record['epochs'])} processes), {seconds.median:.2f} s"
        f"{' of the processor' if record['setting'].get('clock') == 'processor' else ''} before"
    )
    return lines


def main(options: argparse.Namespace) -> None:
    """Measures both."""
    if not (options.before / "cli.py").is_file():
        raise UsageError(f"version in --before: expected a checkout of this repository, found none in {options.before}")
    options.data_root = options.data_root.resolve()
    trees = {"before": options.before.resolve(), "now": ROOT}
    record: dict[str, Any] = {"setting": {**environment(options), "before": commit(trees["before"])}}
    record |= {"starts": starts(trees, options), "epochs": epochs(trees, options)}
    print("\n".join(summary(record)))
    keep(record, options, "before")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--before", type=Path, required=True, metavar="OLD", help="checkout of the earlier version")
    parser.add_argument("--starts", type=int, default=15, help="pairs of starts")
    parser.add_argument("--processes", type=int, default=5, help="pairs of processes that train")
    parser.add_argument("--pairs", type=int, default=6, help="epochs of each of them")
