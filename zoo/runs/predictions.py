"""predictions.csv: what the network says of each image of the test set.

index,label,predicted,p_<class 0>,…,p_<class K-1>      label is empty where it is not known
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.runs.folder import whole_file


class CollectPredictions(Callback):
    """Gathers indices (N,), labels (N,) and probabilities (N, K) over batches and devices, by index."""

    def __init__(self) -> None:
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        self.index = self.label = torch.empty(0, dtype=torch.int64)
        self.probabilities = torch.empty(0, 0)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        _, y, index = batch
        self._parts.append((index.cpu(), y.cpu(), outputs.cpu()))

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parts = self._parts
        if trainer.world_size > 1:
            gathered: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, parts)
            parts = [part for device in gathered for part in device]
        index, label, probabilities = (torch.cat(column) for column in zip(*parts, strict=True))
        order = index.argsort()
        self.index, self.label, self.probabilities = index[order], label[order], probabilities[order]


def write_predictions(path: Path, collected: CollectPredictions, classes: Sequence[str]) -> None:
    """Writes one row per image; probabilities with six digits after the point."""
    path.parent.mkdir(parents=True, exist_ok=True)
    predicted = collected.probabilities.argmax(1).tolist()
    labels = ["" if label < 0 else label for label in collected.label.tolist()]
    with whole_file(path) as file:
        table = csv.writer(file)
        table.writerow(["index", "label", "predicted", *(f"p_{name}" for name in classes)])
        for i, label, guess, row in zip(
            collected.index.tolist(), labels, predicted, collected.probabilities.tolist(), strict=True
        ):
            table.writerow([i, label, guess, *(f"{p:.6f}" for p in row)])
