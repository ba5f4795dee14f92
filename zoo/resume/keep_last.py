"""Where does the run stand? `last.ckpt`: after the first step and each epoch, every so many seconds, when told to stop.

A run goes on from it as if nothing had happened, bit for bit. That needs a boundary: the end of an optimiser's step
with no validation due, the end of an epoch, or the start of a validation, which is then run anew. A signal sets a flag
(`zoo/resume/signals.py`) that is asked for at each boundary. Several processes agree on it every few batches, because
all of them must save, and leave, at the same one.

Where training ends in the middle of an epoch, the end of an epoch that follows is none of the run's, should it go on:
what is saved then is the boundary before, with `ending` beside it.
"""

import copy
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, WeightAveraging

from zoo.resume.consensus import SAVE, Consensus
from zoo.resume.endings import SavedStop, at_its_end, callbacks_of, ending_of, who_stopped
from zoo.resume.signals import StopSignals, exit_code
from zoo.resume.snapshot import as_begun, content_of, loops_of, states_of
from zoo.training.boundaries import accumulates, is_last_batch, validates_next
from zoo.training.lightning_compat import logged_now


class KeepLast(Checkpoint):
    """Keeps `last.ckpt` up to date and leaves the process when it is told to.

    Args:
        path: the file.
        every: seconds after which a save is due; epochs' ends are saved in any case.
        signals: those of the command.
        configured: the callbacks of the run, in words: with others a stop that one of them asked for need not hold.
        timeout: how long several processes wait for each other; None for as long as torch has it.
    """

    def __init__(
        self,
        path: Path,
        every: float,
        signals: StopSignals,
        configured: str = "",
        timeout: timedelta | None = None,
    ) -> None:
        self.path, self.configured = path, configured
        self.consensus = Consensus(every, signals, timeout)
        self._extra: dict[str, Any] = {}  # what an epoch's end adds to the checkpoint
        self._max_steps = -1
        self._saved_stop = SavedStop()
        self._postponed = False  # a stop that has to wait for the last batches of a step
        self._before: dict[str, Any] | None = None  # how things stood before the validation that is running
        self._held: dict[str, Any] | None = None  # the checkpoint of the last boundary, of a training that ends there
        self._validated_batches: int | float | None = None  # --trainer.limit_val_batches, where it is 0 for a moment
        self._validation: tuple[int, dict[str, float]] = (-1, {})  # the last one: steps before it, what it has logged

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._saved_stop.remember_patience(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._saved_stop.load(checkpoint)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved_stop.take_up(trainer)
        self._max_steps = trainer.max_steps
        self.consensus.begin(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.consensus.ask(trainer)
        last = self._postponed or trainer.should_stop or 0 < self._max_steps <= trainer.global_step
        if last and self._ends_here(trainer):
            return
        if not self.consensus.wanted or accumulates(trainer):  # gradients in the making are in no checkpoint
            return
        if is_last_batch(trainer) or validates_next(trainer):
            return  # a better boundary follows at once: the epoch's end or a validation
        self._save(trainer)

    def _ends_here(self, trainer: Trainer) -> bool:
        """Whether training ends after this batch; then no other save is due."""
        if accumulates(trainer):  # the step comes first: its gradients are in no checkpoint
            self._postponed, trainer.should_stop = self._postponed or trainer.should_stop, False
            return False
        trainer.should_stop, self._postponed = trainer.should_stop or self._postponed, False
        if not at_its_end(trainer):
            return False
        if is_last_batch(trainer):  # of the epoch, too
            return True
        # a training that is told to stop would validate now; the command does that, where it can be undone
        stop, trainer.should_stop = trainer.should_stop, False
        if not validates_next(trainer):
            self._hold(trainer)
            self._validated_batches, trainer.limit_val_batches = trainer.limit_val_batches, 0
        trainer.should_stop = stop
        return True

    def _hold(self, trainer: Trainer) -> None:
        """Remembers the checkpoint of this boundary."""
        content = content_of(trainer)
        self._held = copy.deepcopy({**content, **(self._before or {})})

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._before = None
        if not self._validates(trainer) or is_last_batch(trainer):
            return
        # the validation may end the training: one that goes on begins it anew
        loops = loops_of(trainer)
        loops["fit_loop"]["epoch_loop.val_loop.batch_progress"] = as_begun()
        self._before = {"loops": loops, "callbacks": copy.deepcopy(states_of(callbacks_of(trainer)))}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._validates(trainer):
            return
        self._validation = trainer.global_step, as_floats(logged_now(trainer))
        if self._before and at_its_end(trainer):
            self._hold(trainer)
        self._before = None

    @staticmethod
    def _validates(trainer: Trainer) -> bool:
        """Whether this is a validation of the training."""
        return trainer.state.fn == "fit" and not trainer.sanity_checking

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not self._validates(trainer):
            return
        self.consensus.ask(trainer)
        if self.consensus.wanted <= SAVE or at_its_end(trainer):  # Lightning would not go on with the last one of all
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging):  # takes its average out of the model again
                callback.on_validation_epoch_end(trainer, pl_module)
        progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
        progress.load_state_dict(as_begun())
        self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.consensus.ask(trainer, now=True)
        ending, row = ending_of(trainer, self.path.name), self._row(trainer)
        if self._held is not None and ending:
            content = {**self._held, "ending": {**ending, "row": row}}
            trainer.strategy.save_checkpoint(content, self.path)
            trainer.strategy.barrier("KeepLast")
        else:
            self._extra = {"row": row, **({"ending": {**ending, "row": None}} if ending else {})}
            trainer.save_checkpoint(self.path)
            self._extra = {}
        self._held = None
        if self._validated_batches is not None:
            trainer.limit_val_batches, self._validated_batches = self._validated_batches, None
        self.consensus.saved()

    def _row(self, trainer: Trainer) -> dict[str, float]:
        """What the loggers will get of this epoch: a run that is killed before they have it finds it in last.ckpt."""
        step, validated = self._validation
        row = as_floats(logged_now(trainer))
        if step == trainer.global_step:
            row = {**validated, **row}
        stepped = trainer.fit_loop.epoch_loop.on_save_checkpoint()["_batches_that_stepped"]
        return {"step": stepped - 1, "epoch": trainer.current_epoch, **row}

    # the loggers get an epoch's results between the hook above and the next of these two

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._leave_if_asked(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.consensus.end()
        self._leave_if_asked(trainer)
        self.consensus.leave()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.global_step == 0:  # Lightning would take a start for the end of an epoch
            checkpoint.pop("loops", None)
        checkpoint.update(self._extra)
        if trainer.should_stop and "ending" not in checkpoint:  # not yet, as Lightning has --trainer.min_epochs
            checkpoint["stop"] = who_stopped(trainer)

    def _save(self, trainer: Trainer) -> None:
        """Saves, and leaves the process if that was asked for."""
        trainer.save_checkpoint(self.path)
        self.consensus.saved()
        self._leave_if_asked(trainer)

    def _leave_if_asked(self, trainer: Trainer) -> None:
        wanted = self.consensus.take()
        if wanted <= SAVE:
            return
        if trainer.is_global_zero:
            where = f"in epoch {trainer.current_epoch + 1} after step {trainer.global_step}"
            command = f"python cli.py fit --resume must --run_dir '{self.path.parent.parent}'"
            print(f"stopped {where}; to go on: {command}", file=sys.stderr)
        self.consensus.leave()
        sys.exit(exit_code(wanted))


def as_floats(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What was logged, as plain numbers."""
    return {name: float(value) for name, value in metrics.items()}
