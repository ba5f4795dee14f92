"""What do exact resume and safe saves cost? The same `fit` with them in one epoch and without them in the next.

    epochs: with, without, without, with, with, without, …  ->  seconds of each  ->  ratios of neighbours  ->  median

    python scripts/benchmark.py safety --data-root DIR [--pairs 20] [--case MLP] [--threads 1]

Within one process and between neighbouring epochs the machine's moods cancel out;
between processes they are larger than what is measured. "Without" means: no seed per step, order and augmentation from
torch's running generator, no look at the loss, no clock and no flags after a step, and Lightning's own way of saving.
"""

import argparse
import contextlib
import io
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

import datamodules.batches
from benchmarks.measure.environment import keep, setting
from cli import main as command
from zoo import Classifier
from zoo.checkpoints.storage import SafeCheckpointIO
from zoo.resume.keep_last import KeepLast
from zoo.training.finite import StopAtNonFinite
from zoo.training.step_randomness import StepRandomness

CASES = {
    "MLP 784-256-10, batch 128": "--model MLP --model.hidden [256] --data.batch_size 128",
    # an eighth of the images, so that an epoch takes seconds: the saves weigh eight times as much as they would
    "ConvNet, batch 128, 6,750 images": "--model ConvNet --data.batch_size 128 --data.train_size 6750"
    " --data.augment [shift_rotate] --trainer.precision bf16-mixed",
}
WARM_UP = 2  # epochs


class Switch:
    """Takes the safety out of the running process and puts it back, epoch by epoch.

    Attributes:
        starts: when each epoch began, and the last one ended, in seconds.
    """

    def __init__(self) -> None:
        self.safe = True
        self.starts: list[float] = []
        self.callbacks: list[Any] = []

    def is_safe(self, epoch: int) -> bool:
        """With, without, without, with, and so on."""
        return epoch % 4 in (0, 3)

    def install(self) -> None:
        """Puts itself in place of what it switches."""
        save, generator, after_batch = (
            SafeCheckpointIO.save_checkpoint,
            datamodules.batches.generator,
            KeepLast.on_train_batch_end,
        )
        switch = self

        def on_train_epoch_start(model: Classifier) -> None:
            switch.starts.append(time.perf_counter())
            model._accumulators.clear()
            switch.safe = switch.is_safe(model.trainer.current_epoch)
            switch.callbacks = switch.callbacks or list(model.trainer.callbacks)  # type: ignore[attr-defined]
            left_out = () if switch.safe else (StepRandomness, StopAtNonFinite)
            model.trainer.callbacks = [c for c in switch.callbacks if not isinstance(c, left_out)]  # type: ignore[attr-defined]

        def save_checkpoint(plugin: SafeCheckpointIO, content: Any, path: Any, **options: Any) -> None:
            (save if switch.safe else TorchCheckpointIO.save_checkpoint)(plugin, content, path, **options)

        def draw(*args: Any) -> torch.Generator:
            return generator(*args) if switch.safe else torch.default_generator

        def on_train_batch_end(callback: KeepLast, *args: Any) -> None:
            if switch.safe:
                after_batch(callback, *args)

        def on_train_end(model: Classifier) -> None:
            switch.starts.append(time.perf_counter())

        Classifier.on_train_epoch_start = on_train_epoch_start  # type: ignore[method-assign, assignment]
        Classifier.on_train_end = on_train_end  # type: ignore[method-assign, assignment]
        SafeCheckpointIO.save_checkpoint = save_checkpoint  # type: ignore[method-assign, assignment]
        datamodules.batches.generator = draw  # type: ignore[assignment]
        KeepLast.on_train_batch_end = on_train_batch_end  # type: ignore[method-assign, assignment]


def measure(root: Path, name: str, pairs: int, switch: Switch) -> list[dict[str, float]]:
    """Seconds of neighbouring epochs with and without, in this process, where the switch is installed."""
    switch.starts, switch.callbacks = [], []
    epochs = WARM_UP + 2 * pairs
    with tempfile.TemporaryDirectory() as folder:
        words = f"fit --data MNIST --data.root {root} {CASES[name]} --trainer.max_epochs {epochs}"
        command([*words.split(), "--trainer.accelerator", "cpu", "--run_dir", f"{folder}/run"])
    seconds = [end - start for start, end in zip(switch.starts, switch.starts[1:], strict=False)]
    rows = []
    for first in range(WARM_UP, epochs, 2):
        pair = {("with" if switch.is_safe(epoch) else "without"): seconds[epoch] for epoch in (first, first + 1)}
        rows.append(pair)
    return rows


def summary(name: str, rows: list[dict[str, float]]) -> str:
    """The cost in per cent, with the 95 % bootstrap interval of the median."""
    ratios = [row["with"] / row["without"] for row in rows]
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    cost, low, high = (100 * (ratio - 1) for ratio in (statistics.median(ratios), medians[50], medians[-51]))
    return (
        f"{name}: an epoch takes {statistics.median(row['with'] for row in rows):.2f} s,"
        f" {cost:+.1f} % with exact resume and safe saves"
        f" (median of {len(rows)} pairs; 95 % interval {low:+.1f} to {high:+.1f} %)"
    )


def main(options: argparse.Namespace) -> None:
    """Measures the cases asked for, in this process."""
    torch.set_num_threads(options.threads)
    record: dict[str, Any] = {"setting": setting(options)}
    switch = Switch()
    switch.install()
    for name in [name for name in CASES if options.case in name]:
        with contextlib.redirect_stdout(io.StringIO()):
            record[name] = measure(options.data_root, name, options.pairs, switch)
        print(summary(name, record[name]), flush=True)
    keep(record, options, "safety")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--pairs", type=int, default=20, help="epochs with and without")
    parser.add_argument("--case", default="", help="only the cases that have this in their names")
