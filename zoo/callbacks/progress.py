"""How far is the training? One line per epoch; on a terminal there is Lightning's progress bar below them."""

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer


class EpochLines(Callback):
    """Prints each epoch's results, and logs the seconds of training so far, validation and checkpoints included."""

    def __init__(self) -> None:
        self.seconds = 0.0  # of training, over all starts of the run
        self._mark = 0.0
        self._printed = 0  # epochs whose line is out
        self._old: dict[str, Any] = {}  # what was logged when the epoch began; Lightning keeps it

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mark = time.perf_counter()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.seconds += now - self._mark
        self._mark = now

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._tick()
        pl_module.log("seconds", self.seconds)

    # Lightning calls callbacks before the module, so an epoch's results are complete only when the next one starts

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._print(trainer, epoch=trainer.current_epoch)
        self._old = dict(trainer.callback_metrics)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._tick()
        self._print(trainer, epoch=trainer.current_epoch)

    def _print(self, trainer: Trainer, epoch: int) -> None:
        if "train/loss" in trainer.callback_metrics and epoch > self._printed and trainer.is_global_zero:
            print(self._line(trainer, epoch), flush=True)
            self._printed = epoch

    def _line(self, trainer: Trainer, epoch: int) -> str:
        logged = trainer.callback_metrics.items()
        metrics = {name: value for name, value in logged if value is not self._old.get(name)}
        total = str(trainer.max_epochs) if trainer.max_epochs and trainer.max_epochs > 0 else "?"
        cells = [f"epoch {epoch:>{len(total)}}/{total}"]
        for split in ("train", "val"):
            if f"{split}/loss" in metrics:
                loss, accuracy = metrics[f"{split}/loss"], metrics[f"{split}/accuracy"]
                cells.append(f"{split} loss {loss:.4f}, {100 * accuracy:.2f} %")
        return "  ".join([*cells, f"{self.seconds:.1f} s"])

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]
