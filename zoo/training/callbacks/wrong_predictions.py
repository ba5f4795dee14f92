"""Which images is the network most sure of, and wrong about?

probabilities (B, K), labels (B,), indices (B,)  ->  the `count` wrong predictions of highest probability
"""

from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor


class Mistakes(NamedTuple):
    """Wrong predictions, the most confident first.

    Attributes:
        image: which image of the test set, (M,) int64.
        label: its class, (M,) int64.
        predicted: what the network took it for, (M,) int64.
        confidence: probability it gave to that, (M,) float32.
    """

    image: Tensor
    label: Tensor
    predicted: Tensor
    confidence: Tensor


def most_confident(mistakes: Mistakes, count: int) -> Mistakes:
    """The `count` of highest confidence; ties by index, so that the order is always the same."""
    order = sorted(range(len(mistakes.image)), key=lambda i: (-mistakes.confidence[i].item(), mistakes.image[i].item()))
    chosen = torch.tensor(order[:count], dtype=torch.int64)
    return Mistakes(*(column[chosen] for column in mistakes))


def find_mistakes(probabilities: Tensor, y: Tensor, index: Tensor) -> Mistakes:
    """The wrong ones of a batch: probabilities (B, K), y (B,), index (B,)."""
    confidence, predicted = probabilities.max(1)
    wrong = predicted != y
    return Mistakes(*(column[wrong].cpu() for column in (index, y, predicted, confidence)))


class CollectMistakes(Callback):
    """Keeps the most confident mistakes of the test.

    Args:
        count: how many are kept.
    """

    def __init__(self, count: int = 36) -> None:
        self.count = count
        self.mistakes: Mistakes | None = None

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
        self._keep(find_mistakes(outputs.float().softmax(1), y, index))

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.world_size > 1:
            others: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(others, tuple(self.mistakes or ()))
            self.mistakes = None
            for part in others:
                if part:
                    self._keep(Mistakes(*part))

    def _keep(self, found: Mistakes) -> None:
        if self.mistakes is not None:
            found = Mistakes(*(torch.cat(pair) for pair in zip(self.mistakes, found, strict=True)))
        self.mistakes = most_confident(found, self.count)
