"""What does Weights & Biases cost, offline? A ConvNet's `fit` whose rows go to W&B in one epoch and not in the next.

    python scripts/benchmark.py wandb --data-root DIR [--pairs 15] [--threads 1]

Seconds of neighbouring epochs hold what delays the training. CPU seconds of W&B hold what it does beside it, in threads
of this process and in a process of its own, which goes on in all epochs. An epoch has a sixteenth of the images, so
that W&B weighs sixteen times as much as it does.
"""

import argparse
import os
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.measure.environment import ROOT, environment, keep
from benchmarks.measure.intervals import cost_in_percent
from benchmarks.measure.switch import Switch
from zoo.loggers.wandb.logger import Wandb

IMAGES = 3375
CASE = f"--model ConvNet --data.batch_size 128 --data.augment [shift_rotate] --data.train_size {IMAGES}"
LESS = f"--data.val_size 600 --trainer.limit_test_batches 1 -c {ROOT}/configs/logger/wandb.yaml"
TICK = os.sysconf("SC_CLK_TCK")  # of the times in /proc, per second


def cpu_of(stat: Path) -> float:
    """CPU seconds of a process or thread so far; 0 if it is gone."""
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def is_wandbs(stat: Path) -> bool:
    """Whether this is the process that W&B has started from this one."""
    try:
        name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    return name == "wandb-core" and int(rest.split()[1]) == os.getpid()


class Rows(Switch):
    """Lets W&B have the rows of every other pair of epochs, and counts its CPU time.

    Attributes:
        starting: seconds that W&B took at the run's start, and at its end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.starting = [0.0, 0.0]
        self.calls = 0.0  # CPU seconds of this thread in W&B
        self.threads: set[int] = set()

    def mark(self) -> tuple[float, ...]:
        tasks = [cpu_of(Path(f"/proc/self/task/{number}/stat")) for number in self.threads]
        own = [cpu_of(stat) for stat in Path("/proc").glob("[0-9]*/stat") if is_wandbs(stat)]
        return time.perf_counter(), time.process_time(), self.calls + sum(tasks) + sum(own)

    def install(self) -> None:
        super().install()
        log, begin, end = Wandb.log_metrics, Wandb.begin, Wandb.end
        rows = self

        def log_metrics(logger: Wandb, *args: Any, **kwargs: Any) -> None:
            before = time.thread_time()
            if rows.on:
                log(logger, *args, **kwargs)
            rows.calls += time.thread_time() - before

        def timed_begin(logger: Wandb, *args: Any) -> None:
            before, known = time.perf_counter(), {thread.native_id for thread in threading.enumerate()}
            begin(logger, *args)
            rows.starting[0] = time.perf_counter() - before
            rows.threads = {thread.native_id or 0 for thread in threading.enumerate()} - known

        def timed_end(logger: Wandb, *args: Any) -> None:
            before = time.perf_counter()
            end(logger, *args)
            rows.starting[1] = time.perf_counter() - before

        Wandb.log_metrics = log_metrics  # type: ignore[method-assign, assignment]
        Wandb.begin = timed_begin  # type: ignore[method-assign, assignment]
        Wandb.end = timed_end  # type: ignore[method-assign, assignment]


def summary(record: dict[str, Any]) -> str:
    """The cost in per cent, of seconds and of CPU time."""
    rows = record["epochs"]
    pairs = [sorted(pair, key=lambda row: row["with"]) for pair in zip(rows[::2], rows[1::2], strict=True)]
    cost = cost_in_percent([on["seconds"] / off["seconds"] for off, on in pairs], "W&B offline")
    used = sum(row["wandb_cpu"] for row in rows)
    return (
        f"ConvNet, {IMAGES:,} images: an epoch takes {statistics.median(row['seconds'] for row in rows):.2f} s, {cost};"
        f" CPU of W&B: {1000 * used / len(rows):.0f} ms an epoch, {100 * used / sum(row['cpu'] for row in rows):.2f} %"
        f" of the epoch's; start {record['start']:.1f} s, end {record['end']:.1f} s"
    )


def main(options: argparse.Namespace) -> None:
    """Measures in this process."""
    os.environ["WANDB_MODE"] = "offline"
    switch = Rows()
    switch.install()
    argv = f"fit --data MNIST --data.root {options.data_root} {CASE} {LESS}".split()
    rows = [
        {"with": on, **{key: round(value, 4) for key, value in zip(("seconds", "cpu", "wandb_cpu"), took, strict=True)}}
        for on, took in switch.measure(argv, options.pairs)
    ]
    start, end = (round(seconds, 3) for seconds in switch.starting)
    record = {"setting": environment(options), "epochs": rows, "start": start, "end": end}
    print(summary(record), flush=True)
    keep(record, options, "wandb")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--pairs", type=int, default=15, help="epochs with and without")
