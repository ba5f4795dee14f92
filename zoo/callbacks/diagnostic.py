"""What the diagnostics have in common: when they look, what they call a layer, and where their numbers go.

    a number per layer -> diagnostics.csv;  the least and the largest of an epoch's last ones -> metrics.csv and loggers

A diagnostic changes nothing in the run that it watches: it draws no random numbers, and leaves weights, gradients,
statistics and modes as they are. On several devices each of them measures the same.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from zoo.runs.diagnostics import DiagnosticsFile, Reading
from zoo.training.boundaries import is_last_batch


class Diagnostic(Callback):
    """Measures something at the start of a training and once in each epoch.

    Args:
        every_n_steps: also each so many updates of the weights; 0 for no more than that.
    """

    quantities: tuple[str, ...] = ()  # what it measures
    looks_at_ends = True  # of a training in mid-epoch, too

    def __init__(self, every_n_steps: int = 0) -> None:
        if every_n_steps < 0:
            raise ValueError(
                f"steps in --trainer.callbacks.every_n_steps: expected at least 0, found {every_n_steps}."
                " Try: 0, for once an epoch"
            )
        self.every_n_steps = every_n_steps
        self.file = DiagnosticsFile()  # the command puts the one in the run's folder here

    def falls_on(self, step: int) -> bool:
        """Whether `every_n_steps` wants this one."""
        return self.every_n_steps > 0 and step % self.every_n_steps == 0

    def take_back(self, epoch: int) -> None:
        """Forgets what was measured only because the training ended in the middle of this epoch: it goes on."""
        if self.looks_at_ends:
            self.file.take_back(epoch, self.quantities, lambda step: step == 0 or self.falls_on(step))

    def note(self, trainer: Trainer, quantity: str, values: Mapping[str, float], step: int | None = None) -> None:
        """Takes what was measured.

        Args:
            trainer: in its fit.
            quantity: such as `gradient_norm`.
            values: one for each layer, from input to output; of the whole network under the empty name.
            step: updates before the measurement; by default those so far.
        """
        assert quantity in self.quantities
        step, epoch = trainer.global_step if step is None else step, trainer.current_epoch
        self.file.add(Reading(step, epoch, layer, quantity, value) for layer, value in values.items())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # from the file: where a run was stopped between the last step and here, the one that goes on has it from there
        for quantity in self.quantities:
            values = self.file.last_of(quantity, trainer.current_epoch)
            for name, value in extremes(quantity, values).items():
                pl_module.log(name, value)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self.file.write()  # first, so that no run goes on from a checkpoint that is ahead of the file

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.file.write()


class StepDiagnostic(Diagnostic):
    """Measures an update of the weights: the first one of all, and the last one of each epoch.

    Args:
        every_n_steps: also each so many updates; 0 for no more.
    """

    def is_due(self, trainer: Trainer) -> bool:
        """Whether the update that is about to be made is to be measured."""
        step = trainer.global_step
        last = is_last_batch(trainer) or step + 1 == trainer.max_steps
        return step == 0 or last or self.falls_on(step)


def extremes(quantity: str, values: Mapping[str, float]) -> dict[str, float]:
    """What metrics.csv gets of a quantity: the least and the largest of the layers, or the network's one number."""
    if "" in values:
        return {quantity: values[""]}
    numbers = list(values.values())  # numpy's extremes are nan where one of them is
    return {f"{quantity}/min": float(np.min(numbers)), f"{quantity}/max": float(np.max(numbers))} if numbers else {}


def learned_weights(net: nn.Module) -> dict[str, nn.Parameter]:
    """Matrices and kernels of a network that are learned, in order, by their layers: `net.1`."""
    return {
        name.removesuffix(".weight"): parameter
        for name, parameter in net.named_parameters()
        if parameter.ndim > 1 and parameter.requires_grad
    }


def learned_biases(net: nn.Module) -> dict[str, nn.Parameter]:
    """Biases of the layers that have weights, by the same names."""
    parameters = dict(net.named_parameters())
    names = [name for name in learned_weights(net) if f"{name}.bias" in parameters]
    return {name: parameters[f"{name}.bias"] for name in names if parameters[f"{name}.bias"].requires_grad}


def norms(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """Euclidean length of each tensor, taken as one vector: √Σ t²."""
    if not tensors:
        return {}
    lengths = torch.stack([tensor.detach().float().norm() for tensor in tensors.values()]).tolist()
    return dict(zip(tensors, lengths, strict=True))
