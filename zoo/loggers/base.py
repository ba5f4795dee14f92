"""A logger that knows whose run it is, and takes more than numbers: pictures, histograms, the result.

    begin(facts) -> log_metrics … log_histogram … -> log_picture, conclude(record) -> end(code)

`metrics.csv` is always written and needs none of this; what is here goes to a dashboard.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor


class RunFacts(NamedTuple):
    """What a logger may know of a run before its first step.

    Attributes:
        folder: the run's.
        data: name of the data set.
        model: name of the model.
        seed: of the run.
        config: the whole resolved configuration, as in config.yaml.
        step: optimiser's steps that were done before; more than 0 if the run goes on.
        row: results of the epoch before, which a run that was killed may not have logged any more.
    """

    folder: Path
    data: str
    model: str
    seed: int
    config: dict[str, Any]
    step: int
    row: dict[str, float] | None


class RunLogger(Logger):
    """What the zoo's own loggers have in common. All of it is called in the first process of a run only."""

    @abstractmethod
    def begin(self, facts: RunFacts) -> None:
        """Opens the log of a run, or goes on with it; the run's folder is there."""

    @abstractmethod
    def log_histogram(self, name: str, values: Tensor, step: int) -> None:
        """Takes the distribution of some values, of any shape."""

    @abstractmethod
    def log_picture(self, name: str, path: Path, step: int) -> None:
        """Takes a PNG file that stays where it is."""

    @abstractmethod
    def conclude(self, record: dict[str, Any]) -> None:
        """Takes what the run came to, as in result.json."""

    @abstractmethod
    def end(self, code: int) -> None:
        """Closes the log.

        Args:
            code: the exit code that the process will have; 0 if all went well.
        """


class BeginLoggers(Callback):
    """Opens the logs of a run, once its folder has been made.

    Args:
        facts: about the run.
    """

    def __init__(self, facts: RunFacts) -> None:
        self.facts = facts

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            for logger in run_loggers(trainer):
                logger.begin(self.facts)
                row = dict(self.facts.row or {})
                if row:
                    logger.log_metrics(row, int(row.pop("step")))


def of_training(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that belong to the history of a training: not those of the test, and not the epoch's number alone."""
    kept = {name: value for name, value in metrics.items() if not name.startswith("test/")}
    return kept if kept.keys() - {"epoch"} else {}


def finite(values: Tensor) -> np.ndarray:
    """The numbers among some values, of any shape and on any device, in one row: a histogram counts no others."""
    row = values.detach().float().flatten().cpu()
    return row[row.isfinite()].numpy()


def run_loggers(trainer: Trainer) -> list[RunLogger]:
    """The zoo's own loggers of a run; none in all processes but the first."""
    return [logger for logger in trainer.loggers if isinstance(logger, RunLogger)] if trainer.is_global_zero else []


def log_histogram(trainer: Trainer, name: str, values: Tensor) -> None:
    """For callbacks: sends the distribution of some values to each logger that can show one.

    Args:
        trainer: in its fit.
        name: such as `gradients/net.0.weight`.
        values: of any shape and on any device; nothing is copied if no logger is on.
    """
    for logger in run_loggers(trainer):
        logger.log_histogram(name, values, trainer.global_step)


def log_result(trainer: Trainer, record: dict[str, Any], figures: Path) -> None:
    """Sends what a finished run came to, and the pictures in its folder."""
    for logger in run_loggers(trainer):
        for path in sorted(figures.glob("*.png")):
            logger.log_picture(path.stem, path, trainer.global_step)
        logger.conclude(record)


@contextmanager
def close_loggers(trainer: Trainer) -> Iterator[None]:
    """Closes the logs of a run however it ends, and lets the end go on."""
    code = 1
    try:
        yield
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
        raise
    finally:
        for logger in run_loggers(trainer):
            logger.end(code)
