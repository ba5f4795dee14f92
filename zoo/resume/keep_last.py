"""Where does the run stand? `last.ckpt`: after the first step and each epoch, every so many seconds, when told to stop.

A run goes on from it as if nothing had happened, bit for bit. That needs a boundary: the end of an optimiser's step
with no validation due, the end of an epoch, or the start of a validation, which is then run anew. A signal sets a flag
(`zoo/resume/signals.py`) that is asked for at each boundary. Several processes agree on it every few batches, because
all of them must save, and leave, at the same one.

Where training ends in the middle of an epoch, the end of an epoch that follows is none of the run's, should it go on:
what is saved then is the boundary before, with `ending` beside it.
"""

import copy
import math
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, WeightAveraging
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.resume.endings import at_its_end, callbacks_of, epochs_of, stands, who_stopped, why_ended
from zoo.resume.keep_best import KeepBest
from zoo.resume.signals import StopSignals, exit_code
from zoo.training.boundaries import accumulates, is_last_batch, validates_next
from zoo.training.callbacks.progress import EpochLines
from zoo.training.lightning_compat import ask_for_no_signal, logged_now

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
        self.configured, self.timeout = configured, timeout
        self.path, self.every, self.signals = path, every, signals
        self._saved = 0.0  # when, by the monotonic clock
        self._batches = 0
        self._wanted = 0  # what all processes have agreed to do at the next boundary
        self._extra: dict[str, Any] = {}  # what an epoch's end adds to the checkpoint
        self._group: Any = None
        self._max_steps = -1
        self._patience: dict[int, int] = {}  # as configured; EarlyStopping takes that of the checkpoint
        self._loaded: Mapping[str, Any] = {}  # the checkpoint, as far as it says who wanted to stop
        self._postponed = False  # a stop that has to wait for the last batches of a step
        self._before: dict[str, Any] | None = None  # how things stood before the validation that is running
        self._held: dict[str, Any] | None = None  # the checkpoint of the last boundary, of a training that ends there
        self._validated_batches: int | float | None = None  # --trainer.limit_val_batches, where it is 0 for a moment
        self._validation: tuple[int, dict[str, float]] = (-1, {})  # the last one: steps before it, what it has logged

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        stopping = [callback for callback in callbacks_of(trainer) if isinstance(callback, EarlyStopping)]
        self._patience = {id(callback): callback.patience for callback in stopping}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._loaded = {name: checkpoint.get(name) for name in ("ending", "stop", "callbacks")}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._take_up_stop(trainer)
        self._max_steps = trainer.max_steps
        self.signals.deferred = True
        self._saved = time.monotonic()
        if trainer.world_size > 1:
            # a group of its own on the CPU: asking does not wait for a GPU
            self._group = torch.distributed.new_group(backend="gloo", timeout=self.timeout)
            ask_for_no_signal(trainer)  # Lightning's question is not needed any more
        if trainer.global_step == 0:  # the first save is due after the first step: before it, a run has not begun
            self._saved = -math.inf

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._ask(trainer)
        last = self._postponed or trainer.should_stop or 0 < self._max_steps <= trainer.global_step
        if last and self._ends_here(trainer):
            return
        if not self._wanted or accumulates(trainer):  # gradients in the making are in no checkpoint
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
        self._ask(trainer)
        if self._wanted <= SAVE or at_its_end(trainer):  # Lightning would not go on with the last one of all
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging):  # takes its average out of the model again
                callback.on_validation_epoch_end(trainer, pl_module)
        progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
        progress.load_state_dict(as_begun())
        self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._ask(trainer, now=True)
        ending, row = self._ending(trainer), self._row(trainer)
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
        self._saved = time.monotonic()

    def _ending(self, trainer: Trainer) -> dict[str, Any] | None:
        """What last.ckpt says of the end of the training; None if it goes on."""
        reason = why_ended(trainer)
        if not reason:
            return None
        best = next((callback for callback in callbacks_of(trainer) if isinstance(callback, KeepBest)), None)
        seconds = next(
            (callback.seconds for callback in callbacks_of(trainer) if isinstance(callback, EpochLines)), 0.0
        )
        # unknown as long as the weights of the end have not been validated
        chosen = None if best else self.path.name
        if best and best.validated == trainer.global_step:
            chosen = best.path.name if best.found else self.path.name
        counts = {"epochs": epochs_of(trainer), "steps": trainer.global_step, "seconds": seconds}
        return {**reason, **counts, "chosen": chosen, "validated": None}

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
        self.signals.deferred = False
        self._wanted = self._wanted or self.signals.received
        self._leave_if_asked(trainer)
        self._group = None  # its threads end with the last that holds it, see `leave_group`

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.global_step == 0:  # Lightning would take a start for the end of an epoch
            checkpoint.pop("loops", None)
        checkpoint.update(self._extra)
        if trainer.should_stop and "ending" not in checkpoint:  # not yet, as Lightning has --trainer.min_epochs
            checkpoint["stop"] = who_stopped(trainer)

    def _take_up_stop(self, trainer: Trainer) -> None:
        """Lets a wish to stop go on with the run, if it still holds; EarlyStopping has the patience it is given."""
        stopping = [callback for callback in callbacks_of(trainer) if isinstance(callback, EarlyStopping)]
        for callback in stopping:
            callback.patience = self._patience.get(id(callback), callback.patience)
        for decision in (self._loaded.get("stop"), self._loaded.get("ending")):
            if decision and stands(decision, self._loaded, trainer):
                trainer.should_stop = True
        for callback in stopping if not trainer.should_stop else ():
            callback.stopping_reason = EarlyStoppingReason.NOT_STOPPED
            callback.stopping_reason_message, callback.stopped_epoch = None, 0
        self._loaded = {}

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
        if self._saved == -math.inf:  # for all of them the same
            self._wanted = max(self._wanted, SAVE)

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


def as_begun() -> dict[str, Any]:
    """The progress of a validation of which nothing is done."""
    return {"total": dict(BEGUN), "current": dict(BEGUN), "is_last_batch": False}


def loops_of(trainer: Trainer) -> dict[str, Any]:
    """Where the loops of a trainer stand, as checkpoints have it."""
    names = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
    return {name: getattr(trainer, name).state_dict() for name in names}


def states_of(callbacks: Iterable[Callback]) -> dict[str, dict[str, Any]]:
    """The states of callbacks that have one, as checkpoints have it."""
    states = {callback.state_key: callback.state_dict() for callback in callbacks}
    return {key: state for key, state in states.items() if state}


def content_of(trainer: Trainer) -> dict[str, Any]:
    """What a checkpoint that is saved now would hold; nothing is written."""
    strategy, taken = trainer.strategy, Taken()
    before, strategy.checkpoint_io = strategy.checkpoint_io, taken
    try:
        trainer.save_checkpoint("")
    finally:
        strategy.checkpoint_io = before
    return taken.content


class Taken(TorchCheckpointIO):
    """Takes what is to be saved, and writes nothing; the first process is the one that saves."""

    def __init__(self) -> None:
        super().__init__()
        self.content: dict[str, Any] = {}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        self.content = checkpoint


def as_floats(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What was logged, as plain numbers."""
    return {name: float(value) for name, value in metrics.items()}
