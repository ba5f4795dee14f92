"""What do exact resume and safe saves cost? The same `fit` with them in one epoch and without them in the next.

    python scripts/benchmark.py safety --data-root DIR [--pairs 20] [--case MLP] [--threads 1]

"Without" means: no seed per step, order and augmentation from torch's running generator, no look at the loss, no clock
and no flags after a step, and Lightning's own way of saving.
"""

import argparse
import statistics
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

import datamodules.batches
from benchmarks.measure.environment import environment, keep
from benchmarks.measure.intervals import cost_in_percent
from benchmarks.measure.switch import Switch
from zoo import Classifier
from zoo.checkpoints.checkpoint_io import SafeCheckpointIO
from zoo.resume.keep_last import KeepLast
from zoo.training.callbacks.non_finite import StopAtNonFinite
from zoo.training.callbacks.step_randomness import StepRandomness

CASES = {
    "MLP 784-256-10, batch 128": "--model MLP --model.hidden [256] --data.batch_size 128",
    # an eighth of the images, so that an epoch takes seconds: the saves weigh eight times as much as they would
    "ConvNet, batch 128, 6,750 images": "--model ConvNet --data.batch_size 128 --data.train_size 6750"
    " --data.augment [shift_rotate] --trainer.precision bf16-mixed",
}


class Safety(Switch):
    """Switches exact resume and safe saves."""

    callbacks: list[Any]

    def switch(self, model: Classifier) -> None:
        if model.trainer.current_epoch == 0:
            self.callbacks = list(model.trainer.callbacks)  # type: ignore[attr-defined]
        left_out = () if self.on else (StepRandomness, StopAtNonFinite)
        model.trainer.callbacks = [c for c in self.callbacks if not isinstance(c, left_out)]  # type: ignore[attr-defined]

    def install(self) -> None:
        super().install()
        save, after_batch = SafeCheckpointIO.save_checkpoint, KeepLast.on_train_batch_end
        generator, switch = datamodules.batches.generator, self

        def save_checkpoint(plugin: SafeCheckpointIO, content: Any, path: Any, **options: Any) -> None:
            (save if switch.on else TorchCheckpointIO.save_checkpoint)(plugin, content, path, **options)

        def draw(*args: Any) -> torch.Generator:
            return generator(*args) if switch.on else torch.default_generator

        def on_train_batch_end(callback: KeepLast, *args: Any) -> None:
            if switch.on:
                after_batch(callback, *args)

        SafeCheckpointIO.save_checkpoint = save_checkpoint  # type: ignore[method-assign, assignment]
        datamodules.batches.generator = draw  # type: ignore[assignment]
        KeepLast.on_train_batch_end = on_train_batch_end  # type: ignore[method-assign, assignment]


def summary(name: str, rows: list[dict[str, float]]) -> str:
    """The cost in per cent."""
    cost = cost_in_percent([row["with"] / row["without"] for row in rows], "exact resume and safe saves")
    return f"{name}: an epoch takes {statistics.median(row['with'] for row in rows):.2f} s, {cost}"


def main(options: argparse.Namespace) -> None:
    """Measures the cases asked for, in this process."""
    record: dict[str, Any] = {"setting": environment(options)}
    safety = Safety()
    safety.install()
    for name in [name for name in CASES if options.case in name]:
        argv = f"fit --data MNIST --data.root {options.data_root} {CASES[name]}".split()
        epochs = [("with" if on else "without", seconds) for on, (seconds,) in safety.measure(argv, options.pairs)]
        record[name] = [dict(pair) for pair in zip(epochs[::2], epochs[1::2], strict=True)]
        print(summary(name, record[name]), flush=True)
    keep(record, options, "safety")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--pairs", type=int, default=20, help="epochs with and without")
    parser.add_argument("--case", default="", help="only the cases that have this in their names")
