"""Which weights did best on the validation images? They are kept as `best.ckpt`.

    higher accuracy, then lower loss, then later:  a few hundred images give the same accuracy often
    --monitor val/balanced_accuracy, val/loss:     higher balanced accuracy, or lower loss, in its place

Lightning's ModelCheckpoint would do, but it takes the names of files to delete from the checkpoint it resumes from.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from zoo.checkpoints.storage import keep, previous_of, read_checkpoint
from zoo.runs.result import MONITOR


class KeepBest(Checkpoint):
    """Saves a checkpoint whenever a validation comes out better than, or like, the best before.

    Args:
        path: the file.
        monitor: which of the results decides.
    """

    def __init__(self, path: Path, monitor: str = MONITOR) -> None:
        self.path, self.monitor = path, monitor
        self.names = ("accuracy", "loss", *["balanced_accuracy"] * (monitor == "val/balanced_accuracy"))
        self._forget()
        self.validated = 0  # steps before the last validation
        self._final: int | None = None  # steps of an end whose weights were chosen, and from which the run goes on

    def _forget(self) -> None:
        self.best = {name: math.inf if name == "loss" else -1.0 for name in self.names}

    @property
    def found(self) -> bool:
        """Whether there is a best."""
        return self.best["accuracy"] >= 0

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        ending = checkpoint.get("ending") or {}
        self._final = ending.get("steps") if ending.get("validated") else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._final is not None and trainer.is_global_zero:
            take_back(self.path, self._final)
        if self.found and not trainer.strategy.broadcast(self.path.exists()):
            self._forget()  # what is not there is beaten by whatever follows

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if not all(getattr(callback, "is_candidate", True) for callback in getattr(trainer, "callbacks", ())):
            return  # not pruned yet
        self.validated = trainer.global_step
        logged = trainer.callback_metrics
        if not all(f"val/{name}" in logged for name in self.names):  # a model that counts in a way of its own
            return
        later = {name: float(logged[f"val/{name}"]) for name in self.names}
        if is_better(later, self.best, self.monitor):
            self.best = {**later, "loss": nan_as_worst(later["loss"])}
            trainer.save_checkpoint(self.path)

    def state_dict(self) -> dict[str, Any]:
        return {**self.best, "validated": self.validated}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        held = {"loss": math.inf, "balanced_accuracy": -1.0, **state_dict}
        best = {name: float(held[name]) for name in self.names}
        shares = [share for name, share in best.items() if name != "loss"]
        if not (all(-1 <= share <= 1 for share in shares) and best["loss"] >= 0):  # such a one would never be beaten
            found = " and ".join(map(str, best.values()))
            raise ValueError(
                f"best result in the checkpoint: expected a share and a loss, found {found}. Try: a new run"
            )
        self.best, self.validated = best, int(state_dict.get("validated", 0))


def nan_as_worst(loss: float) -> float:
    """A loss to compare with: one that is no number is the worst."""
    return math.inf if math.isnan(loss) else loss


def is_better(later: Mapping[str, float], best: Mapping[str, float], monitor: str = MONITOR) -> bool:
    """Whether a result takes the place of the best before: the later of equals does."""
    return goodness(later, monitor) >= goodness(best, monitor)


def goodness(result: Mapping[str, float], monitor: str) -> tuple[float, float]:
    """What results are compared by: the greater is the better."""
    lower_loss = -nan_as_worst(result.get("loss", math.inf))
    if monitor == "val/loss":
        return lower_loss, result["accuracy"]
    return result.get(monitor.removeprefix("val/"), -1.0), lower_loss


def put_in_place(path: Path, steps: int) -> None:
    """Puts the best aside, before the weights of the end, after so many steps, come in its place."""
    if path.exists() and read_checkpoint(path)["global_step"] < steps:
        keep(path, previous_of(path))


def take_back(path: Path, steps: int) -> None:
    """Undoes that, where training goes on: without an end in between, these weights had not been validated."""
    if not path.exists() or read_checkpoint(path)["global_step"] != steps:
        return
    if previous_of(path).exists():
        keep(previous_of(path), path)
    else:
        path.unlink()
