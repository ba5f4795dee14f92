"""What does dropout draw in this step? A function of (seed, epoch, step, device): a resumed run draws the same."""

from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer

PURPOSE = 4  # keeps these draws apart from those of the data, which use the small numbers before it


def step_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """63 bits that name the draws of one training step on one device."""
    state = np.random.SeedSequence((seed, PURPOSE, epoch, step, rank)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


class StepRandomness(Callback):
    """Seeds torch's generators before each training step.

    Only the generators that the step can draw from: `torch.manual_seed` would reseed every device of the machine and,
    where there is none, queue that wish with a stack trace, at more cost than the step of a small network.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        seed = step_seed(self.seed, trainer.current_epoch, batch_idx, trainer.global_rank)
        torch.default_generator.manual_seed(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.default_generators[pl_module.device.index].manual_seed(seed)
