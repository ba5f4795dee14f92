"""What the steps of a command share: the run that it is about, and what is known of it."""

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningCLI

from zoo.checkpoints.storage import read_checkpoint
from zoo.config.errors.option_errors import format_value
from zoo.errors import UsageError, report, warn
from zoo.loggers.wandb.connection import ResolvedMode
from zoo.resume.history import CompareScored, KeepHistory
from zoo.resume.restore import ExplainRestoreErrors
from zoo.resume.signals import StopSignals
from zoo.resume.weights_fit import check_fits, other_images
from zoo.runs.collect_predictions import CollectPredictions
from zoo.runs.diagnostics import DiagnosticsFile
from zoo.runs.folder import RECORDED, RunFolder
from zoo.runs.lock import FolderLock
from zoo.runs.metrics import MetricsFile
from zoo.runs.report.numbers import Report, class_report
from zoo.runs.reports import ProfileReport
from zoo.runs.source import AskForCode
from zoo.training.callbacks.collect_answers import CollectAnswers
from zoo.training.callbacks.progress import EpochLines

if TYPE_CHECKING:
    from zoo.weights.classifier import ImageClassifier

UNWRITTEN = "Unable to serialize instance"  # jsonargparse's words in place of a value


class RunState(LightningCLI):
    """The attributes that the steps of a command fill in, in the order in which they do, and what all steps ask for.

    Attributes:
        given: the words of the command line, as they were given.
        words: those without what only the command line may say.
        signals: what to do when the process is told to stop.
        lock: of the run folder, as long as it is this command's.
        asked: the checkpoint that the words name.
        names: of data and model, and the seed.
        folder: the run's.
        has_folder: whether it was named.
        checkpoint: to start from, or to score; None to start anew.
        past: the record of the run that it is of.
        parts: what trained it before.
        completed: the words, with those that the run's folder adds.
        trained: the weights that a new run starts from; None where there are none, or the run goes on.
        said: whether it was said how they fit.
        started_from: the record of those that the run started from: given, name and sha256.
        proposed: what finders have found.
        searches: the finders that are still to search.
        dry: whether nothing is to be left behind.
        recorded: the configuration as plain values.
        profile: reports profiles, where there are any.
    """

    given: list[str]
    words: list[str]
    signals: StopSignals
    lock: FolderLock | None
    seen: tuple[str, tuple[int, ...] | None] | None
    note: str | None
    asked: Any
    names: dict[str, Any]
    folder: RunFolder
    has_folder: bool
    before: Any
    checkpoint: Path | None
    past: dict[str, Any]
    parts: list[dict[str, Any]]
    completed: list[str]
    trained: "ImageClassifier | None"
    said: bool
    started_from: dict[str, str] | None
    code: AskForCode
    wandb: ResolvedMode
    proposed: dict[str, float]
    searches: list[Any]
    pruned: bool
    dry: bool
    recorded: dict[str, Any]
    metrics: MetricsFile
    diagnostics: DiagnosticsFile
    history: KeepHistory
    lines: EpochLines
    answers: CollectAnswers
    predictions: CollectPredictions
    scored: CompareScored
    restoring: ExplainRestoreErrors
    profile: ProfileReport | None

    @property
    def options(self) -> Namespace:
        """What was asked for, those of the verb if there is one."""
        verb = self.config.get("subcommand")
        return self.config[verb] if verb else self.config

    @property
    def made(self) -> Namespace:
        """The same, with objects in the place of class paths."""
        verb = self.config.get("subcommand")
        return self.config_init[verb] if verb else self.config_init

    def _recorded(self) -> dict[str, Any]:
        """The resolved configuration as plain values, without what belongs to one start of the run."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it could not write stands in the text
            whole = yaml.safe_load(self.parser.dump(self.config, skip_none=False, skip_validation=True))
            whole = whole[self.subcommand]
        check_written(whole)
        return {key: whole[key] for key in RECORDED if key in whole}

    def _checked(self, path: Path) -> dict[str, Any]:
        """The contents of a checkpoint that the model can take up."""
        content = read_checkpoint(path)
        try:
            check_fits(path, content, self.model)
        except UsageError:
            if self.subcommand != "fit" and (line := other_images(content, self.datamodule, type(self.model).__name__)):
                raise UsageError(line) from None
            raise
        return content

    def _other_images(self) -> str | None:
        """The message for images of another shape than the run's, for which its network cannot be built; or None."""
        if not self.checkpoint or self.subcommand == "fit":
            return None
        data, model = (self.options[key] for key in ("data", "model"))
        module, _, name = data["class_path"].rpartition(".")
        path = {key: value for key, value in data["init_args"].items() if key == "path"}
        try:
            images = getattr(sys.modules[module], name)(**path)
            return other_images(read_checkpoint(self.checkpoint), images, model["class_path"].rpartition(".")[2])
        except (ValueError, OSError, TypeError, AttributeError):  # the data themselves are wrong, or somebody's own
            return None

    def _settings_of(self, name: str) -> Namespace | None:
        """Where in the configuration stands what a finder proposes; None if it stands nowhere."""
        if name == "batch_size":
            return self.options["data"]["init_args"]
        place = self.options["model"]["init_args"].get("optimizer")
        return place.get("init_args") if isinstance(place, Namespace) else None

    def _check_complete(self, split: str) -> None:
        """Refuses a result that does not count every image of the split once, unless less was asked for."""
        limited = self.trainer.limit_test_batches if split == "test" else self.trainer.limit_val_batches
        if split not in self.model.results:  # --trainer.limit_test_batches 0
            return
        expected, found = len(self.datamodule.splits[split]), self.model.results[split].n
        everything = isinstance(limited, float) and limited == 1.0  # the whole number 1 is one batch
        if everything and found != expected:
            raise ValueError(f"images counted in {split}: expected {expected}, found {found}")

    def report_of_test(self) -> Report | None:
        """What the test says of each class; None if no image was tested."""
        said = self.answers.answers
        if said is None or not len(said.image):
            return None
        label, predicted, confidence = (column.numpy() for column in said[1:])
        return class_report(label, predicted, confidence, [str(name) for name in self.datamodule.classes])

    def _miss_best(self, content: dict[str, Any]) -> None:
        """Says if the weights that validation chose are gone, which a checkpoint beside them knows."""
        best = RunFolder(self.checkpoint.absolute().parent.parent).best if self.checkpoint else None
        held = content.get("callbacks", {}).get("KeepBest")
        if best and not best.exists() and isinstance(held, dict) and held.get("accuracy", -1.0) >= 0:
            warn(
                f"weights in {best}: expected those that validation chose, found none; the best of what follows, or"
                " else the last, are tested"
            )

    def _name_profile(self) -> None:
        """Says where the profiles are, if any were asked for."""
        for note in self.profile.notes if self.profile else ():
            report(note)


def check_written(value: Any, place: str = "") -> None:
    """Raises UsageError for a value that could not be written down: config.yaml would not repeat the run."""
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            check_written(item, place if name == "init_args" else f"{place}.{name}".removeprefix("."))
    elif isinstance(value, str) and value.startswith(UNWRITTEN):
        found = value.removeprefix(UNWRITTEN).strip()
        raise UsageError(f"value in --{place}: expected one that config.yaml can hold, found {format_value(found)}")
