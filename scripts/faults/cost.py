"""What do a run's lock and its record of what it is cost? Seconds of the processor in their own functions.

Counted within one process, so that neither imports nor a busy machine are in it; a first start also asks git and reads
the code. Against an earlier version, whole starts and epochs: `python scripts/benchmark.py before`.
"""

import contextlib
import io
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import zoo.commands.cli.fitting
from benchmarks.measure.environment import machine
from cli import main as command
from zoo.checkpoints.storage import read_checkpoint, serialised
from zoo.resume.history import KeepHistory
from zoo.runs import source
from zoo.runs.folder import RunFolder
from zoo.runs.lock import FolderLock

COUNTED: dict[Any, tuple[str, ...]] = {
    FolderLock: ("take", "release"),
    KeepHistory: ("setup", "write", "on_train_start", "on_save_checkpoint", "conclusion"),
    source: ("code",),
}
START = "--model MLP --trainer.accelerator cpu --trainer.max_epochs 1 --trainer.limit_train_batches 1 --figures false"
STARTS, SAVES = 5, 60
OURS = ("identity", "parts")  # what of a checkpoint is theirs


def counted(owner: Any, name: str, spent: Counter[str]) -> Callable[..., Any]:
    """A function that adds up what it takes."""
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        began = time.process_time()
        try:
            return original(*args, **kwargs)
        finally:
            spent[name] += time.process_time() - began  # type: ignore[assignment]

    return call


def print_cost(root: Path) -> None:
    """Starts the MLP on MNIST several times, and saves its checkpoint with and without the record."""
    torch.set_num_threads(1)
    zoo.commands.cli.fitting.draw_run = lambda *args: None
    spent: Counter[str] = Counter()
    for owner, names in COUNTED.items():
        for name in names:
            setattr(owner, name, counted(owner, name, spent))
    argv = ["fit", "--data", "MNIST", "--data.root", str(root.resolve()), *START.split()]
    starts = []
    for _ in range(STARTS):
        spent.clear()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            command([*argv, "--run_dir", f"{folder}/run"])
            content = read_checkpoint(RunFolder(f"{folder}/run").last)
        starts.append({name: round(seconds, 5) for name, seconds in spent.items()})
    saves: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(SAVES):
        for name, left_out in (("with", ()), ("without", OURS)):
            began = time.process_time()
            serialised({key: value for key, value in content.items() if key not in left_out})
            saves[name].append(time.process_time() - began)
    medians = {name: round(statistics.median(seconds), 6) for name, seconds in saves.items()}
    print(json.dumps({"machine": machine(), "starts": starts, "save": medians}, indent=1))
