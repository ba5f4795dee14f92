"""What is the average of weights before there is one? The weights themselves.

Lightning's callbacks score, save and test their averaged model from the first validation on. With
`update_starting_at_step` it holds the initial weights until then: a short run would end with those.
"""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging


class FirstAverage(Callback):
    """Comes before the callbacks that average weights, and gives each that has not begun the present weights.

    Its first update copies the weights anyway, so nothing that follows is changed.
    """

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        follow(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        follow(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        follow(trainer, pl_module)


@torch.no_grad()
def follow(trainer: Trainer, model: LightningModule) -> None:
    """Copies weights and buffers of a model into the averages of nothing."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        average = callback._average_model if isinstance(callback, WeightAveraging) else None
        if average is None or average.n_averaged.item():
            continue
        for mine, present in zip(average.module.state_dict().values(), model.state_dict().values(), strict=True):
            mine.copy_(present)
