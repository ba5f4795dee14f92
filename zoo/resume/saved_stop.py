"""Why a training ended or was to stop, as last.ckpt has it: what is written there, and what of it still holds later."""

from collections.abc import Mapping
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from zoo.resume.endings import callbacks_of, epochs_of, stands, why_ended
from zoo.resume.keep_best import KeepBest
from zoo.training.callbacks.progress import EpochLines


class SavedStop:
    """A wish to stop that a checkpoint holds."""

    def __init__(self) -> None:
        self._patience: dict[int, int] = {}  # as configured; EarlyStopping takes that of the checkpoint
        self._loaded: Mapping[str, Any] = {}  # the checkpoint, as far as it says who wanted to stop

    def remember_patience(self, trainer: Trainer) -> None:
        """Before the checkpoint is loaded."""
        self._patience = {id(callback): callback.patience for callback in early_stopping(trainer)}

    def load(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes what the checkpoint says of a stop."""
        self._loaded = {name: checkpoint.get(name) for name in ("ending", "stop", "callbacks")}

    def take_up(self, trainer: Trainer) -> None:
        """Lets a wish to stop go on with the run, if it still holds; EarlyStopping has the patience it is given."""
        stopping = early_stopping(trainer)
        for callback in stopping:
            callback.patience = self._patience.get(id(callback), callback.patience)
        for decision in (self._loaded.get("stop"), self._loaded.get("ending")):
            if decision and stands(decision, self._loaded, trainer):
                trainer.should_stop = True
        for callback in stopping if not trainer.should_stop else ():
            callback.stopping_reason = EarlyStoppingReason.NOT_STOPPED
            callback.stopping_reason_message, callback.stopped_epoch = None, 0
        self._loaded = {}


def early_stopping(trainer: Trainer) -> list[EarlyStopping]:
    """The callbacks of a trainer that may stop it early."""
    return [callback for callback in callbacks_of(trainer) if isinstance(callback, EarlyStopping)]


def ending_of(trainer: Trainer, last: str) -> dict[str, Any] | None:
    """What last.ckpt says of the end of the training; None if it goes on.

    Args:
        trainer: at the end of an epoch.
        last: the name of that file.
    """
    reason = why_ended(trainer)
    if not reason:
        return None
    best = next((callback for callback in callbacks_of(trainer) if isinstance(callback, KeepBest)), None)
    seconds = next((callback.seconds for callback in callbacks_of(trainer) if isinstance(callback, EpochLines)), 0.0)
    # unknown as long as the weights of the end have not been validated
    chosen = None if best else last
    if best and best.validated == trainer.global_step:
        chosen = best.path.name if best.found else last
    counts = {"epochs": epochs_of(trainer), "steps": trainer.global_step, "seconds": seconds}
    return {**reason, **counts, "chosen": chosen, "validated": None}
