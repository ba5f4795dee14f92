"""Which weights did best on the validation images? They are kept as `best.ckpt`, the first of equals.

Lightning's ModelCheckpoint would do, but it takes the names of files to delete from the checkpoint it resumes from.
"""

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

RULE = "accuracy, then the first"  # which of several epochs, in words for the records of runs


class KeepBest(Checkpoint):
    """Saves a checkpoint whenever the accuracy on the validation images is higher than ever before.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.accuracy = -1.0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        accuracy = float(trainer.callback_metrics["val/accuracy"])
        if accuracy > self.accuracy:  # the earlier of equals has trained less to the same end
            self.accuracy = accuracy
            trainer.save_checkpoint(self.path)

    def state_dict(self) -> dict[str, Any]:
        return {"accuracy": self.accuracy}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        accuracy = float(state_dict["accuracy"])
        if not -1 <= accuracy <= 1:  # such a one would never be beaten
            raise ValueError(f"best accuracy in the checkpoint: expected a share, found {accuracy}. Try: a new run")
        self.accuracy = accuracy
