"""Did the user press Ctrl-C? Then the training stops at the end of this step, not in the middle of one.

Python raises KeyboardInterrupt wherever it happens to be, and where that is a finaliser or a library's catch-all it is
lost: the training goes on. A flag that is asked for after each step cannot be lost. A second signal changes nothing.
"""

import signal
import threading
from typing import Any

from lightning import Callback, LightningModule, Trainer


class StopOnInterrupt(Callback):
    """Turns SIGINT into a KeyboardInterrupt between two steps of training or validation."""

    def __init__(self) -> None:
        self.asked = False
        self._previous: Any = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():  # Python sets handlers there only
            self._previous = signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        self.asked = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._stop()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.asked:
            raise KeyboardInterrupt

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        self._stop()  # the signal came after the last step
