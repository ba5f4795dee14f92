"""What the trainer gets besides what was asked for: callbacks, loggers, and who reads and writes its checkpoints."""

import sys
import warnings
from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Checkpoint, ProgressBar, RichProgressBar, WeightAveraging
from lightning.pytorch.plugins import CheckpointIO
from lightning.pytorch.profilers import PassThroughProfiler

from zoo.callbacks.diagnostic import Diagnostic
from zoo.checkpoints.checkpoint_io import SafeCheckpointIO
from zoo.commands.cli.finders import finders
from zoo.commands.cli.state import RunState
from zoo.commands.cli.trainer_checks import check_choice, check_monitors, settle_callbacks
from zoo.commands.verbs import without_debug
from zoo.config.errors.library_errors import line_for
from zoo.config.parser import innermost
from zoo.errors import UsageError, warn
from zoo.launch.devices import FORKING, check_strategy
from zoo.launch.process import forks, starts_itself_again
from zoo.loggers import TensorBoard, Wandb
from zoo.loggers.wandb.connection import ResolvedMode, class_path_of, resolve_mode
from zoo.resume.history import CompareScored, KeepHistory
from zoo.resume.keep_best import KeepBest
from zoo.resume.keep_last import KeepLast
from zoo.resume.restore import ExplainRestoreErrors
from zoo.runs.collect_predictions import CollectPredictions
from zoo.runs.diagnostics import DiagnosticsFile
from zoo.runs.folder import RunFolder
from zoo.runs.metrics import MetricsFile
from zoo.runs.opening import OpenRun
from zoo.runs.reports import ProfileReport, is_profiled, let_speak
from zoo.training.callbacks.collect_answers import CollectAnswers
from zoo.training.callbacks.first_average import FirstAverage
from zoo.training.callbacks.non_finite import StopAtNonFinite
from zoo.training.callbacks.progress import EpochLines
from zoo.training.callbacks.step_randomness import StepRandomness
from zoo.training.lightning_compat import Unprofiled, adapt


class MakesTrainer(RunState):
    """Makes the trainer of a run."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = {**self.made["trainer"], **kwargs}
        if not self.subcommand:
            return self._make_trainer(config)
        for name, value in getattr(self.datamodule, "settled", {}).items():
            self.options["data"]["init_args"][name] = value
        config["default_root_dir"] = config["default_root_dir"] or str(self.folder.path)
        checkpoints = with_checkpoints(config, self.folder)
        self.dry = bool(config["fast_dev_run"]) or config["barebones"]
        callbacks = self._named_callbacks(config)
        self.lines, self.answers = EpochLines(self.options["monitor"]), CollectAnswers()
        self.predictions = CollectPredictions()
        if self.subcommand == "fit":
            callbacks = self._for_training(config, callbacks)
        else:
            config["logger"] = config["enable_checkpointing"] = False
            split = "val" if self.subcommand == "validate" else "test"
            self.scored = CompareScored(self.past, split, predicts=self.subcommand == "predict")
            callbacks = [self.scored, *scoring(callbacks), self.answers, self.predictions]
        if config["barebones"]:  # Lightning refuses what is given besides, be it a default of ours
            config["log_every_n_steps"] = None
            warnings.filterwarnings("ignore", message=".*but `Trainer\\(barebones=True\\)` is configured.*")
        self.restoring = ExplainRestoreErrors(self.checkpoint)
        trainer = self._make_trainer({**config, "callbacks": [self.restoring, *callbacks]})
        self._let_report(trainer)
        self._check_processes(trainer)
        checkpoints.resumes = lambda: trainer.state.fn == "fit"
        adapt(trainer, self.options["process_timeout"])
        return trainer

    def _named_callbacks(self, config: dict[str, Any]) -> list[Any]:
        """The callbacks that were named, but for finders, and a progress bar where one is to be."""
        named = as_list(config.pop("callbacks"))
        self.searches = [] if self.dry else finders(named)
        callbacks = settle_callbacks([each for each in named if each not in finders(named)], config["max_time"])
        if self.subcommand == "fit":
            check_monitors(callbacks, self.model, validates=self._validates(config))
            check_choice(self.options["monitor"], validates=self._validates(config))
        bar = config["enable_progress_bar"]
        has_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
        if bar is None:  # a bar in a log file is noise, unless it was asked for
            bar = config["enable_progress_bar"] = has_bar or (sys.stdout.isatty() and not config["barebones"])
        return [*callbacks, RichProgressBar(refresh_rate=5, leave=False)] if bar and not has_bar else callbacks

    def _for_training(self, config: dict[str, Any], callbacks: list[Any]) -> list[Any]:
        """The callbacks of a training, around those that were named; puts the loggers into the trainer's flags."""
        averages = [FirstAverage()] * any(isinstance(callback, WeightAveraging) for callback in callbacks)
        callbacks = [StepRandomness(self.names["seed"]), StopAtNonFinite(), self.lines, *averages, *callbacks]
        if self.dry:
            return callbacks
        self.recorded = self._recorded()
        self.metrics, self.diagnostics = MetricsFile(self.folder.metrics), DiagnosticsFile(self.folder.diagnostics)
        self.history = self._new_history()
        for callback in callbacks:
            if isinstance(callback, Diagnostic):
                callback.file = self.diagnostics
        config["logger"] = [self.metrics, *loggers(config["logger"])]
        for logger in config["logger"]:
            if isinstance(logger, Wandb):
                logger.resolved_mode = self.wandb
        opening = OpenRun(self.folder, self.recorded, self.checkpoint, self.history.write)
        saving = self._saving(config) if config["enable_checkpointing"] is not False else []
        return [self.history, opening, *callbacks, *saving]

    def _new_history(self) -> KeepHistory:
        """Keeps the record of the run."""
        return KeepHistory(
            self.folder,
            self.recorded,
            self.code,
            self.past,
            self.parts,
            self.checkpoint,
            self.metrics,
            stretch=self.options["resume_schedule"] == "stretch",
            repeated=None if self.checkpoint else self._repeated(),
            proposed=self.proposed,
            weights=self.started_from,
        )

    def _saving(self, config: dict[str, Any]) -> list[Any]:
        """The callbacks that write checkpoints."""
        best = [KeepBest(self.folder.best, self.options["monitor"])] * self._validates(config)
        timeout = timedelta(seconds=self.options["process_timeout"])
        named = str(self.recorded["trainer"]["callbacks"])
        return [*best, KeepLast(self.folder.last, self.options["checkpoint_every"], self.signals, named, timeout)]

    def _let_report(self, trainer: Any) -> None:
        """Lets those parts of Lightning report that were asked for, profilers into the run folder."""
        let_speak([*trainer.callbacks, *[trainer.profiler] * is_profiled(trainer)])
        self.profile = None
        if is_profiled(trainer) and not self.dry:
            home = self.folder if self.has_folder or self.subcommand == "fit" else RunFolder(".")
            self.profile = ProfileReport(trainer.profiler, home)
            trainer.callbacks.append(self.profile)

    def _check_processes(self, trainer: Trainer) -> None:
        """Raises UsageError where the processes of other devices cannot be started from this one."""
        if starts_itself_again(trainer) and self.given != without_debug(sys.argv[1:]):
            raise UsageError(
                f"devices in --trainer.devices: expected 1 in a program that calls the command, found"
                f" {trainer.num_devices}, for which the whole program would be started again."
                f" Try: --trainer.devices 1, or python cli.py {self.subcommand} … as a process of its own"
            )
        if forks(trainer):  # DDPStrategy with a start_method
            check_strategy(FORKING[0])

    def _make_trainer(self, config: dict[str, Any]) -> Trainer:
        try:
            trainer = Trainer(**config)
        except Exception as error:
            if line := line_for(error):
                raise UsageError(line) from error
            if not isinstance(error, ValueError | TypeError):
                raise
            raise UsageError(  # its words do not name a flag
                f"setting in --trainer: expected one that Lightning can run here, found another ({innermost(error)})"
            ) from error
        if type(trainer.profiler) is PassThroughProfiler:  # type: ignore[attr-defined]
            trainer.profiler = Unprofiled()  # type: ignore[attr-defined]
        return trainer

    def _validates(self, config: dict[str, Any]) -> bool:
        return getattr(self.datamodule, "val_size", None) != 0 and config["limit_val_batches"] != 0

    def _repeated(self) -> Path | None:
        """The config.yaml of a run among the files that were given: this is to be the same run once more."""
        files = [Path(str(path)) for path in as_list(self.options["config"])]
        return next((file for file in files if RunFolder(file.parent).config == file), None)

    def _settle_loggers(self) -> None:
        """Finds out what W&B can be asked for, if it is wanted, before anything is built."""
        trainer = self.options["trainer"]
        trainer["logger"] = without_repeats(trainer["logger"])
        named = [] if trainer["fast_dev_run"] else loggers(trainer["logger"])
        self.wandb: ResolvedMode
        self.wandb, warning = resolve_mode(named, self.folder.path)
        warn(warning)


def with_checkpoints(config: dict[str, Any], folder: RunFolder) -> SafeCheckpointIO:
    """Who reads and writes the checkpoints, put among the trainer's plugins; raises UsageError if there is another."""
    config["plugins"] = as_list(config["plugins"])
    if any(isinstance(plugin, CheckpointIO) for plugin in config["plugins"]):
        raise UsageError(
            "plugin in --trainer.plugins: expected none that reads or writes checkpoints, found one."
            " Try: without it; the zoo's own writes them whole and reads them without running code"
        )
    checkpoints = SafeCheckpointIO(keep_previous=[folder.last])
    config["plugins"].append(checkpoints)
    return checkpoints


def scoring(callbacks: Sequence[Any]) -> list[Any]:
    """The callbacks for a pass without training: those that save have nothing to do, and those that average no more.

    A checkpoint has the averages. After a training in the same process, Lightning's would read the weights of the last
    step from it.
    """
    return [callback for callback in callbacks if not isinstance(callback, WeightAveraging | Checkpoint)]


def as_list(value: Any) -> list[Any]:
    """None, one thing or several, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def loggers(value: Any) -> list[Any]:
    """The loggers that were named in the configuration; `true` is Lightning's choice, TensorBoard where it is there."""
    if value is True and find_spec("tensorboard"):
        return [TensorBoard()]
    return [] if isinstance(value, bool) else as_list(value)


def without_repeats(named: Any) -> Any:
    """The value of `--trainer.logger` or `--trainer.callbacks` without what is there twice.

    A run that goes on has them in its config.yaml, and may be given the same files again. Of the zoo's own each class
    stays once, as it was named last; of the others, which may be several of a kind, those that are equal.
    """
    if not isinstance(named, list):
        return named
    last = {class_path_of(each): i for i, each in enumerate(named)}
    return [
        each
        for i, each in enumerate(named)
        if (last[class_path_of(each)] == i if class_path_of(each).startswith("zoo.") else each not in named[:i])
    ]
