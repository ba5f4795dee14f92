"""Steps of several batches: how many there are, what the last one of an epoch is divided by, and who cannot make them.

    10 batches, --trainer.accumulate_grad_batches 4  ->  windows of 4, 4 and 2 batches, each the mean over its own

Lightning divides each batch's loss by 4, in the window of 2 as well: its step is half as long as it should be. That is
Lightning's own fault, in any project; the zoo's classifiers make up for it.
"""

import math

from lightning import Trainer
from lightning.pytorch.callbacks import Callback, GradientAccumulationScheduler
from torch.optim import LBFGS, Optimizer

from zoo.errors import UsageError


def scheduler_of(trainer: Trainer) -> GradientAccumulationScheduler | None:
    """The callback that changes the length of the windows from epoch to epoch, if there is one."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback for callback in callbacks if isinstance(callback, GradientAccumulationScheduler)), None)


def short_window(trainer: Trainer) -> tuple[float, float]:
    """The batch of this epoch with which its last window begins, if that is shorter, and what its losses lack.

    Returns:
        The number of the batch, infinite if all windows are full, and the factor.
    """
    batches, window = trainer.num_training_batches, trainer.accumulate_grad_batches
    rest = int(batches) % window if window > 1 and batches != math.inf else 0
    return (batches - rest, window / rest) if rest else (math.inf, 1.0)


def start_windows(trainer: Trainer) -> None:
    """Sets the window of the epoch that begins or goes on; raises UsageError if one is longer than an epoch."""
    scheduler, batches = scheduler_of(trainer), trainer.num_training_batches
    if scheduler:  # which Lightning does not ask where it goes on in mid-epoch
        trainer.accumulate_grad_batches = scheduler.get_accumulate_grad_batches(trainer.current_epoch)
    longest = max(scheduler.scheduling.values()) if scheduler else trainer.accumulate_grad_batches
    if longest > batches > 0:
        flag = "--trainer.callbacks.scheduling" if scheduler else "--trainer.accumulate_grad_batches"
        raise UsageError(
            f"batches of a step in {flag}: expected at most the {int(batches)} of an epoch, found {longest}."
            f" Try: {batches if scheduler else f'{flag} {int(batches)}'}, or a smaller --data.batch_size"
        )


def steps_of(trainer: Trainer) -> float:
    """Steps of the whole training, over which a schedule is laid out; raises ValueError if it has no end.

    As Lightning's, but it counts changing windows too.
    """
    total, scheduler = trainer.estimated_stepping_batches, scheduler_of(trainer)
    batches, epochs = trainer.num_training_batches, trainer.max_epochs
    if scheduler and epochs is not None and epochs >= 0 and batches != math.inf:
        steps = sum(math.ceil(batches / scheduler.get_accumulate_grad_batches(epoch)) for epoch in range(epochs))
        total = min(steps, trainer.max_steps) if trainer.max_steps >= 0 else steps
    if total == math.inf:
        raise ValueError(
            "end of training in --trainer.max_epochs: expected a number for the schedule to reach its end, found none."
            " Try: --trainer.max_epochs 10"
        )
    return total


def check_closure(optimizer: Optimizer, trainer: Trainer) -> None:
    """Raises UsageError if an optimiser evaluates batches several times in a step, and something counts on one."""
    if not isinstance(optimizer, LBFGS):
        return
    window, limit = trainer.accumulate_grad_batches, trainer.gradient_clip_val
    if scheduler_of(trainer) or window > 1:
        found = "GradientAccumulationScheduler" if scheduler_of(trainer) else window
        raise UsageError(
            "batches of a step in --trainer.accumulate_grad_batches: expected 1 with LBFGS, which evaluates a batch"
            f" again and again and would add its gradients up, found {found}."
            " Try: --trainer.accumulate_grad_batches 1, and a larger --data.batch_size"
        )
    if limit:
        raise UsageError(
            "length of gradients in --trainer.gradient_clip_val: expected none with LBFGS, which needs them as they"
            f" are, found {limit}. Try: --trainer.gradient_clip_val null"
        )
