"""What a network says of the images of a test set, gathered while Lightning goes through them."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.runs.predictions import Predictions


class CollectPredictions(Callback):
    """Gathers indices (N,), labels (N,) and probabilities (N, K) over batches and devices, by index."""

    def __init__(self) -> None:
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        self.found = Predictions([], [], torch.empty(0, 0).numpy())

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
        of_all = probabilities[order].double().numpy()  # NumPy has no bfloat16
        self.found = Predictions(index[order].tolist(), label[order].tolist(), of_all)
