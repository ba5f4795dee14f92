"""When did each epoch start, when was its training done, and when did it end? A callback for any Lightning program.

    epoch = training steps, [validation, saves]  ->  {"seconds", "training", "processor", "training_processor"}

It imports nothing of this project, so that other projects can be given it by a flag.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

Clocks = tuple[float, float]  # on the wall, and of the processor


def now() -> Clocks:
    """Both clocks, in seconds, when a GPU has done what it was given."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


def durations(start: Clocks, trained: Clocks, end: Clocks) -> dict[str, float]:
    """Those of an epoch."""
    return {
        "seconds": end[0] - start[0],
        "training": trained[0] - start[0],
        "processor": end[1] - start[1],
        "training_processor": trained[1] - start[1],
    }


class EpochTimer(Callback):
    """Writes the durations of all epochs into a file when training ends.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.epochs: list[dict[str, float]] = []
        self._start: Clocks | None = None
        self._trained: Clocks | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()
        self._start, self._trained = now(), None

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._trained = now()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._trained = self._trained or now()  # an epoch without validation

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()
        self.path.write_text(json.dumps(self.epochs))

    def _close(self) -> None:
        if self._start and self._trained:
            self.epochs.append(durations(self._start, self._trained, now()))
        self._start = None


def read(path: Path) -> list[dict[str, Any]]:
    """What a program has left there."""
    return json.loads(path.read_text())
