"""What does the network say of each test image, and how sure is it?

logits (B, K), labels (B,), indices (B,)  ->  Answers to all N images in their order, of several devices each once

Nothing is read back to the host before the end of the test.
"""

from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor


class Answers(NamedTuple):
    """What was said of some images.

    Attributes:
        image: which of the test set each is, (N,) int64.
        label: its class, (N,) int64.
        predicted: what the network took it for, (N,) int64.
        confidence: probability it gave to that, (N,) float32.
    """

    image: Tensor
    label: Tensor
    predicted: Tensor
    confidence: Tensor

    def mistakes(self, count: int) -> "Answers":
        """The `count` wrong ones of highest confidence, the surest first; ties by image."""
        wrong = (self.predicted != self.label).nonzero().flatten()
        order = wrong[self.image[wrong].argsort()]
        order = order[self.confidence[order].argsort(descending=True, stable=True)]
        return Answers(*(column[order[:count]] for column in self))


class CollectAnswers(Callback):
    """Keeps the answers of the last test; None if there was none."""

    def __init__(self) -> None:
        self.answers: Answers | None = None
        self._parts: list[tuple[Tensor, ...]] = []

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._parts = []

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        _, y, index = batch
        confidence, predicted = outputs.float().softmax(1).max(1)
        self._parts.append((index, y, predicted, confidence))

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        columns = [torch.cat(column).cpu() for column in zip(*self._parts, strict=True)]
        if trainer.world_size > 1:
            others: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(others, columns)
            columns = [torch.cat(column) for column in zip(*filter(None, others), strict=True)]
        self._parts = []
        if columns:
            order = columns[0].argsort()
            self.answers = Answers(*(column[order] for column in columns))
