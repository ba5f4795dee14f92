"""What is the average of weights before there is one, or of those that are frozen? The weights themselves.

Lightning's callbacks score, save and test their averaged model from the first validation on. With
`update_starting_at_step` that model holds the initial weights until then: a short run would end with those.
"""

import math
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging, WeightAveraging
from torch.optim.swa_utils import AveragedModel

from zoo.errors import warn
from zoo.training.freezing import FreezableModule


class FirstAverage(Callback):
    """Comes before the callbacks that average weights, and gives each that has not begun the present weights.

    Its first update copies the weights anyway, so nothing that follows is changed. Those of a frozen body are given to
    all of them: an average of equal numbers is not always that number.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, EMAWeightAveraging):
                steps = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
                warn(from_the_first_step(callback, steps))

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        copy_into_averages(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        copy_into_averages(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        copy_into_averages(trainer, pl_module)


@torch.no_grad()
def copy_into_averages(trainer: Trainer, model: LightningModule) -> None:
    """Copies weights and buffers of a model into the averages of nothing, and frozen ones into all."""
    frozen = model.frozen_names() if isinstance(model, FreezableModule) else set()
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        average = average_of(callback) if isinstance(callback, WeightAveraging) else None
        begun = average is not None and average.n_averaged.item()
        if average is None or (begun and not frozen):
            continue
        held = average.module.state_dict()
        for name, present in model.state_dict().items():
            if not begun or name in frozen:
                held[name].copy_(present)


def average_of(callback: WeightAveraging) -> AveragedModel | None:
    """The model that a callback averages into: by its type, as its name is Lightning's own; None before a training."""
    return next((held for held in vars(callback).values() if isinstance(held, AveragedModel)), None)


def from_the_first_step(average: EMAWeightAveraging, steps: int) -> str | None:
    """The message for an average that does not wait for the epoch it is given: Lightning's steps have their own start.

    Args:
        average: the callback.
        steps: those of an epoch.
    """
    epoch = average.update_starting_at_epoch
    if epoch is None or average.update_starting_at_step is not None or not average.update_every_n_steps:
        return None
    flag = "--trainer.callbacks.update"
    return (
        f"{flag}_starting_at_epoch {epoch} alone holds back the averaging after epochs, not that after steps: weights"
        f" are averaged from the first step on. Try: {flag}_starting_at_step {epoch * steps}, or"
        f" {flag}_every_n_steps 0 to average after epochs only"
    )
