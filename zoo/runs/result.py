"""What a run came to: result.json, and the table at its end.

model.results, metrics.csv, best.ckpt  ->  {"data", "model", "seed", …, "train", "val", "test", …}
"""

import json
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from zoo.config.config_files import repository
from zoo.files import whole_file
from zoo.geometry import walk
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics
from zoo.training.classifier import Classifier

PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "jsonargparse", "numpy")
# made from runs, not by them; recipes have headers of that kind, and a run keeps its own configuration
RESULTS = (*(f":(top,exclude)*.{kind}" for kind in ("csv", "md", "html", "svg")), ":(top,exclude)configs/recipes")
ENDED = ("reason", "message", "steps")  # what is said of the end of the training
NOT_DONE: dict[str, Any] = {"accuracy": None, "loss": None, "n": 0}


def make_record(
    trainer: Trainer,
    model: Classifier,
    folder: RunFolder,
    names: dict[str, Any],
    seconds: float,
    ending: Mapping[str, Any],
    epoch: int,
    validated: dict[str, Any] | None,
    monitor: str,
) -> dict[str, Any]:
    """Everything about a finished run that a table or a study may ask for.

    Args:
        trainer: after fit and test.
        model: with the results of the test.
        folder: the run's, with metrics and checkpoints in it.
        names: `data`, `model` and `seed`.
        seconds: time of training, validation and checkpoints included.
        ending: what last.ckpt says of the end of the training; nothing in those of older versions.
        epoch: of the checkpoint that was chosen, from 0.
        validated: what its validation came to.
        monitor: what it was chosen by.
    """
    rows = [row for row in read_metrics(folder.metrics) if row.get("epoch") == epoch and "train/loss" in row]
    train = rows[-1] if rows else {}
    test = model.results.get("test")
    return {
        **names,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "multiply_adds": multiply_adds(model, trainer),
        "epochs": ending.get("epochs", trainer.current_epoch),
        "ended": {key: ending.get(key) for key in ENDED},
        "best_epoch": epoch + 1,
        "chosen_by": RULES[monitor] if folder.best.exists() else None,
        "seconds": round(seconds, 3),
        # as counted while the epoch went on: with augmentation and dropout, and weights that were still moving
        "train": {"accuracy": train.get("train/accuracy"), "loss": train.get("train/loss")},
        "val": validated or NOT_DONE,
        "test": test.numbers if test else NOT_DONE,
        "git_commit": git_commit(),
        "versions": versions(),
        "device": device_name(trainer),
        "processor": processor_name(),
        "precision": str(trainer.precision),
    }


def multiply_adds(model: Classifier, trainer: Trainer) -> int:
    """Of one image on its way through the network."""
    in_shape = trainer.datamodule.in_shape  # type: ignore[attr-defined]
    return sum(layer.multiply_adds for layer in walk(model.net, in_shape))


@cache  # a process has imported its code once
def versions() -> dict[str, str]:
    """Of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


@cache  # likewise
def git_commit() -> str | None:
    """The commit of the code that runs, marked if files differ from it but results; None outside of its repository."""
    here = repository()
    if here is None:  # installed, maybe below a repository that is another's
        return None
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=10
        )
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", ":/", *RESULTS],
            cwd=here, capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip() + ("-dirty" if status.stdout.strip() else "")


def device_name(trainer: Trainer) -> str:
    """What the run computed on, such as `cpu, 2 threads` or `2 x NVIDIA H200`."""
    device = trainer.strategy.root_device
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    elif device.type == "cpu":
        name = f"cpu, {torch.get_num_threads()} threads"
    else:
        name = device.type
    return name if trainer.world_size == 1 else f"{trainer.world_size} x {name}"


@cache
def processor_name() -> str:
    """The model of this machine's processor: results of another may differ in their last digits."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model\t", "cpu\t"))]
    return next(filter(None, models), "") or platform.processor() or platform.machine()


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Writes the record as JSON; a file under this name is always whole."""
    with whole_file(path) as file:
        file.write(json.dumps(record, indent=2) + "\n")


def read_record(path: Path, ending: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of a run whose training ended like this; None if there is none that can be shown."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["ended"] != {key: ending[key] for key in ENDED}:
            return None
        numbers = [record[key] for key in ("parameters", "epochs", "best_epoch", "seconds")]
        for split in ("train", "val", "test"):
            numbers += [record[split].get(key, 0) or 0 for key in ("accuracy", "loss", "n")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return record if all(type(number) in (int, float) for number in numbers) else None


def interval(accuracy: float, n: int) -> tuple[float, float]:
    """95 % interval of an accuracy measured on n images (Wilson 1927): what another test set of n would allow."""
    test = binomtest(round(accuracy * n), n)
    low, high = test.proportion_ci(method="wilson")
    return float(low), float(high)


def show_table(title: str, rows: dict[str, dict[str, Any]], notes: list[str]) -> None:
    """Prints accuracy, its interval, loss and number of images for each split."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("split", "accuracy", "95 % interval", "loss", "images"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for split, row in rows.items():
        if row.get("accuracy") is None:
            continue
        n = row.get("n")
        low, high = interval(row["accuracy"], n) if n else (0.0, 0.0)
        span = f"{100 * low:.2f} – {100 * high:.2f} %" if n else ""
        # as many digits as whole images need: 0.9812 of 10,000
        table.add_row(split, f"{100 * row['accuracy']:.2f} %", span, f"{row['loss']:.4f}", f"{n:,}" if n else "")
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for note in notes:
        console.print(note, markup=False)


# what --monitor may name -> which of several epochs it chooses, in words for the records of runs
RULES = {
    "val/accuracy": "accuracy, then loss, then the later",
    "val/balanced_accuracy": "balanced accuracy, then loss, then the later",
    "val/loss": "loss, then accuracy, then the later",
}
MONITOR = "val/accuracy"  # unless another is named
RULE = RULES[MONITOR]
