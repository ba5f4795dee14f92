"""How large are the updates against the weights?

    weight_norm = |W|,  update_ratio = |W' - W| / |W|   where W' are a layer's weights after the update

For plain gradient descent the second is lr · |gradient| / |W|. Whatever the optimiser, about 0.001 means that a weight
is made anew in a thousand updates; far below nothing is learned, far above little of what was learned stays.
"""

from collections.abc import Mapping
from typing import Any

from lightning import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from zoo.callbacks.diagnostic import StepDiagnostic, learned_weights, norms
from zoo.loggers import log_histogram


def update_ratios(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, float]:
    """Length of each tensor's change against its length before; 0 without a change, infinite if it was zero before."""
    changes = norms({name: after[name] - old for name, old in before.items()})
    lengths = norms(before)
    return {
        name: 0.0 if change == 0 else change / lengths[name] if lengths[name] else float("inf")
        for name, change in changes.items()
    }


class UpdateRatios(StepDiagnostic):
    """Measures weights and their change in the first update and the last of each epoch.

    The change is what the optimiser really did, with momentum, weight decay, schedule and clipping in it. Dashboards
    that are on get histograms of the weights too.

    Args:
        every_n_steps: also in each so many updates; 0 for no more.
    """

    quantities = ("weight_norm", "update_ratio")

    def __init__(self, every_n_steps: int = 0) -> None:
        super().__init__(every_n_steps)
        self._before: dict[str, Tensor] = {}  # a copy of the weights, while an update is measured
        self._step = 0

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        if self.is_due(trainer):
            weights = learned_weights(pl_module)
            self._before = {name: weight.detach().clone() for name, weight in weights.items()}
            self._step = trainer.global_step
            for layer, weight in self._before.items():
                log_histogram(trainer, f"weights/{layer}", weight)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not self._before:
            return
        after = {name: weight.detach() for name, weight in learned_weights(pl_module).items()}
        self.note(trainer, "weight_norm", norms(self._before), self._step)
        self.note(trainer, "update_ratio", update_ratios(self._before, after), self._step)
        self._before = {}
