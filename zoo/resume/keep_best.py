"""Which weights did best on the validation images? They are kept as `best.ckpt`.

    higher accuracy, then lower loss, then later:  a few hundred images give the same accuracy often

Lightning's ModelCheckpoint would do, but it takes the names of files to delete from the checkpoint it resumes from.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from zoo.checkpoints.storage import keep, previous_of, read_checkpoint


class KeepBest(Checkpoint):
    """Saves a checkpoint whenever a validation comes out better than, or like, the best before.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.accuracy, self.loss = -1.0, math.inf  # of the best
        self.validated = 0  # steps before the last validation
        self._final: int | None = None  # steps of an end whose weights were chosen, and from which the run goes on

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        ending = checkpoint.get("ending") or {}
        self._final = ending.get("steps") if ending.get("validated") else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._final is not None and trainer.is_global_zero:
            take_back(self.path, self._final)
        if self.accuracy >= 0 and not trainer.strategy.broadcast(self.path.exists()):
            self.accuracy, self.loss = -1.0, math.inf  # what is not there is beaten by whatever follows

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if not all(getattr(callback, "is_candidate", True) for callback in getattr(trainer, "callbacks", ())):
            return  # not pruned yet
        self.validated = trainer.global_step
        accuracy, loss = (trainer.callback_metrics.get(f"val/{name}") for name in ("accuracy", "loss"))
        if accuracy is None or loss is None:  # a model that counts in a way of its own
            return
        if is_better({"accuracy": float(accuracy), "loss": float(loss)}, self.state_dict()):
            self.accuracy, self.loss = float(accuracy), nan_as_worst(float(loss))
            trainer.save_checkpoint(self.path)

    def state_dict(self) -> dict[str, Any]:
        return {"accuracy": self.accuracy, "loss": self.loss, "validated": self.validated}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        accuracy, loss = float(state_dict["accuracy"]), float(state_dict.get("loss", math.inf))
        if not (-1 <= accuracy <= 1 and loss >= 0):  # such a one would never be beaten
            raise ValueError(
                f"best result in the checkpoint: expected a share and a loss, found {accuracy} and {loss}."
                " Try: a new run"
            )
        self.accuracy, self.loss, self.validated = accuracy, loss, int(state_dict.get("validated", 0))


def nan_as_worst(loss: float) -> float:
    """A loss to compare with: one that is no number is the worst."""
    return math.inf if math.isnan(loss) else loss


def is_better(later: Mapping[str, float], best: Mapping[str, float]) -> bool:
    """Whether a result takes the place of the best before: the later of equals does."""
    mine, others = ((result["accuracy"], -nan_as_worst(result.get("loss", math.inf))) for result in (later, best))
    return mine >= others


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
