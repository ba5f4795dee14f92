"""Where does the run stand? `last.ckpt`: after the first step and each epoch, every so many seconds, when told to stop.

A run goes on from it as if nothing had happened, bit for bit. That needs a boundary: the end of an optimiser's step
with no validation due, the end of an epoch, or the start of a validation, which is then run anew. A signal sets a flag
(`zoo/runs/signals.py`) that is asked for at each boundary. Several processes agree on it every few batches, because all
of them must save, and leave, at the same one.
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, WeightAveraging

from zoo.runs.signals import StopSignals, exit_code

AGREE_EVERY = 8  # batches between two agreements of the processes; one costs about as much as a tiny step
SAVE = 1  # an answer to "what is to be done?", like 0 for nothing and a signal's number for saving and leaving
# progress of a validation of which nothing is done: Lightning then runs it, and does not take it for finished
BEGUN = {"ready": 1, "started": 1, "processed": 0, "completed": 0}


class KeepLast(Checkpoint):
    """Keeps `last.ckpt` up to date and leaves the process when it is told to.

    Args:
        path: the file.
        every: seconds after which a save is due; epochs' ends are saved in any case.
        signals: those of the command.
    """

    def __init__(self, path: Path, every: float, signals: StopSignals) -> None:
        self.path, self.every, self.signals = path, every, signals
        self._saved = 0.0  # when, by the monotonic clock
        self._batches = 0
        self._wanted = 0  # what all processes have agreed to do at the next boundary
        self._epoch_is_over = False
        self._group: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.signals.deferred = True
        self._saved = time.monotonic()
        if trainer.world_size > 1:
            # a group of its own on the CPU: asking does not wait for a GPU. Lightning asks before every batch for the
            # one signal that it knows; not needed any more
            self._group = torch.distributed.new_group(backend="gloo")
            trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
        if trainer.global_step == 0:  # the first save is due after the first step: before it, a run has not begun
            self._saved, self._wanted = -math.inf, SAVE

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._ask(trainer)
        loop = trainer.fit_loop.epoch_loop
        fetcher = trainer.fit_loop._data_fetcher
        assert fetcher is not None
        if not self._wanted or loop._should_accumulate():  # gradients in the making are in no checkpoint
            return
        if loop._num_ready_batches_reached() or loop._should_check_val_fx(fetcher):
            return  # a better boundary follows at once: the epoch's end or a validation
        self._save(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        self._ask(trainer)
        if self._wanted <= SAVE:
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging):  # takes its average out of the model again
                callback.on_validation_epoch_end(trainer, pl_module)
        progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
        progress.load_state_dict({"total": BEGUN, "current": BEGUN, "is_last_batch": False})
        self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._ask(trainer, now=True)
        self._epoch_is_over = True
        trainer.save_checkpoint(self.path)
        self._epoch_is_over = False
        self._saved = time.monotonic()

    # the loggers get an epoch's results between the hook above and the next of these two

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._leave_if_asked(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.signals.deferred = False
        self._wanted = self._wanted or self.signals.received
        self._leave_if_asked(trainer)
        self._group = None  # its threads end with the last that holds it, see `leave_group`

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.global_step == 0:  # Lightning would take a start for the end of an epoch
            checkpoint.pop("loops", None)
        if self._epoch_is_over:  # a run that is killed before its loggers have them finds the results here
            row = {name: float(value) for name, value in trainer.callback_metrics.items()}
            step = trainer.fit_loop.epoch_loop._batches_that_stepped - 1
            checkpoint["row"] = {"step": step, "epoch": trainer.current_epoch, **row}

    def _ask(self, trainer: Trainer, *, now: bool = False) -> None:
        """Finds out what is to be done at the next boundary, the same on all processes."""
        wanted = self.signals.received or (SAVE if time.monotonic() - self._saved >= self.every else 0)
        if trainer.world_size == 1:
            self._wanted = wanted
            return
        self._batches += 1
        if now or self._batches % AGREE_EVERY == 0:
            answers = torch.tensor([max(wanted, self._wanted)])
            torch.distributed.all_reduce(answers, torch.distributed.ReduceOp.MAX, group=self._group)
            self._wanted = int(answers.item())

    def _save(self, trainer: Trainer) -> None:
        """Saves, and leaves the process if that was asked for."""
        trainer.save_checkpoint(self.path)
        self._saved = time.monotonic()
        self._leave_if_asked(trainer)

    def _leave_if_asked(self, trainer: Trainer) -> None:
        wanted, self._wanted = self._wanted, 0
        if wanted <= SAVE:
            return
        if trainer.is_global_zero:
            where = f"in epoch {trainer.current_epoch + 1} after step {trainer.global_step}"
            command = f"python cli.py fit --resume must --run_dir '{self.path.parent.parent}'"
            print(f"stopped {where}; to go on: {command}", file=sys.stderr)
        self._group = None
        sys.exit(exit_code(wanted))
