"""What does dropout draw in this step? A function of (seed, epoch, step, device): a resumed run draws the same."""

from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer

BLOCK = 1024  # steps whose seeds are derived at once
PURPOSE = 4  # keeps these draws apart from those of the data, which use the small numbers before it


def step_seeds(seed: int, epoch: int, block: int, rank: int) -> list[int]:
    """Seeds of the steps `block * BLOCK` and following of an epoch on one device, 32 bits each."""
    return np.random.SeedSequence((seed, PURPOSE, epoch, block, rank)).generate_state(BLOCK).tolist()


class StepRandomness(Callback):
    """Seeds torch's generators before each training step.

    Only the generators that the step can draw from: `torch.manual_seed` would reseed every device of the machine and,
    where there is none, queue that wish with a stack trace, at more cost than the step of a small network.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._block: tuple[int, int] | None = None  # epoch and block that the seeds belong to
        self._seeds: list[int] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        block = trainer.current_epoch, batch_idx // BLOCK
        if block != self._block:
            self._block, self._seeds = block, step_seeds(self.seed, *block, trainer.global_rank)
        seed = self._seeds[batch_idx % BLOCK]
        torch.default_generator.manual_seed(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.default_generators[pl_module.device.index].manual_seed(seed)
