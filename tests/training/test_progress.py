"""Protects the lines of a training as it goes on: columns that stay in place, and what an epoch is said to be."""

from argparse import Namespace
from typing import Any

import pytest

from zoo.training.callbacks.progress import EpochLines, left_over


def epoch_line(epoch: int, max_epochs: int, accuracy: float) -> str:
    metrics = {f"{split}/{name}": value for split in ("train", "val") for name, value in (
        ("loss", 0.1), ("accuracy", accuracy))}  # fmt: skip
    trainer: Any = Namespace(callback_metrics=metrics, max_epochs=max_epochs)
    return EpochLines()._line(trainer, epoch)


@pytest.mark.parametrize("max_epochs", [-1, 1000])
def test_columns_stay_where_they_are(max_epochs: int) -> None:
    lines = [epoch_line(epoch, max_epochs, accuracy) for epoch in (1, 100, 1000) for accuracy in (0.0912, 0.5, 1.0)]
    for column in ("train", "val", "0.0 s"):
        assert len({line.index(column) for line in lines}) == 1, column


@pytest.mark.parametrize(
    ("images", "batch", "limits", "line"),
    [
        (300, 128, {}, "256 of 300 images train in an epoch (in batches of 128; 44 are left out, others each time)"),
        (108, 108, {}, "all 108 images train in one batch: an epoch is one step (--data.batch_size sets another)"),
        (256, 128, {}, None),
        (300, 128, {"limit_train_batches": 1}, None),  # one batch, as in --trainer.fast_dev_run
        (300, 128, {"limit_train_batches": 0.5}, None),
        (300, 128, {"overfit_batches": 1}, None),
    ],
)
def test_what_an_epoch_is(images: int, batch: int, limits: dict[str, Any], line: str | None) -> None:
    data = Namespace(splits={"train": range(images)}, batch_size=batch)
    trainer: Any = Namespace(datamodule=data, **{"limit_train_batches": 1.0, "overfit_batches": 0, **limits})
    assert left_over(trainer) == line
