"""The beginning of a run: where it is, and its configuration beside its first checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from lightning import Callback, LightningModule, Trainer

from zoo.files import whole_file
from zoo.runs.folder import RunFolder, read_or_none


class OpenRun(Callback):
    """Reports where the run is, and writes its configuration there with the first checkpoint.

    Args:
        folder: where.
        config: the whole resolved configuration, without what belongs to this one start of it.
        checkpoint: what this process has chosen to go on from, if anything.
        write_identity: writes the record of the run beside its configuration.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: dict[str, object],
        checkpoint: Path | None = None,
        write_identity: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.config, self.checkpoint, self.write_identity = folder, config, checkpoint, write_identity
        self._written = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        # a folder's default name is the time, and each process has its own; the first one alone holds the lock, so that
        # another may have looked for a checkpoint before the last owner was done
        path, chosen = trainer.strategy.broadcast((str(self.folder.path), str(self.checkpoint or "")))
        self.folder.settle(path)
        if chosen != str(self.checkpoint or ""):
            raise ValueError(
                f"checkpoint in {path}: expected the one that the first process goes on from, found another"
                " (the run was just ending). Try: the same command again"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:  # not where there is nothing to train, and no folder
            print(f"run folder: {self.folder.path}", flush=True)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.global_step:
            self._write(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer)  # a run without checkpoints

    def _write(self, trainer: Trainer) -> None:
        """Writes what tells the run, once: from now on there is one in this folder."""
        if self._written or not trainer.is_global_zero:
            return
        self._written = True
        self.folder.path.mkdir(parents=True, exist_ok=True)
        if read_or_none(self.folder.config) != self.config:  # a run that goes on may be given other options
            text = "# python cli.py fit -c config.yaml repeats this run\n" + yaml.safe_dump(
                self.config, sort_keys=False
            )
            with whole_file(self.folder.config) as file:
                file.write(text)
        self.write_identity()
