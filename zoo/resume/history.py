"""The record of a run, kept from start to start: what goes on with it must be it, and what has changed is written down.

checkpoint's record, this start's record  ->  refused, or reported in one line
RUN/identity.json, `identity` and `parts` in each checkpoint, `parts` in result.json: one for each start that trained
"""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from zoo.checkpoints.hyper_parameters import is_plain
from zoo.errors import UsageError, report, warn
from zoo.files import whole_file
from zoo.resume.identity.changes import Change, format_changes, format_setting
from zoo.resume.identity.comparison import check_class_names, compare, other_data
from zoo.resume.identity.records import read_identity
from zoo.resume.identity.rules import ANOTHER, SCHEMA
from zoo.resume.identity.same_experiment import check_same_experiment
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import MetricsFile
from zoo.runs.result import device_name, processor_name, versions
from zoo.runs.source import AskForCode, Code

MOST_PARTS = 200  # of a run that was started more often, the latest


def make_identity(trainer: Trainer, config: dict[str, Any], code: Code, data: dict[str, Any]) -> dict[str, Any]:
    """The record of a run that starts, see `zoo/resume/identity`."""
    return {
        "schema": SCHEMA,
        "config": config,
        "data": data,
        "code": code,
        "versions": versions(),
        "place": {
            "device": device_name(trainer),
            "devices": trainer.world_size,
            "threads": torch.get_num_threads(),
            "processor": processor_name(),
        },
        "precision": str(trainer.precision),
    }


def trained_starts(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The starts of a run that have trained, as a checkpoint knows them; those that are no such thing are left out."""
    parts = content.get("parts", [])
    known = [part for part in parts if isinstance(part, dict) and all(isinstance(name, str) for name in part)]
    steps = [(part, part.get("from_step"), part.get("to_step")) for part in known if is_plain(part)]
    return [part for part, a, b in steps if type(a) is type(b) is int and 0 <= a < b][-MOST_PARTS:]


class KeepHistory(Callback):
    """Compares a training with the run that it goes on with, or repeats, and keeps the record of both.

    Args:
        folder: the run's.
        config: the whole resolved configuration.
        code: which code it is; may still be on its way.
        past: the record of the run that goes on; empty if none does.
        parts: the starts of that run which have trained.
        origin: the checkpoint that it goes on from.
        metrics: the run's numbers, of which checkpoints hold a copy.
        stretch: whether the schedule may be laid out over another length.
        repeated: config.yaml of a run that this one may repeat.
        proposed: what finders have found, by the names of the options.
        weights: those that the run started from; None if it started from none.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: dict[str, Any],
        code: AskForCode,
        past: dict[str, Any],
        parts: list[dict[str, Any]],
        origin: Path | None,
        metrics: MetricsFile,
        *,
        stretch: bool,
        repeated: Path | None,
        proposed: Mapping[str, float],
        weights: dict[str, str] | None = None,
    ) -> None:
        self.folder, self.config, self.code = folder, config, code
        self.past, self.parts, self.origin, self.metrics = past, parts, origin, metrics
        self.stretch, self.repeated, self.proposed = stretch, repeated, proposed
        self.weights = weights
        self.record: dict[str, Any] = {}
        self.changed: dict[str, list[Any]] = {}
        self._saved: list[dict[str, Any]] = []  # the history in the last checkpoint
        self._begun: tuple[int, float, datetime] | None = None  # step, seconds, time of this start's training

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.record:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        self.record = make_identity(trainer, self.config, self.code.result(), data.identity())
        self.record |= {"proposed": dict(self.proposed)} if self.proposed else {}
        self.record |= {"weights": self.weights} if self.weights else {}
        changes = compare(self.past, self.record)
        check_same_experiment(changes, self.origin or self.folder.path, stretch=self.stretch)
        for line in format_changes(changes):
            report(line)
        self.changed = {change.key: [format_setting(change.then), format_setting(change.now)] for change in changes}
        if self.repeated:
            self._compare_repeated(self.repeated)
        model: Any = pl_module
        model.identity = self.record

    def check_data(self, data: Any) -> None:
        """Raises UsageError if these are not the data of the run that has ended: its result is not theirs."""
        data.prepare_data()
        data.setup()
        now = {"config": self.config, "data": {**data.identity(), "batch_size": None}}
        check_same_experiment(compare(self.past, now), self.origin or self.folder.path, stretch=self.stretch)

    def _compare_repeated(self, config: Path) -> None:
        """Reports what keeps a repeated run from being the same bit for bit; the options are the user's own wish."""
        try:
            before = read_identity(config.with_name("identity.json"))
        except ValueError as error:
            warn(str(error))
            return
        others = [str(change) for change in compare({**before, "config": {}}, self.record)]
        if others:
            report(f"not bit for bit the run of {config}: {', '.join(others)}")

    def write(self) -> None:
        """Writes the record beside the configuration."""
        with whole_file(self.folder.identity) as file:
            file.write(json.dumps(self.record, indent=2) + "\n")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begun = trainer.global_step, time.perf_counter(), datetime.now(UTC)
        if trainer.is_global_zero and self.folder.result.exists():
            self._set_aside()

    def _set_aside(self) -> None:
        """Takes the result of the run as it was before out of force: it is another run from now on."""
        try:
            held = json.loads(self.folder.result.read_text(encoding="utf-8"))
            if self.parts and isinstance(held, dict):
                self.parts[-1]["result"] = {key: held.get(key) for key in ("epochs", "best_epoch", "val", "test")}
        except (OSError, ValueError, RecursionError):  # no result that anybody could read
            pass
        self.folder.result.replace(self.folder.result_before)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["parts"] = self._saved = self.history(trainer)
        checkpoint["metrics"] = self.metrics.state()

    def conclusion(self, trainer: Trainer) -> list[dict[str, Any]]:
        """The history of a run that has ended, as its last checkpoint has it."""
        return self._saved or self.history(trainer)

    def history(self, trainer: Trainer) -> list[dict[str, Any]]:
        """The starts that trained, in their order, with this one as far as it is."""
        if self._begun is None:
            return self.parts
        step, begun, when = self._begun
        part = {
            "from_step": step,
            "to_step": trainer.global_step,
            "started": when.isoformat(timespec="seconds"),
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - begun, 3),
            **self.record["code"],
            "versions": self.record["versions"],
            **self.record["place"],
            "precision": self.record["precision"],
            "changed": self.changed,
        }
        if self.stretch:
            part["resume_schedule"] = "stretch"
        return [*self.parts, part][-MOST_PARTS:]


def check_scored(changes: Sequence[Change], checkpoint: Path, *, allowed: bool) -> list[str]:
    """The message for a network that is scored otherwise than it was trained.

    Args:
        changes: what differs.
        checkpoint: where the weights are from.
        allowed: whether images may be scored in another form.

    Raises:
        UsageError: they may not, or it is another network.
    """
    network = [change for change in changes if change.kind == ANOTHER and change.key.partition(".")[0] == "model"]
    form = [change for change in changes if change.kind == ANOTHER and change not in network]
    wrong = network or ([] if allowed else form)
    if wrong:
        expected, found = (
            ", ".join(f"--{change.key} {format_setting(getattr(change, side))}" for change in wrong)
            for side in ("then", "now")
        )
        advice = "" if network else ", or --otherwise allow, to score it all the same"
        raise UsageError(
            f"settings in {', '.join(f'--{change.key}' for change in wrong)}: expected {expected}, as the network in"
            f" {checkpoint} was trained, found {found}. Try: {expected}{advice}"
        )
    return [f"scored otherwise than it was trained: {', '.join(map(str, changes))}"] if changes else []


class CompareScored(Callback):
    """Compares the data that are scored with those that the weights were trained on.

    Args:
        past: the record of the weights' run.
        split: `val` or `test`.
        predicts: whether they are only given classes: new images are what `predict` is for, and labels don't matter.
    """

    def __init__(self, past: dict[str, Any], split: str, *, predicts: bool = False) -> None:
        self.past, self.split, self.predicts = past, split, predicts
        self.notes: list[str] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if self.predicts:
            check_class_names(self.past.get("data", {}), data.identity(()), self.split)
            return
        note = other_data(self.past, {"data": data.identity((self.split,))}, self.split)
        self.notes += [note] if note else []
