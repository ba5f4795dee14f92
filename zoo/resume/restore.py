"""Can the run go on from what the checkpoint holds? Until the first batch is through, a failure is the checkpoint's."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loops.loop import _Loop

from zoo.config.library_errors import line_for
from zoo.config.parser import innermost
from zoo.errors import UsageError
from zoo.launch.process import lost_process

CLEAR = re.compile(r" in .+: expected .+, found ", re.DOTALL)


def weights_only(trainer: Trainer) -> None:
    """Lets a trainer take from a checkpoint, unless it trains, the weights and what the data looked like alone.

    The states of callbacks are of the step at which the checkpoint was saved, and Lightning gives them to those of a
    test, too. After a training these are ahead of it, in a later one they have nothing to do with it.
    """
    connector = trainer._checkpoint_connector
    for name in ("restore_callbacks", "restore_loops"):
        whole = getattr(connector, name)
        setattr(connector, name, partial(when_training, trainer, whole))


def when_training(trainer: Trainer, restore: Callable[[], None]) -> None:
    """Restores, if the trainer trains."""
    if trainer.state.fn != "fit":
        return
    restore()
    loop = trainer.fit_loop
    progress: Any = loop.epoch_progress.current
    if progress.ready == progress.started == progress.processed:
        # no epoch has begun. With --trainer.max_steps Lightning takes the last one for unfinished, and ends it twice
        _Loop.restarting.fset(loop, False)  # type: ignore[attr-defined]


class ExplainRestoreErrors(Callback):
    """Around a trainer's verb: turns what restoring a checkpoint's state raises into one clear message.

    A checkpoint can be whole and fit the model, and still hold states of optimiser, loops or callbacks with which
    Lightning and torch fail somewhere deep inside.

    Args:
        checkpoint: what is restored; None if nothing is.
    """

    def __init__(self, checkpoint: Path | None) -> None:
        self.checkpoint = checkpoint
        self.works = False

    def of(self, checkpoint: Path) -> Self:
        """From now on it is this one that is restored."""
        self.checkpoint, self.works = checkpoint, False
        return self

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Lightning does so after it has restored the weights: those of float64 would have gone through float32
        trainer.precision_plugin.convert_module(pl_module)
        mine = str(self.checkpoint)
        theirs = trainer.strategy.broadcast(mine)
        if not trainer.strategy.reduce_boolean_decision(mine == theirs):
            raise UsageError(
                f"checkpoint in --run_dir: expected the same on all machines, found {theirs} on the first and"
                " another, or none, on others. Try: a folder that all of them share"
            )

    def on_train_batch_end(self, *args: Any) -> None:
        self.works = True

    on_validation_batch_end = on_test_batch_end = on_predict_batch_end = on_train_batch_end  # type: ignore[assignment]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, Exception) or not self.checkpoint or self.works or CLEAR.search(innermost(error)):
            return
        if lost_process(error) or line_for(error):  # the one that is gone knows why, or a flag is at fault
            return
        reason = f"{type(error).__name__}: {innermost(error)[:160]}"
        raise UsageError(
            f"state in {self.checkpoint}: expected that of a run with these settings, found one that cannot be restored"
            f" ({reason}). Try: the command and config.yaml it was made with, or a new run"
        ) from error
