"""TensorBoard: event files in `RUN/tensorboard/`, so that `tensorboard --logdir runs` shows all runs by their folders.

A run that goes on continues its curves; what it had logged after its last checkpoint is taken back.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image
from torch import Tensor

from zoo.loggers.base import RunFacts, RunLogger, finite, of_training


class TensorBoard(RunLogger):
    """Logs to TensorBoard, in runs of the command, which says `begin` and `end`."""

    def __init__(self) -> None:
        super().__init__()
        if not find_spec("tensorboard"):
            raise ValueError(
                "logger in --trainer.logger: expected the package tensorboard beside it, found none."
                " Try: pip install 'small-image-zoo[tensorboard]'"
            )
        self._writer: Any = None

    @property
    def name(self) -> str:
        return "tensorboard"

    @property
    def version(self) -> str:
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The SummaryWriter; None before the first step."""
        return self._writer

    def begin(self, facts: RunFacts) -> None:
        from torch.utils.tensorboard import SummaryWriter  # half a second

        step = int(facts.row["step"]) if facts.row else facts.step
        self._writer = SummaryWriter(str(facts.folder / "tensorboard"), purge_step=step or None)
        self._writer.add_text("config", f"<pre>{yaml.safe_dump(facts.config, sort_keys=False)}</pre>")

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass  # all of the configuration is there since the beginning

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for name, value in of_training(metrics).items():
            if name != "epoch":  # it comes with those of training and again with those of validation
                self._writer.add_scalar(name, float(value), step)

    def log_histogram(self, name: str, values: Tensor, step: int) -> None:
        if len(numbers := finite(values)):
            self._writer.add_histogram(name, numbers, step)

    def log_picture(self, name: str, path: Path, step: int) -> None:
        with Image.open(path) as picture:
            self._writer.add_image(f"figures/{name}", np.array(picture.convert("RGB")), step, dataformats="HWC")

    def conclude(self, record: dict[str, Any]) -> None:
        shown = {key: value for key, value in record.items() if key != "report"}  # a number for each class is too much
        self._writer.add_text("result", f"<pre>{yaml.safe_dump(shown, sort_keys=False)}</pre>")

    @rank_zero_only
    def save(self) -> None:
        if self._writer:
            self._writer.flush()

    def end(self, code: int) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None
