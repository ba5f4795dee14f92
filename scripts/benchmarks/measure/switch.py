"""What does a part of the program cost? One training that has it in one epoch and not in the next.

    epochs: with, without, without, with, with, without, …  ->  what each took  ->  ratios of neighbours  ->  median

Within one process and between neighbouring epochs noise cancels out; between processes it is larger than such a cost.
"""

import contextlib
import io
import tempfile
import time
from typing import Any

from cli import main as command
from zoo import Classifier

WARM_UP = 2  # epochs


class Switch:
    """Takes something out of the running process and puts it back, epoch by epoch.

    Attributes:
        on: whether it is there now.
        marks: at the beginning of each epoch, and the end of the last, what `mark` gives.
    """

    def __init__(self) -> None:
        self.on = True
        self.marks: list[tuple[float, ...]] = []

    @staticmethod
    def is_on(epoch: int) -> bool:
        """With, without, without, with, and so on."""
        return epoch % 4 in (0, 3)

    def mark(self) -> tuple[float, ...]:
        """Clocks and counters now, the seconds first."""
        return (time.perf_counter(),)

    def switch(self, model: Classifier) -> None:
        """Called at the beginning of each epoch, when `on` is set."""

    def install(self) -> None:
        """Puts itself around the epochs of this process."""
        begin, switch = Classifier.on_train_epoch_start, self

        def on_train_epoch_start(model: Classifier) -> None:
            switch.marks.append(switch.mark())
            switch.on = switch.is_on(model.trainer.current_epoch)
            switch.switch(model)
            begin(model)

        def on_train_end(model: Classifier) -> None:
            switch.marks.append(switch.mark())

        Classifier.on_train_epoch_start = on_train_epoch_start  # type: ignore[method-assign, assignment]
        Classifier.on_train_end = on_train_end  # type: ignore[method-assign, assignment]

    def measure(self, argv: list[str], pairs: int) -> list[tuple[bool, tuple[float, ...]]]:
        """Trains in this process, where it is installed; of each epoch after the first, whether with, and what it took.

        Args:
            argv: of the command, but for length and folder.
            pairs: of epochs.
        """
        self.marks = []
        epochs = WARM_UP + 2 * pairs
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            command([*argv, f"--trainer.max_epochs={epochs}", "--trainer.accelerator=cpu", f"--run_dir={folder}/run"])
        took: list[Any] = [
            tuple(b - a for a, b in zip(start, end, strict=True))
            for start, end in zip(self.marks, self.marks[1:], strict=False)
        ]
        return [(self.is_on(epoch), took[epoch]) for epoch in range(WARM_UP, epochs)]
