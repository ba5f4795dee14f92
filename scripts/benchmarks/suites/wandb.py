"""What does Weights & Biases cost, offline? A ConvNet's `fit` whose rows go to W&B in one epoch and not in the next.

    epochs: with, without, without, with, …  ->  seconds of each, and the seconds of CPU that W&B took in each

    python scripts/benchmark.py wandb --data-root DIR [--pairs 15] [--threads 1]

Seconds of neighbouring epochs hold what delays the training; the CPU seconds of W&B
hold what it does beside it, in threads of this process and in a process of its own, which goes on in all epochs.
An epoch has a sixteenth of the images, so that W&B weighs sixteen times as much as it does.
"""

import argparse
import contextlib
import io
import os
import random
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure.environment import ROOT, keep, setting
from cli import main as command
from zoo import Classifier
from zoo.loggers.wandb.logger import Wandb

IMAGES = 3375
CASE = f"--model ConvNet --data.batch_size 128 --data.augment [shift_rotate] --data.train_size {IMAGES}"
LESS = "--data.val_size 600 --trainer.limit_test_batches 1 --trainer.accelerator cpu"
WARM_UP = 2  # epochs
TICK = os.sysconf("SC_CLK_TCK")  # of the times in /proc, per second


def cpu_of(stat: Path) -> float:
    """CPU seconds of a process or thread so far; 0 if it is gone."""
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


class Watch:
    """Counts W&B's CPU time and lets it have the rows of every other pair of epochs.

    Attributes:
        marks: at the beginning of each epoch, and the end of the last: seconds, CPU seconds of the process, and of W&B.
        starting: seconds that W&B took at the run's start, and at its end.
    """

    def __init__(self) -> None:
        self.marks: list[tuple[float, float, float]] = []
        self.starting = [0.0, 0.0]
        self.calls = 0.0  # CPU seconds of this thread in W&B
        self.threads: set[int] = set()
        self.on = True

    def wandbs_cpu(self) -> float:
        """CPU seconds of W&B so far: in this thread, in threads that it has started, and in its own process."""
        tasks = [cpu_of(Path(f"/proc/self/task/{number}/stat")) for number in self.threads]
        stats = list(Path("/proc").glob("[0-9]*/stat"))
        own = [cpu_of(stat) for stat in stats if is_wandbs(stat)]
        return self.calls + sum(tasks) + sum(own)

    def mark(self) -> None:
        self.marks.append((time.perf_counter(), time.process_time(), self.wandbs_cpu()))

    def install(self) -> None:
        """Puts itself around what it counts."""
        log, begin, end = Wandb.log_metrics, Wandb.begin, Wandb.end
        start_epoch = Classifier.on_train_epoch_start
        watch = self

        def on_train_epoch_start(model: Classifier) -> None:
            watch.mark()
            watch.on = with_wandb(model.trainer.current_epoch)
            start_epoch(model)

        def on_train_end(model: Classifier) -> None:
            watch.mark()

        def log_metrics(logger: Wandb, *args: Any, **kwargs: Any) -> None:
            before = time.thread_time()
            if watch.on:
                log(logger, *args, **kwargs)
            watch.calls += time.thread_time() - before

        def begin_and_see(logger: Wandb, *args: Any) -> None:
            before, known = time.perf_counter(), {thread.native_id for thread in threading.enumerate()}
            begin(logger, *args)
            watch.starting[0] = time.perf_counter() - before
            watch.threads = {thread.native_id or 0 for thread in threading.enumerate()} - known

        def end_and_see(logger: Wandb, *args: Any) -> None:
            before = time.perf_counter()
            end(logger, *args)
            watch.starting[1] = time.perf_counter() - before

        Classifier.on_train_epoch_start = on_train_epoch_start  # type: ignore[method-assign, assignment]
        Classifier.on_train_end = on_train_end  # type: ignore[method-assign, assignment]
        Wandb.log_metrics = log_metrics  # type: ignore[method-assign, assignment]
        Wandb.begin = begin_and_see  # type: ignore[method-assign, assignment]
        Wandb.end = end_and_see  # type: ignore[method-assign, assignment]


def is_wandbs(stat: Path) -> bool:
    """Whether this is the process that W&B has started from this one."""
    try:
        name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    return name == "wandb-core" and int(rest.split()[1]) == os.getpid()


def with_wandb(epoch: int) -> bool:
    """With, without, without, with, and so on."""
    return epoch % 4 in (0, 3)


def measure(root: Path, pairs: int) -> dict[str, Any]:
    """Pairs of neighbouring epochs, and the shares of W&B, in this process."""
    os.environ["WANDB_MODE"] = "offline"
    watch = Watch()
    watch.install()
    epochs = WARM_UP + 2 * pairs
    with tempfile.TemporaryDirectory() as folder:
        words = f"fit --data MNIST --data.root {root} {CASE} {LESS} --trainer.max_epochs {epochs}"
        command([*words.split(), "-c", str(ROOT / "configs/logger/wandb.yaml"), "--run_dir", f"{folder}/run"])
    rows = []
    for epoch in range(WARM_UP, epochs):
        seconds, cpu, wandbs = (b - a for a, b in zip(watch.marks[epoch], watch.marks[epoch + 1], strict=True))
        row = {"with": with_wandb(epoch), "seconds": seconds, "cpu": cpu, "wandb_cpu": wandbs}
        rows.append({name: value if isinstance(value, bool) else round(value, 4) for name, value in row.items()})
    return {"epochs": rows, "start": round(watch.starting[0], 3), "end": round(watch.starting[1], 3)}


def summary(record: dict[str, Any]) -> str:
    """The cost in per cent: of wall-clock time, with the 95 % bootstrap interval of the median, and of CPU time."""
    rows = record["epochs"]
    pairs = [sorted(pair, key=lambda row: row["with"]) for pair in zip(rows[::2], rows[1::2], strict=True)]
    ratios = [on["seconds"] / off["seconds"] for off, on in pairs]
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    cost, low, high = (100 * (ratio - 1) for ratio in (statistics.median(ratios), medians[50], medians[-51]))
    share = sum(row["wandb_cpu"] for row in rows) / sum(row["cpu"] for row in rows)
    return (
        f"ConvNet, {IMAGES:,} images: an epoch takes {statistics.median(row['seconds'] for row in rows):.2f} s,"
        f" {cost:+.1f} % with W&B offline (median of {len(pairs)} pairs; 95 % interval {low:+.1f} to {high:+.1f} %);"
        f" CPU of W&B: {1000 * sum(row['wandb_cpu'] for row in rows) / len(rows):.0f} ms an epoch, {100 * share:.2f} %"
        f" of the epoch's; start {record['start']:.1f} s, end {record['end']:.1f} s"
    )


def main(options: argparse.Namespace) -> None:
    """Measures in this process."""
    torch.set_num_threads(options.threads)
    with contextlib.redirect_stdout(io.StringIO()):
        record = measure(options.data_root, options.pairs)
    print(summary(record), flush=True)
    keep({"setting": setting(options), **record}, options, "wandb")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--pairs", type=int, default=15, help="epochs with and without")
