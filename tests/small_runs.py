"""Runs of a second, what they come to, and signals at a chosen moment of one."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cli import main
from datamodules import Digits
from zoo import Classifier
from zoo.checkpoints.storage import read_checkpoint
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import read_metrics

BASE = (
    "fit --data Digits --data.train_size 320 --data.batch_size 32 --model MLP --model.hidden [16] --figures false"
    " --trainer.max_epochs 3 --trainer.accelerator cpu"
)  # 10 steps an epoch


def digits_mlp(folder: Path, *flags: str) -> Path:
    """Folder of a run whose weights are asked, scored and exported."""
    words = (
        "fit --data Digits --data.batch_size 64 --model MLP --model.hidden [8] --trainer.max_epochs 1"
        " --trainer.accelerator cpu --figures false"
    )
    main([*words.split(), "--run_dir", str(folder), *" ".join(flags).split()])
    return folder


def digits_test() -> tuple[np.ndarray, np.ndarray]:
    """The test images of the digits, (359, 1, 28, 28) uint8, and their labels (359,)."""
    data = Digits()
    data.setup("test")
    images, labels = data.part("test")
    return images.numpy(), labels.numpy()


def fit(folder: Path, *flags: str) -> RunFolder:
    main([*BASE.split(), "--run_dir", str(folder), *" ".join(flags).split()])
    return RunFolder(folder)


def record(folder: RunFolder) -> dict[str, Any]:
    return json.loads(folder.result.read_text())


def signal_at(monkeypatch: pytest.MonkeyPatch, hook: str, call: int, *numbers: int) -> None:
    """Lets this process get signals in the `call`-th call of a hook of the model."""
    original = getattr(Classifier, hook)
    left = [call]

    def hooked(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            for number in numbers:
                os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    monkeypatch.setattr(Classifier, hook, hooked)


def state(folder: RunFolder) -> dict[str, Any]:
    """All that must be equal at the end of two runs that are the same run."""
    content = read_checkpoint(folder.last)
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in read_metrics(folder.metrics)]
    record = json.loads(folder.result.read_text())
    names = ("state_dict", "optimizer_states", "lr_schedulers", "current_model_state", "averaging_state", "global_step")
    kept = {name: content.get(name) for name in names}
    if folder.best.exists():
        kept["results of the best"] = read_checkpoint(folder.best)["results"]
    return {**kept, "rows": rows, **{name: record[name] for name in ("train", "val", "test", "best_epoch")}}


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
