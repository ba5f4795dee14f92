"""Pruning that survives choosing and going on: Lightning's prunes after the validation, and forgets what it has pruned.

epoch 1, validation, prune, epoch 2, validation, prune, …   only from the second validation on there are candidates
"""

from typing import Any, Self

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelPruning
from torch import Tensor, nn
from torch.nn.utils import prune

from zoo.training.callbacks.named_callbacks import options_of


class KeptPruning(ModelPruning):
    """Lightning's ModelPruning, whose masks are in checkpoints, and which says when the network is pruned."""

    masks: dict[str, Tensor]  # of each pruned parameter, true where it stays

    @classmethod
    def of(cls, pruning: ModelPruning) -> Self:
        """The same pruning, kept."""
        kept = cls.__new__(cls)
        kept.__dict__.update(pruning.__dict__)
        kept.masks = {}
        return kept

    @property
    def is_candidate(self) -> bool:
        """Whether the network of this moment is one that was asked for: a pruned one, if there are to be any."""
        return bool(self.masks) or not options_of(self)["apply_pruning"] or not self.amount

    def apply_pruning(self, amount: int | float) -> None:
        super().apply_pruning(amount)
        self.masks = {
            name: getattr(module, f"{which}_mask").bool().cpu()
            for name, (module, which) in self._places.items()
            if hasattr(module, f"{which}_mask")
        }

    def apply_lottery_ticket_hypothesis(self) -> None:
        super().apply_lottery_ticket_hypothesis()
        # Lightning's lends the memory of the first weights to those that are trained: it can go back to them only once
        for module, which in self._places.values():
            weight = getattr(module, f"{which}_orig", getattr(module, which))
            weight.data = weight.data.clone()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        # a negative weight times 0 is -0.0, and 0.0 once it has been restored: the file would be another
        held = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: value + 0.0 if name in self.masks else value for name, value in held.items()}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._names = {module: name for name, module in pl_module.named_modules()}
        super().setup(trainer, pl_module, stage)

    def filter_parameters_to_prune(self, parameters_to_prune: Any = ()) -> Any:
        """All that are to be pruned, which are noted by their names."""
        self._places = {f"{self._names[module]}.{which}": (module, which) for module, which in parameters_to_prune}
        return parameters_to_prune

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # the optimiser knows the parameters by now: a pruned one stands at another place among them
        for name, mask in self.masks.items():
            module, which = self._places.get(name, (None, ""))
            weight = getattr(module, which, None)
            if not isinstance(weight, nn.Parameter) or weight.shape != mask.shape:
                raise ValueError(
                    f"masks in the checkpoint: expected those of this network, found one of {name[:60]!r}"
                    f" {tuple(mask.shape)}. Try: the command that the run was made with"
                )
            prune.custom_from_mask(module, which, mask.to(weight.device, weight.dtype))

    def state_dict(self) -> dict[str, Any]:
        return {"masks": self.masks}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        masks = state_dict["masks"]
        if not all(isinstance(mask, Tensor) and mask.dtype is torch.bool for mask in masks.values()):
            raise ValueError("masks in the checkpoint: expected true and false, found others. Try: a new run")
        self.masks = masks


def share_of_zeros(model: nn.Module) -> float:
    """Which share of the parameters of a network is 0."""
    parameters = list(model.parameters())
    return sum(int((weight == 0).sum()) for weight in parameters) / sum(weight.numel() for weight in parameters)
