"""Can the run go on from what the checkpoint holds? Until the first batch is through, a failure is the checkpoint's."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from lightning import Callback, LightningModule, Trainer

from zoo.config.errors.library_errors import line_for
from zoo.config.parser import innermost
from zoo.errors import UsageError
from zoo.launch.process import lost_process

CLEAR = re.compile(r" in .+: expected .+, found ", re.DOTALL)


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
        self._max_steps: int | None = None  # --trainer.max_steps, where it is -1 for a moment

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

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        # with a limit of steps Lightning takes the last epoch for unfinished, and ends it twice (its issue 19617); it
        # looks at the limit when it restores its loops, between the two hooks that follow
        done = 0 <= trainer.max_steps <= checkpoint["global_step"]
        self._max_steps = trainer.max_steps if between_epochs(checkpoint) and not done else None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._max_steps is not None:
            trainer.fit_loop.epoch_loop.max_steps = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._max_steps is not None:
            trainer.fit_loop.epoch_loop.max_steps, self._max_steps = self._max_steps, None

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


def between_epochs(checkpoint: Mapping[str, Any]) -> bool:
    """Whether the run of a checkpoint stands at the end of an epoch, and the next has not begun."""
    progress = checkpoint.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {}).get("current", {})
    return len({progress.get(name) for name in ("ready", "started", "processed")}) == 1
