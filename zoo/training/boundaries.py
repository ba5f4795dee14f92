"""Where in its epoch does a training stand? Asked between the end of a batch's step and what Lightning does next.

    batch 4 of 10, windows of 4 batches  ->  not the last batch; a step is made; no validation is due

Lightning decides the same by functions of its own inside its loops. These do it by what the trainer shows of its
progress and its limits, and a test holds them against Lightning's.
"""

import math
from typing import Any

from lightning import Trainer


def is_last_batch(trainer: Trainer) -> bool:
    """Whether the running batch is the last of its epoch."""
    progress: Any = trainer.fit_loop.epoch_loop.batch_progress
    return bool(progress.is_last_batch) or progress.current.ready == trainer.num_training_batches


def accumulates(trainer: Trainer) -> bool:
    """Whether the running batch only adds to the gradients: its step comes with a later one."""
    progress: Any = trainer.fit_loop.epoch_loop.batch_progress
    if progress.current.ready % trainer.accumulate_grad_batches == 0:
        return False
    return trainer.strategy.handles_gradient_accumulation or not is_last_batch(trainer)


def may_stop(trainer: Trainer) -> bool:
    """Whether the least that was asked for, --trainer.min_epochs and --trainer.min_steps, is done."""
    loop = trainer.fit_loop
    epochs: Any = loop.epoch_progress.current
    return epochs.processed >= (loop.min_epochs or 0) and trainer.global_step >= (loop.min_steps or 0)


def validates_next(trainer: Trainer) -> bool:
    """Whether a validation follows the running batch.

    One that comes by the clock, such as --trainer.val_check_interval 00:05:00, is not foreseen.
    """
    every = trainer.check_val_every_n_epoch
    if not trainer.enable_validation or (every is not None and (trainer.current_epoch + 1) % every):
        return False
    if trainer.should_stop and may_stop(trainer):
        return True
    progress: Any = trainer.fit_loop.epoch_loop.batch_progress
    interval = trainer.val_check_batch
    if interval is None:  # by the clock
        return False
    if interval == math.inf:  # nobody knows how long an epoch is
        limit = trainer.limit_train_batches
        ends = isinstance(limit, int) and limit > 0 and progress.current.ready % limit == 0
        return bool(progress.is_last_batch) or ends
    batches = progress.total.ready if every is None else progress.current.ready
    return batches % interval == 0
