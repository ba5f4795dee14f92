"""What does dropout draw in this step? A function of (seed, epoch, step, device): a resumed run draws the same."""

from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

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
        self._seeds: list[int] = []  # of the running block
        self._generators: list[torch.Generator] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seeds = []
        self._generators = [torch.default_generator]
        if pl_module.device.type == "cuda":
            self._generators.append(torch.cuda.default_generators[pl_module.device.index])

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        block, place = divmod(batch_idx, BLOCK)
        if place == 0 or not self._seeds:  # asking Lightning at every step costs ten times as much as the seeding
            self._seeds = step_seeds(self.seed, trainer.current_epoch, block, trainer.global_rank)
        for generator in self._generators:
            generator.manual_seed(self._seeds[place])


class SameDraws:
    """Lets all evaluations of a batch draw the same dropout: LBFGS makes several in a step, and compares them."""

    def __init__(self) -> None:
        self._states: list[Tensor] = []  # of the generators before the first evaluation

    def begin(self, device: torch.device, *, first: bool) -> None:
        """Is called before each evaluation.

        Args:
            device: the network's.
            first: whether it is the first of its batch.
        """
        if first:
            self._states = [torch.get_rng_state()]
            if device.type == "cuda":
                self._states.append(torch.cuda.get_rng_state(device))
            return
        torch.set_rng_state(self._states[0])
        if device.type == "cuda":
            torch.cuda.set_rng_state(self._states[1], device)
