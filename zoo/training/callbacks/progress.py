"""How far is the training? One line per epoch; on a terminal there is Lightning's progress bar below them."""

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer

OPEN_DIGITS = 4  # of the epoch's number where the training has no last one
WIDEST = "loss 2.3026, 100.00 %"
BALANCED = "val/balanced_accuracy"


class EpochLines(Callback):
    """Prints each epoch's results, and logs the seconds of training so far, validation and checkpoints included.

    Args:
        monitor: what the weights are chosen by; balanced accuracy is printed where it is that.
    """

    def __init__(self, monitor: str = "") -> None:
        self.monitor = monitor
        self.seconds = 0.0  # of training, over all starts of the run
        self._mark = 0.0
        self._printed = 0  # epochs whose line is out
        self._shown = 0.0  # seconds that are in lines
        self._old: dict[str, Any] = {}  # what was logged when the epoch began; Lightning keeps it

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mark = time.perf_counter()
        self._shown = self.seconds
        if trainer.is_global_zero and (text := left_over(trainer)):
            print(text, flush=True)

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
        self._print(trainer, epoch=trainer.current_epoch)

    def _print(self, trainer: Trainer, epoch: int) -> None:
        if "train/loss" in trainer.callback_metrics and epoch > self._printed and trainer.is_global_zero:
            print(self._line(trainer, epoch), flush=True)
            self._printed = epoch

    def _line(self, trainer: Trainer, epoch: int) -> str:
        logged = trainer.callback_metrics.items()
        metrics = {name: value for name, value in logged if value is not self._old.get(name)}
        limited = trainer.max_epochs and trainer.max_epochs > 0
        total, digits = (str(trainer.max_epochs), len(str(trainer.max_epochs))) if limited else ("?", OPEN_DIGITS)
        cells = [f"epoch {epoch:>{digits}}/{total}"]
        for split in ("train", "val"):
            if f"{split}/loss" in metrics:
                loss, accuracy = metrics[f"{split}/loss"], metrics[f"{split}/accuracy"]
                cells.append(f"{split} loss {loss:.4f}, {100 * accuracy:.2f} %".ljust(len(f"{split} {WIDEST}")))
        if self.monitor == BALANCED and BALANCED in metrics:
            cells.append(f"balanced {100 * metrics[BALANCED]:.2f} %".ljust(len("balanced 100.00 %")))
        since, self._shown = self.seconds - self._shown, self.seconds
        return "  ".join([*cells, f"{since:.1f} s (total {self.seconds:.1f} s)"])

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]


def left_over(trainer: Trainer) -> str | None:
    """The message where the last images of a pass make no whole batch, or all of them just one.

    None where a pass has several whole batches, or less than a pass was asked for.
    """
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    images, batch = len(data.splits["train"]) if data else 0, data.batch_size if data else 0
    share: int | float = trainer.limit_train_batches
    everything = isinstance(share, float) and share == 1.0  # the whole number 1 is one batch
    if not batch or not everything or trainer.overfit_batches:  # type: ignore[attr-defined]
        return None
    if images == batch:
        return f"all {images:,} images train in one batch: an epoch is one step (--data.batch_size sets another)"
    if not images % batch:
        return None
    left = images % batch
    kept = f"{images - left:,} of {images:,} images train in an epoch"
    return f"{kept} (in batches of {batch:,}; {left:,} are left out, others each time)"
