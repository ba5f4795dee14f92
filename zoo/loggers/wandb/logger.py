"""Weights & Biases: one W&B run per run folder, in `RUN/wandb/`, that neither stops nor delays the training.

    begin      RUN/wandb/run_id -> the same W&B run, or a new one; name, tags and group from data, model and settings
    end        sends what is left, for some seconds; the rest can be sent later: wandb sync RUN/wandb/…

Whatever W&B raises costs one warning, and from then on its log. `experiment` is W&B's own object, for callbacks.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from zoo.errors import warn
from zoo.loggers.base import RunFacts, RunLogger, finite, of_training
from zoo.loggers.wandb.connection import Mode, ResolvedMode
from zoo.loggers.wandb.group import experiment_of, run_name
from zoo.loggers.wandb.privacy import OF_MACHINE, Privacy, may_show, shared_settings
from zoo.loggers.wandb.start import kept_id, short_reason, start, stop_service, sync_command
from zoo.runs.folder import RunFolder

FINISH, FINISH_WITH_WEIGHTS = 10.0, 120.0  # seconds for what is left to be sent at the end; for megabytes of it
STEP = "trainer/global_step"  # the axis of all curves; the same as that of Lightning's logger
PROJECT = "small-image-zoo"
STOPPED = (130, 143)  # exit codes of runs that were told to stop, and can go on
BINS = 64  # of a histogram


class Wandb(RunLogger):
    """Logs to Weights & Biases, in runs of the command, which says `begin` and `end`.

    Args:
        mode: `online`; `offline`, to be sent later; `auto`, online if there is a key and the server answers; `off`.
        privacy: how much is sent of the machine, its user and the images, see `privacy.py`.
        project: of the dashboard; by default WANDB_PROJECT, or small-image-zoo.
        entity: user or team; the key's own by default.
        name: of the run; by default from data, model and seed.
        group: what the run is one of several seeds of; by default from its settings without the seed.
        tags: besides the names of data and model.
        checkpoint: whether the weights of the chosen epoch are sent too, as an artifact.
    """

    def __init__(
        self,
        mode: Mode = "auto",
        privacy: Privacy = "normal",
        project: str | None = None,
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.mode, self.privacy, self.checkpoint = mode, privacy, checkpoint
        self.resolved_mode: ResolvedMode = "offline"  # the command sets it before the run begins
        self._named = {"project": project, "entity": entity, "name": name, "group": group}
        self._tags = list(tags)
        self._run: Any = None
        self._folder = RunFolder("")

    @property
    def name(self) -> str:
        return self._named["project"] or os.environ.get("WANDB_PROJECT") or PROJECT

    @property
    def version(self) -> str | None:
        return self._run.id if self._run else None

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """W&B's own run; None before the first step and where W&B is off."""
        return self._run

    def begin(self, facts: RunFacts) -> None:
        if self.resolved_mode == "off" or self.mode in ("off", False):
            return
        self._folder = RunFolder(facts.folder)
        options = self._options(facts)
        if self.resolved_mode == "online":
            later = f"this run is logged on this machine only; later: wandb sync '{facts.folder}'/wandb/offline-run-*"
            self._open(options, "online", f": {later}")
        if self._run is None:
            self._open(options, "offline")
        self._safely(lambda run: run.define_metric("*", step_metric=STEP, step_sync=True))
        if self._run and self._run.url:
            print(f"W&B: {self._run.url}", flush=True)

    def _options(self, facts: RunFacts) -> dict[str, Any]:
        """What W&B gets of the run at its start."""
        given = {key: value for key, value in self._named.items() if value}
        return {
            "project": self.name,
            "name": run_name(facts),
            "group": experiment_of(facts),
            **given,
            "job_type": "fit",
            "tags": [facts.data, facts.model, *self._tags],
            "config": shared_settings(facts.config, self.privacy),
            "id": kept_id(facts.folder / "wandb" / "run_id"),
            "resume": "allow",
            "reinit": "create_new",  # no other run in this process is touched
            "dir": str(facts.folder.absolute()),  # W&B's own process may have been started in another folder
        }

    def _open(self, options: dict[str, Any], mode: ResolvedMode, otherwise: str = "") -> None:
        """Starts W&B; whatever it raises, the run goes on."""
        finish = FINISH_WITH_WEIGHTS if self.checkpoint else FINISH
        try:
            self._run = start(options, mode, self.privacy, finish)
        except Exception as error:
            warn(f"W&B did not start {mode} ({short_reason(error)}){otherwise}")
            stop_service()  # or the identity would count as taken

    def _safely(self, act: Callable[[Any], Any]) -> None:
        """Does something with W&B's run, if there is one; a failure ends its log and nothing else."""
        if self._run is None:
            return
        try:
            act(self._run)
        except Exception as error:
            place = Path(self._run.dir).parent
            self._run = None
            warn(f"W&B failed ({short_reason(error)}): no more is logged there; later: {sync_command(place)}")
            stop_service()

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass  # all of the configuration is there since the beginning

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if kept := of_training(metrics):
            self._safely(lambda run: run.log({**kept, STEP: step or 0}))

    def log_histogram(self, name: str, values: Tensor, step: int) -> None:
        if self._run and len(numbers := finite(values)):
            import wandb

            histogram = wandb.Histogram(np_histogram=np.histogram(numbers, BINS))
            self._safely(lambda run: run.log({name: histogram, STEP: step}))

    def log_picture(self, name: str, path: Path, step: int) -> None:
        if self._run and may_show(name, self.privacy):
            import wandb

            self._safely(lambda run: run.log({f"figures/{name}": wandb.Image(str(path)), STEP: step}))

    def conclude(self, record: dict[str, Any]) -> None:
        self._safely(lambda run: run.summary.update(summary_of(record)))
        if self.privacy != "minimal":
            machine = {name: record[name] for name in OF_MACHINE}
            self._safely(lambda run: run.config.update(machine, allow_val_change=True))
        if self.checkpoint:
            self._safely(lambda run: self._send_weights(run, record))

    def _send_weights(self, run: Any, record: dict[str, Any]) -> None:
        import wandb

        about = {name: record[name] for name in ("data", "model", "seed", "best_epoch", "parameters", "val", "test")}
        artifact = wandb.Artifact(f"{record['data']}-{record['model']}-{run.id}".lower(), type="model", metadata=about)
        # as it lies there: no second copy of the weights in the user's home
        artifact.add_file(str(self._folder.chosen), name="best.ckpt", policy="immutable", skip_cache=True)
        run.log_artifact(artifact, aliases=["best"])

    def end(self, code: int) -> None:
        place = Path(self._run.dir).parent if self._run else Path()
        if code in STOPPED:
            self._safely(lambda run: run.mark_preempting())
        self._safely(lambda run: run.finish(exit_code=code))
        if self._run and place.name.startswith("offline-"):
            print(f"W&B: logged on this machine only; later: {sync_command(place)}", flush=True)
        self._run = None


def summary_of(record: dict[str, Any]) -> dict[str, float]:
    """A result.json as one row, such as `test/accuracy`, `best/val/accuracy` (of the chosen epoch), `parameters`."""
    row = {name: record[name] for name in ("parameters", "seconds", "epochs", "best_epoch")}
    row |= {f"test/{name}": value for name, value in record["test"].items()}
    row |= {f"best/{split}/{name}": value for split in ("train", "val") for name, value in record[split].items()}
    return {name: value for name, value in row.items() if value is not None}
