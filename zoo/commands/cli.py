"""The command: LightningCLI with a folder for each run, a test at its end, and no way to score random weights.

python cli.py fit …                 -> train, choose on validation, test once, record
python cli.py test --run_dir DIR …  -> DIR/config.yaml and the flags after it, weights from DIR/checkpoints
"""

import atexit
import hashlib
import os
import sys
import time
import warnings
from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import yaml
from jsonargparse import Namespace
from lightning import Callback, LightningDataModule, Trainer, seed_everything
from lightning.pytorch.callbacks import (
    Checkpoint,
    LearningRateFinder,
    ModelPruning,
    ProgressBar,
    RichProgressBar,
    WeightAveraging,
)
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import CheckpointIO
from lightning.pytorch.profilers import PassThroughProfiler

import zoo
from zoo.callbacks.diagnostic import Diagnostic
from zoo.checkpoints.plugin import SafeCheckpointIO
from zoo.checkpoints.storage import read_checkpoint
from zoo.commands.arguments import add_allow_import, complete, config_state, run_and_state, without_imports
from zoo.commands.class_help import chosen, hint_of, show_class_help
from zoo.commands.finders import (
    check_alone,
    check_finder,
    find_batch_size,
    find_rate,
    finders,
    known_proposals,
    taken_up,
    without_finders,
)
from zoo.commands.trainer_checks import (
    check_monitors,
    check_parts,
    check_trainer,
    settle_callbacks,
    stands_still,
    too_small,
)
from zoo.commands.trainer_setup import without_repeats
from zoo.commands.verbs import verbs as all_verbs
from zoo.commands.verbs import without_debug
from zoo.config.allowlist import find_disallowed, import_trusted, restrict
from zoo.config.config_files import with_files
from zoo.config.error_messages import format_value
from zoo.config.library_errors import is_out_of_memory, line_for
from zoo.config.parser import Parser, innermost, line_within
from zoo.config.type_names import actions, parts
from zoo.config.yaml_limits import limit_yaml, load
from zoo.errors import DataError, UsageError, chain, report, warn
from zoo.files import names_in
from zoo.geometry import check_geometry, oversized
from zoo.launch.devices import FORKING, check_devices, check_strategy, is_half_on_cpu
from zoo.launch.process import (
    end_processes,
    forks,
    is_first,
    keep_memory,
    kill_processes,
    leave_group,
    left_as_found,
    quieten,
    skip_driver_search,
    started_processes,
    starts_itself_again,
)
from zoo.loggers import TensorBoard, Wandb
from zoo.loggers.base import BeginLoggers, RunFacts, close_loggers, log_result, run_loggers
from zoo.loggers.wandb.connection import ResolvedMode, resolve_mode
from zoo.resume.compatibility import check_continues, check_fits
from zoo.resume.endings import check_limits, format_ending, has_ended
from zoo.resume.history import CompareScored, KeepHistory, check_scored, trained_starts
from zoo.resume.identity.changes import check_same_experiment
from zoo.resume.identity.comparison import compare, scored_otherwise
from zoo.resume.identity.records import past_of
from zoo.resume.keep_best import KeepBest, is_better, put_in_place
from zoo.resume.keep_last import KeepLast
from zoo.resume.restore import ExplainRestoreErrors
from zoo.resume.signals import StopSignals
from zoo.resume.training_state import check_loops_and_callbacks, check_training_state
from zoo.runs.diagnostics import DiagnosticsFile
from zoo.runs.figures import draw_run
from zoo.runs.folder import RECORDED, RunFolder, resumable
from zoo.runs.lock import FolderInUse, FolderLock
from zoo.runs.metrics import MetricsFile
from zoo.runs.opening import OpenRun
from zoo.runs.predictions import (
    CollectPredictions,
    check_no_picture,
    predictions_path,
    requested_path,
    source_name,
    source_of,
    write_predictions,
)
from zoo.runs.reports import ProfileReport, is_profiled, let_speak
from zoo.runs.result import make_record, read_record, show_table, write_record
from zoo.runs.source import AskForCode
from zoo.training.accumulation import check_closure
from zoo.training.classifier import Classifier
from zoo.training.finite import StopAtNonFinite
from zoo.training.first_average import FirstAverage
from zoo.training.lightning_compat import adapt
from zoo.training.mistakes import CollectMistakes
from zoo.training.named_callbacks import OPTIONS, options_of, with_options
from zoo.training.progress import EpochLines
from zoo.training.pruning import share_of_zeros
from zoo.training.step_randomness import StepRandomness
from zoo.training.unprofiled import Unprofiled

TRAINER_DEFAULTS = {
    "max_epochs": 10,
    "devices": 1,  # these networks are small: a second device is a decision, not a default
    "logger": False,  # metrics.csv is always written; others are added by name
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,  # the validation steps are tested; running them first would only cost
    "log_every_n_steps": 1,  # nothing is logged by the step unless a callback that is asked for does so
    "use_distributed_sampler": False,  # the batches are shared out by the data module
}
VALIDATED = ("val/loss", "val/accuracy")  # what a validation logs
# names of classes that Lightning knows only with options behind them, and what it calls them without
PLAIN_STRATEGIES = {"DDPStrategy": "ddp", "SingleDeviceStrategy": "auto"}
UNWRITTEN = "Unable to serialize instance"  # jsonargparse's words in place of a value
PROCESS_TIMEOUT = 1800.0  # seconds, as torch has it; one step, one save or one reading of the data must fit in
CHECKPOINT_EVERY = 60.0  # seconds; what a killed run loses at most, and a save takes some hundredths of one


class ZooCLI(LightningCLI):
    """LightningCLI for a base class of models and one of data sets.

    Args:
        data_class: what `--data` names subclasses of; it offers `in_shape` and `num_classes`.
        args: the words of the command line.
        run: whether to run the verb in them.
    """

    def __init__(self, data_class: type[LightningDataModule], args: Sequence[str], run: bool = True) -> None:
        quieten()
        keep_memory()
        skip_driver_search()
        self.signals = StopSignals(lambda: kill_processes(started_processes(getattr(self, "trainer", None))))
        self.lock: FolderLock | None = None
        try:
            with self.signals.handled():
                self._start(data_class, args, run)
                leave_group()
        except BaseException as reason:
            if isinstance(reason, SystemExit):  # told to stop, as the others are; after a failure they may not answer
                leave_group()
            atexit.register(end_processes, started_processes(getattr(self, "trainer", None)))  # after the last word
            raise
        finally:
            self._leave_folder()

    def _start(self, data_class: type[LightningDataModule], args: Sequence[str], run: bool) -> None:
        Parser.all_verbs, Parser.options = tuple(all_verbs()), OPTIONS
        self.given = without_debug(args)
        self.words = words = prepared(self.given)
        super().__init__(
            Classifier,
            data_class,
            save_config_callback=None,  # the run folder has the config
            trainer_defaults=TRAINER_DEFAULTS,
            parser_kwargs={"allow_abbrev": False},
            parser_class=Parser,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            args=words,
            run=run,
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The verbs, and which arguments of the trainer's methods are no options: those that are settled here.

        Only the one on the command line, if there is one: a parser of all options takes 0.1 s to build.
        """
        settled = {"weights_only", "verbose", "return_predictions"}
        verbs = {verb: skipped | settled for verb, skipped in LightningCLI.subcommands().items()}
        return {verb: skipped for verb, skipped in verbs.items() if verb in self.words[:1]} or verbs

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        # Lightning takes true and false too: no seed for the data then, and a run that cannot be repeated
        parser.add_argument("--seed_everything", type=int, default=0, help="Seed of everything random.")

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--run_dir",
            type=str | None,
            default=None,
            help="Folder of the run (default: runs/<data>-<model>/<time>-s<seed>).",
        )
        parser.add_argument(
            "--resume",
            type=Literal["never", "auto", "must"],
            default="never",
            help="Continue the run in --run_dir: never, if there is one (auto), or fail if there is none (must).",
        )
        parser.add_argument(
            "--checkpoint_every",
            type=float,
            default=CHECKPOINT_EVERY,
            help="Seconds after which last.ckpt is due again within an epoch; it is written after each epoch anyway.",
        )
        parser.add_argument(
            "--process_timeout",
            type=float,
            default=PROCESS_TIMEOUT,
            help="Seconds that the processes of a run on several devices wait for one that does not answer.",
        )
        parser.add_argument("--figures", type=bool, default=True, help="Whether to draw the run's figures at its end.")
        parser.add_argument(
            "--resume_schedule",
            type=Literal["refuse", "stretch"],
            default="refuse",
            help="Where a run with a schedule goes on over another length: refuse, or lay it out anew (stretch).",
        )
        parser.add_argument(
            "--otherwise",
            type=Literal["refuse", "allow"],
            default="refuse",
            help="Where images are to be scored in another form than the network was trained on: refuse, or allow it.",
        )
        if self.words[:1] == ["predict"]:
            parser.add_argument(
                "--out",
                type=str | None,
                default=None,
                metavar="FILE.csv",
                help="Where the predictions go (default: predictions.csv in --run_dir; of other data, with its name).",
            )
        add_allow_import(parser)
        link_data(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        # the words are always given as `args`, and there is nothing to warn of when sys.argv has some too
        self.seen = run_and_state(args)
        actions(parser)  # which are not for others: if they are gone, it is said now
        show_class_help(args, parser)
        self.config = parser.parse_args(complete(with_nulls(args, parser)))
        self.note = rate_note(args)
        # flags beat what a checkpoint remembers. Lightning would have it the other way round, and run its classes: it
        # hears of none
        self.asked = self.options.get("ckpt_path")
        if self.asked is not None:
            self.options["ckpt_path"] = None
        seed = self.options["seed_everything"]
        if not 0 <= seed < 2**32:
            raise UsageError(f"seed in --seed_everything: expected 0 to 4294967295, found {seed}")

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

    def before_instantiate_classes(self) -> None:
        self.parser.add_instantiator(with_options, Callback, subclasses=True)
        if not self.subcommand:
            return
        check_whole(self.config[self.subcommand])
        trainer = self.options["trainer"]
        if self.subcommand == "fit":  # runs of the past may still be tested
            check_parts(trainer.as_dict())
        trainer["strategy"] = PLAIN_STRATEGIES.get(str(trainer["strategy"]), trainer["strategy"])
        check_trainer(trainer.as_dict())
        self._settle_precision(trainer)
        self._settle_optimizer()
        check_plain(self.config[self.subcommand])
        trainer["callbacks"] = without_repeats(trainer["callbacks"])
        check_devices(trainer.as_dict(), self.options["data"]["init_args"].get("batch_size"))
        seed = self.options["seed_everything"]
        timeout = self.options["process_timeout"]
        if not 1 <= timeout <= 7 * 86400:
            raise UsageError(
                f"seconds in --process_timeout: expected 1 to 604800, found {timeout:g}. Try: {PROCESS_TIMEOUT:g}"
            )
        given = self.options["run_dir"]
        if given == "":  # an empty variable of a shell would be a folder of its own each time
            raise UsageError("run folder in --run_dir: expected a name, found an empty one. Try: --run_dir DIR")
        names = {key: self.options[key]["class_path"].rpartition(".")[2] for key in ("data", "model")}
        self.names = {**names, "seed": seed}
        self.folder = RunFolder(given) if given else RunFolder.default(**self.names)
        self.has_folder = bool(given)
        self._take_folder()
        self.proposed: dict[str, float] = {}
        named = trainer["callbacks"]
        if self.subcommand == "fit" and self.options["resume"] != "never" and self.folder.holds_run:
            trainer["callbacks"] = without_finders(trainer["callbacks"])  # the search is done
        self.checkpoint = self._choose_checkpoint()
        data = self.options["data"]["init_args"]
        if "root" in data:
            data["root"] = data["root"] or os.environ.get("ZOO_DATA") or "data"
        if self.subcommand == "predict" and self.options["out"]:
            requested_path(self.options["out"], source_of(self.options["data"]))
        self.past = self._read_past(named)
        if self.subcommand == "fit":
            self.code = AskForCode()
            every = self.options["checkpoint_every"]
            if not every > 0:
                raise UsageError(f"seconds in --checkpoint_every: expected more than 0, found {every:g}. Try: 60")
            self._settle_loggers()
        if self.checkpoint and self.subcommand != "fit" and "known_classes" in data:
            content = read_checkpoint(self.checkpoint)
            check_no_picture(data.get("path"), content.get("hyper_parameters", {}).get("in_shape"))
        if self.checkpoint and self.subcommand != "fit" and "known_classes" in data and data["known_classes"] is None:
            # images without labels don't tell how many classes there are, the checkpoint does
            known = content.get("hyper_parameters", {}).get("num_classes")
            sides = {len(weight) for weight in content["state_dict"].values() if weight.ndim}
            data["known_classes"] = known if type(known) is int and known in sides else None

    def _take_folder(self) -> None:
        """Makes this run the only one at its folder, until the end of the command; the first process does so for all.

        Raises:
            FolderInUse: another run is there.
        """
        trainer = self.options["trainer"]
        writes = self.subcommand == "fit" and not (trainer["fast_dev_run"] or trainer["barebones"])
        if not is_first() or not (writes or (self.has_folder and self.subcommand != "fit")):
            return
        if self.has_folder and self.folder.path.exists() and not self.folder.path.is_dir():
            self.folder.check_free()
        made = [] if self.has_folder else self.folder.make_new()
        self.lock = FolderLock(self.folder.path, shared=self.subcommand in ("validate", "test"))
        self.lock.made = made
        self.before = names_in(self.folder.path)
        try:
            warn(self.lock.take())
        except BaseException:
            self.lock.unmake()
            self.lock = None
            raise
        if self.seen and self.seen[1] != config_state(self.seen[0]):
            raise FolderInUse(
                f"run folder in --run_dir: expected nobody else at it, found {self.folder.path} changed by another"
                " process since this one began. Try: the same command again"
            )
        if not self.lock.shared:
            self.folder.sweep()

    def _leave_folder(self) -> None:
        """Gives the folder back; one in which no run has begun is left as it was."""
        if self.lock:
            if not self.lock.shared and not self.folder.holds_run:
                self.folder.clear(self.before)
            self.lock.release()

    def _settle_optimizer(self) -> None:
        """Lets switches of the optimiser that exclude the fused one, which nobody asked for, turn it off."""
        held = self.options["model"]["init_args"].get("optimizer", ...)
        if held is None:
            raise UsageError(
                "optimiser in --model.optimizer: expected one, found null. Try: --model.optimizer torch.optim.Adam"
            )
        settings = held.get("init_args") if isinstance(held, Namespace) else None
        if settings and (settings.get("foreach") or settings.get("differentiable")) and not self._says(".fused"):
            settings["fused"] = None if settings.get("foreach") else False

    def _settle_precision(self, trainer: Namespace) -> None:
        """Refuses to train in 16-mixed on a processor; the weights of a run on a GPU are scored in what there is.

        Raises:
            UsageError: config.yaml would have said another precision than the one that was trained in.
        """
        if not is_half_on_cpu(trainer.as_dict()):
            return
        if self.subcommand == "fit":
            raise UsageError(
                f"precision in --trainer.precision: expected one that the processor computes in, found"
                f" {trainer['precision']}, which needs a GPU. Try: --trainer.precision bf16-mixed"
            )
        trainer["precision"] = "bf16-mixed"

    def _says(self, word: str) -> bool:
        """Whether a flag of the command line ends like this."""
        return any(given.partition("=")[0].endswith(word) for given in self.words)

    def _settle_loggers(self) -> None:
        """Finds out what W&B can be asked for, if it is wanted, before anything is built."""
        trainer = self.options["trainer"]
        trainer["logger"] = without_repeats(trainer["logger"])
        named = [] if trainer["fast_dev_run"] else loggers(trainer["logger"])
        self.wandb: ResolvedMode
        self.wandb, warning = resolve_mode(named, self.folder.path)
        warn(warning)

    def _choose_checkpoint(self) -> Path | None:
        """The checkpoint to start from, checked to be readable; None to start anew."""
        if self.subcommand != "fit":
            return Path(self.asked)  # `complete` has put it there
        resume = self.options["resume"]
        if resume != "never" and not self.has_folder:
            raise UsageError(
                f"run folder in --run_dir: expected one to continue (--resume {resume}), found none. Try: --run_dir DIR"
            )
        if resume == "never":
            self.folder.check_free()
        if resume == "must":
            self.folder.check_run()
        if resume != "never":
            newest, warning = resumable(self.folder)
            warn(warning)
            if newest:
                return newest
            self.folder.check_same(self._recorded())
        return Path(self.asked) if self.asked else None

    def _read_past(self, named: Any) -> dict[str, Any]:
        """The record of the run whose checkpoint it is, empty if there is none; what goes on with it must be it.

        Args:
            named: the callbacks, with finders whose search is done.
        """
        self.parts: list[dict[str, Any]] = []
        if not self.checkpoint:
            return {}
        content = read_checkpoint(self.checkpoint)
        beside = RunFolder(self.checkpoint.absolute().parent.parent)
        past = past_of(content, self.checkpoint, beside.config)
        if self.subcommand == "fit":
            self.parts = trained_starts(content)
            self.proposed = known_proposals(past.get("proposed"))
            for name, value in taken_up(named, self.proposed).items():
                settings = self._settings_of(name)
                if settings is not None:
                    settings[name] = value
            stretch = self.options["resume_schedule"] == "stretch"
            check_same_experiment(compare(past, {"config": self._recorded()}), self.checkpoint, stretch=stretch)
        return past

    def instantiate_classes(self) -> None:
        self._instantiate_all()
        if self.subcommand == "fit" and self.searches:
            self._search()
            seed_everything(
                self.options["seed_everything"], workers=True
            )  # from here on the run is the one that these values, set by hand, would give
            self._instantiate_all()

    def _search(self) -> None:
        """Has the finders among the callbacks propose values, and puts these into the configuration in their place."""
        check_alone(self.trainer.world_size)
        for finder in self.searches:
            check_finder(finder)
        flags = self.made["trainer"].as_dict()
        self.datamodule.prepare_data()
        self.datamodule.setup()
        for finder in sorted(self.searches, key=lambda each: isinstance(each, LearningRateFinder)):
            if isinstance(finder, LearningRateFinder):
                found: float = find_rate(finder, self.model, self.datamodule, flags)
                key, name, take = "model.optimizer.lr", "lr", options_of(finder)["update_attr"]
            else:
                window = flags.get("accumulate_grad_batches") or 1  # an epoch has to have as many batches
                images = max(1, len(self.datamodule.splits["train"]) // window)
                found = find_batch_size(finder, self.model, self.datamodule, flags, images)
                key, name, take = "data.batch_size", "batch_size", True
                self.datamodule.batch_size = found
            settings = self._settings_of(name)
            if settings is None:
                raise UsageError(
                    f"optimiser in --model.optimizer: expected one with a rate for {type(finder).__name__}, found none"
                )
            self.proposed[name] = found
            before = settings.get(name)
            instead = f" instead of {before}" if take and before is not None else ""
            report(f"{type(finder).__name__} proposes --{key} {found:g}{instead}")
            if take:
                settings[name] = found
        trainer = self.options["trainer"]
        trainer["callbacks"] = without_finders(trainer["callbacks"])
        del self.config_dump  # Lightning's copy of the configuration, which checkpoints describe the model by

    def _settings_of(self, name: str) -> Namespace | None:
        """Where in the configuration stands what a finder proposes; None if it stands nowhere."""
        if name == "batch_size":
            return self.options["data"]["init_args"]
        place = self.options["model"]["init_args"].get("optimizer")
        return place.get("init_args") if isinstance(place, Namespace) else None

    def _instantiate_all(self) -> None:
        try:
            super().instantiate_classes()
            check_geometry(self.model.net, self.datamodule.in_shape)
        except (ValueError, RuntimeError, MemoryError) as error:  # a constructor refused a value, or a layer its input
            if is_out_of_memory(error):
                raise UsageError(
                    "memory in --model: expected enough for the weights of the network, found less."
                    " Try: a smaller network"
                ) from error
            if data := next((each for each in chain(error) if isinstance(each, DataError)), None):
                raise data from None  # the file is wrong, not the command
            if not isinstance(error, ValueError):
                raise
            # where one class or a list of them may stand, the line is among those of what else may stand there
            blame = next(filter(None, map(line_for, chain(error))), None)
            raise UsageError(line_within(str(error), None) or blame or innermost(error)) from error

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

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = {**self.made["trainer"], **kwargs}
        if not self.subcommand:
            return self._make_trainer(config)
        config["default_root_dir"] = config["default_root_dir"] or str(self.folder.path)
        config["plugins"] = as_list(config["plugins"])
        if any(isinstance(plugin, CheckpointIO) for plugin in config["plugins"]):
            raise UsageError(
                "plugin in --trainer.plugins: expected none that reads or writes checkpoints, found one."
                " Try: without it; the zoo's own writes them whole and reads them without running code"
            )
        checkpoints = SafeCheckpointIO(keep_previous=[self.folder.last])
        config["plugins"].append(checkpoints)
        bare = config["barebones"]
        self.dry = bool(config["fast_dev_run"]) or bare
        callbacks = as_list(config.pop("callbacks"))
        self.searches = [] if self.dry else finders(callbacks)
        callbacks = [callback for callback in callbacks if callback not in finders(callbacks)]
        callbacks = settle_callbacks(callbacks, config["max_time"])
        if self.subcommand == "fit":
            check_monitors(callbacks, self.model, validates=self._validates(config))
        bar = config["enable_progress_bar"]
        if bar is None:  # a bar in a log file is noise, unless it was asked for
            has_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
            bar = config["enable_progress_bar"] = has_bar or (sys.stdout.isatty() and not bare)
        if bar and not any(isinstance(callback, ProgressBar) for callback in callbacks):
            callbacks.append(RichProgressBar(refresh_rate=5, leave=False))
        self.lines, self.mistakes, self.predictions = EpochLines(), CollectMistakes(), CollectPredictions()
        if self.subcommand == "fit":
            averages = [FirstAverage()] * any(isinstance(callback, WeightAveraging) for callback in callbacks)
            callbacks = [StepRandomness(self.names["seed"]), StopAtNonFinite(), self.lines, *averages, *callbacks]
            if not self.dry:
                recorded = self.recorded = self._recorded()
                self.metrics = MetricsFile(self.folder.metrics)
                self.history = KeepHistory(
                    self.folder,
                    recorded,
                    self.code,
                    self.past,
                    self.parts,
                    self.checkpoint,
                    self.metrics,
                    stretch=self.options["resume_schedule"] == "stretch",
                    repeated=None if self.checkpoint else self._repeated(),
                    proposed=self.proposed,
                )
                callbacks = [
                    self.history,
                    OpenRun(self.folder, recorded, self.checkpoint, self.history.write),
                    *callbacks,
                ]
                self.diagnostics = DiagnosticsFile(self.folder.diagnostics)
                for callback in callbacks:
                    if isinstance(callback, Diagnostic):
                        callback.file = self.diagnostics
                config["logger"] = [self.metrics, *loggers(config["logger"])]
                for logger in config["logger"]:
                    if isinstance(logger, Wandb):
                        logger.resolved_mode = self.wandb
                if config["enable_checkpointing"] is not False:
                    if self._validates(config):
                        callbacks.append(KeepBest(self.folder.best))
                    every = self.options["checkpoint_every"]
                    named = str(recorded["trainer"]["callbacks"])
                    timeout = timedelta(seconds=self.options["process_timeout"])
                    callbacks.append(KeepLast(self.folder.last, every, self.signals, named, timeout))
        else:
            config["logger"] = config["enable_checkpointing"] = False
            split = "val" if self.subcommand == "validate" else "test"
            self.scored = CompareScored(self.past, split, predicts=self.subcommand == "predict")
            callbacks = [self.scored, *scoring(callbacks), self.mistakes, self.predictions]
        if bare:  # Lightning refuses what is given besides, be it a default of ours
            config["log_every_n_steps"] = None
            warnings.filterwarnings("ignore", message=".*but `Trainer\\(barebones=True\\)` is configured.*")
        self.restoring = ExplainRestoreErrors(self.checkpoint)
        trainer = self._make_trainer({**config, "callbacks": [self.restoring, *callbacks]})
        let_speak([*trainer.callbacks, *[trainer.profiler] * is_profiled(trainer)])  # type: ignore[attr-defined]
        self.profile = None
        if is_profiled(trainer) and not self.dry:
            home = self.folder if self.has_folder or self.subcommand == "fit" else RunFolder(".")
            self.profile = ProfileReport(trainer.profiler, home)  # type: ignore[attr-defined]
            trainer.callbacks.append(self.profile)  # type: ignore[attr-defined]
        if self.subcommand and starts_itself_again(trainer) and self.given != without_debug(sys.argv[1:]):
            raise UsageError(
                f"devices in --trainer.devices: expected 1 in a program that calls the command, found"
                f" {trainer.num_devices}, for which the whole program would be started again."
                f" Try: --trainer.devices 1, or python cli.py {self.subcommand} … as a process of its own"
            )
        if forks(trainer):  # DDPStrategy with a start_method
            check_strategy(FORKING[0])
        checkpoints.resumes = lambda: trainer.state.fn == "fit"
        adapt(trainer, self.options["process_timeout"])
        return trainer

    def _validates(self, config: dict[str, Any]) -> bool:
        return getattr(self.datamodule, "val_size", None) != 0 and config["limit_val_batches"] != 0

    def _repeated(self) -> Path | None:
        """The config.yaml of a run among the files that were given: this is to be the same run once more."""
        files = [Path(str(path)) for path in as_list(self.options["config"])]
        return next((file for file in files if RunFolder(file.parent).config == file), None)

    def _recorded(self) -> dict[str, Any]:
        """The resolved configuration as plain values, without what belongs to one start of the run."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it could not write stands in the text
            whole = yaml.safe_load(self.parser.dump(self.config, skip_none=False, skip_validation=True))
            whole = whole[self.subcommand]
        check_written(whole)
        return {key: whole[key] for key in RECORDED if key in whole}

    def after_instantiate_classes(self) -> None:
        self.pruned = any(isinstance(each, ModelPruning) for each in getattr(self.trainer, "callbacks", ()))
        if self.subcommand:
            self.model.lay_out(flat=self.pruned)  # states in checkpoints are held against weights that lie so
        if self.subcommand == "fit":
            try:
                optimizer = self.model.make_optimizer()
                check_closure(optimizer, self.trainer)  # fails here if it must
                warn(too_small(optimizer, str(self.trainer.precision)))
                warn(stands_still(optimizer))
            except ValueError as error:
                raise UsageError(str(error)) from error
        if self.subcommand and self.checkpoint:
            content = self._checked(self.checkpoint)
            if self.subcommand == "fit":
                check_loops_and_callbacks(self.checkpoint, content, self.trainer)
                check_limits(content, self.trainer)
                check_continues(self.checkpoint, content, self.model)
                check_training_state(self.checkpoint, content, self.model)
            else:
                if self.has_folder and self.checkpoint == self.folder.last:
                    self._miss_best(content)
                allowed = self.options["otherwise"] == "allow"
                changes = scored_otherwise(self.past, {"config": self._recorded()})
                self.scored.notes = check_scored(changes, self.checkpoint, allowed=allowed)
            self.datamodule.trained_with(self.past.get("data", {}))
            names = self.past.get("data", {}).get("classes")
            if self.subcommand != "fit" and names and not self.datamodule.named:
                self.datamodule.call_classes(names)

    def _checked(self, path: Path) -> dict[str, Any]:
        """The contents of a checkpoint that the model can take up."""
        content = read_checkpoint(path)
        check_fits(path, content, self.model)
        return content

    # the verbs: LightningCLI calls these instead of the trainer's methods of the same names

    def fit(self, **kwargs: Any) -> None:
        """Trains, then tests the checkpoint that validation chose; shows the result again where that is done."""
        content = read_checkpoint(self.checkpoint) if self.checkpoint else {}
        ours = self.checkpoint is not None and self.checkpoint.parent == self.folder.checkpoints
        ended = ours and not self.dry and has_ended(content, self.trainer)
        if ours:
            self._miss_best(content)
        if ended:
            self.history.check_data(self.datamodule)
        if ended and (record := read_record(self.folder.result, content["ending"])):
            if self.trainer.is_global_zero:
                self._show(record)
            return
        with close_loggers(self.trainer):
            self._fit(content, ended=ended)
        self._name_profile()

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

    def _fit(self, content: dict[str, Any], *, ended: bool) -> None:
        if self.checkpoint:
            report(f"continues from {self.checkpoint}")
        elif self.note:
            report(self.note)
        if large := oversized(self.model.net, self.datamodule.in_shape):
            more = f" and {len(large) - 1} more" if len(large) > 1 else ""
            report(f"kernel larger than its map: {large[0]}{more}; a part of it sees the frame of zeros only")
        if not self.dry:
            self._begin(content, ended=ended)
        if ended:
            self.lines.seconds = content["ending"]["seconds"]
            self.trainer.callbacks = scoring(self.trainer.callbacks)  # type: ignore[attr-defined]
        else:
            content = {}  # the memory is needed
            with self.restoring:
                self.trainer.fit(self.model, self.datamodule, ckpt_path=self.checkpoint, weights_only=True)
            self.trainer.callbacks = scoring(self.trainer.callbacks)  # type: ignore[attr-defined]
        if self.dry:
            report(self._dry_run(self.lines.seconds))
            return
        end = self._ending()
        # where a longer training was begun and given up, the best may have been taken back already
        if end and (end["chosen"] is None or (ended and end["validated"])):
            end = self._validate_last() or end
        chosen = self.trainer.strategy.broadcast(self.folder.chosen if self.folder.chosen.exists() else None)
        if not chosen:
            report(nothing_tested(self.trainer))
            return
        # the mistakes come only now: in training they would be asked at every step
        figures = self.options["figures"]
        self.trainer.callbacks = [*self.trainer.callbacks, *[self.mistakes] * figures]  # type: ignore[attr-defined]
        content = self._checked(chosen)  # it need not be of this start of the run
        epoch, validated = content["epoch"], content.get("results", {}).get("val")
        del content  # the memory is needed
        with self.restoring.of(chosen):
            self.trainer.test(self.model, self.datamodule, ckpt_path=chosen, verbose=False, weights_only=True)
        self._check_complete("test")
        if self.trainer.is_global_zero:
            self._record(epoch, validated, end, figures=figures)

    def _begin(self, content: dict[str, Any], *, ended: bool) -> None:
        """Takes up the files of a run that goes on, and lets the loggers know of it."""
        step, row = content.get("global_step", 0), content.get("row")
        before = content.get("ending") or {}
        if self.checkpoint:
            last = before["row"] if ended and before["row"] else row
            complaint = self.metrics.continue_from(step, last, content.get("metrics"))
            warn(complaint if self.checkpoint.parent == self.folder.checkpoints else None)  # else there are none yet
            self.diagnostics.continue_from(step)
        if not ended and before.get("row"):  # of an epoch that was none
            at = before["row"]["step"]
            held = self.metrics.known_row(content.get("metrics"), at)
            self.metrics.take_back(at, {*before["row"], *VALIDATED}, held | (row if row and row["step"] == at else {}))
            for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, Diagnostic):
                    callback.take_back(int(before["row"]["epoch"]))
        elif not ended and before.get("validated") and row:
            self.metrics.take_back(row["step"], VALIDATED, row)
        facts = RunFacts(self.folder.path, config=self.recorded, step=step, row=row, **self.names)
        if ended:
            for logger in run_loggers(self.trainer):
                logger.begin(facts)
        else:
            self.trainer.callbacks.append(BeginLoggers(facts))  # type: ignore[attr-defined]

    def _ending(self) -> dict[str, Any]:
        """What last.ckpt says of the end of the training; nothing if it says nothing."""
        return read_checkpoint(self.folder.last).get("ending") or {} if self.folder.last.exists() else {}

    def _validate_last(self) -> dict[str, Any] | None:
        """Validates the weights of the end, which have seen steps since the last validation, and chooses anew.

        Returns what last.ckpt says of the end now, if that is another thing than before.
        """
        start, trainer, last = time.perf_counter(), self.trainer, self.folder.last
        named, trainer.loggers = trainer.loggers, []  # the row that these results belong to is one step back
        content = self._checked(last)
        with self.restoring.of(last):
            trainer.validate(self.model, self.datamodule, ckpt_path=last, verbose=False, weights_only=True)
        trainer.loggers = named
        if not trainer.is_global_zero or "val" not in self.model.results:
            return None
        result, ending = self.model.results["val"], content["ending"]
        found = {"accuracy": result.accuracy, "loss": result.loss}
        row = {name: int((ending["row"] or content["row"])[name]) for name in ("step", "epoch")}
        for logger in trainer.loggers:
            logged = {f"val/{name}": value for name, value in found.items()}
            logger.log_metrics({**logged, "epoch": row["epoch"]}, row["step"])
            logger.save()
        print(f"after the last step  val loss {result.loss:.4f}, {100 * result.accuracy:.2f} %", flush=True)
        chosen = {name: value for name, value in content.items() if name not in ("ending", "stop", "row")}
        chosen["results"] = {**content.get("results", {}), "val": {**found, "n": result.n}}
        if is_better(found, content.get("callbacks", {}).get("KeepBest", {"accuracy": -1.0})):
            put_in_place(self.folder.best, ending["steps"])
            trainer.strategy.checkpoint_io.save_checkpoint(chosen, self.folder.best)
        if not ending["validated"]:
            self.lines.seconds = ending["seconds"] + time.perf_counter() - start
        ending = {**ending, "chosen": self.folder.best.name, "validated": found, "seconds": self.lines.seconds}
        trainer.strategy.checkpoint_io.save_checkpoint({**content, "ending": ending}, last)
        return ending

    def _dry_run(self, seconds: float) -> str:
        """What has come of a training that leaves nothing behind."""
        batches = int(self.trainer.fast_dev_run)  # type: ignore[attr-defined]
        if batches:
            count = "one batch" if batches == 1 else f"{batches} batches"
            return f"fast_dev_run: {count} of training and of validation went through; nothing was written or tested"
        epochs = self.trainer.current_epoch
        return (
            f"barebones: {epochs} epoch{'s' * (epochs != 1)} in {seconds:.2f} s; nothing was logged, written or tested"
        )

    def validate(self, **kwargs: Any) -> None:
        """Scores the validation images."""
        self._evaluate("val", self.trainer.validate)
        self._name_profile()

    def test(self, **kwargs: Any) -> None:
        """Scores the test images."""
        self._evaluate("test", self.trainer.test)
        self._name_profile()

    def predict(self, **kwargs: Any) -> None:
        """Writes the probabilities of the classes for each test image."""
        with self.restoring:
            self.trainer.predict(
                self.model, self.datamodule, ckpt_path=self.checkpoint, return_predictions=False, weights_only=True
            )
        if self.trainer.is_global_zero:
            self._write_predictions()
        self._name_profile()

    def _write_predictions(self) -> None:
        """Writes what was predicted where no predictions of other data are."""
        data = self.options["data"]
        source, trained = source_of(data), self._trained_on()
        own = self.has_folder and source == trained
        out = self.options["out"]
        if out:
            path = requested_path(out, source)
        elif trained and source == trained:
            path = predictions_path(self.folder.path if own else Path(), "predictions", source, own=own)
        else:
            path = predictions_path(self.folder.path if self.has_folder else Path(), source_name(source), source)
        digest = hashlib.sha256(self.datamodule.part("test").images.numpy()).hexdigest()
        note = {"source": source, "data": self.names["data"], "sha256": digest, "checkpoint": str(self.checkpoint)}
        write_predictions(path, self.predictions, self.datamodule.classes, note)
        print(f"predictions of {len(self.predictions.index):,} images of {source} ({digest[:12]}…): {path}")

    def _trained_on(self) -> str | None:
        """The data of the run whose weights these are, as its config.yaml says."""
        config = RunFolder(self.checkpoint.absolute().parent.parent).config if self.checkpoint else None
        try:
            return source_of(load(config.read_text())["data"]) if config else None
        except (yaml.YAMLError, OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return None

    def _evaluate(self, split: str, verb: Any) -> None:
        with self.restoring:
            verb(self.model, self.datamodule, ckpt_path=self.checkpoint, verbose=False, weights_only=True)
        if split not in self.model.results:
            raise UsageError(f"{split} images in --data.{split}_size: expected some, found none")
        self._check_complete(split)
        if self.trainer.is_global_zero:
            result = self.model.results[split]
            row = {"accuracy": result.accuracy, "loss": result.loss, "n": result.n}
            show_table(
                f"{self.names['model']} on {self.names['data']}",
                {split: row},
                [f"checkpoint: {self.checkpoint}", *self.scored.notes],
            )

    def _check_complete(self, split: str) -> None:
        """Refuses a result that does not count every image of the split once, unless less was asked for."""
        limited = self.trainer.limit_test_batches if split == "test" else self.trainer.limit_val_batches
        if split not in self.model.results:  # --trainer.limit_test_batches 0
            return
        expected, found = len(self.datamodule.splits[split]), self.model.results[split].n
        everything = isinstance(limited, float) and limited == 1.0  # the whole number 1 is one batch
        if everything and found != expected:
            raise ValueError(f"images counted in {split}: expected {expected}, found {found}")

    def _record(self, epoch: int, validated: dict[str, Any] | None, end: dict[str, Any], *, figures: bool) -> None:
        """Writes result and, if they are wanted, figures of a finished run and shows them.

        Args:
            epoch: of the checkpoint that was chosen, from 0.
            validated: what its validation came to.
            end: what last.ckpt says of the end of the training.
            figures: whether they are wanted.
        """
        seconds = end.get("seconds", self.lines.seconds)
        record = make_record(self.trainer, self.model, self.folder, self.names, seconds, end, epoch, validated)
        record |= {"zeros": round(share_of_zeros(self.model), 6)} if self.pruned else {}
        record |= {"proposed": self.proposed} if self.proposed else {}
        record["parts"] = self.history.conclusion(self.trainer)
        write_record(self.folder.result, record)
        if figures:
            best, mistakes = record["best_epoch"], self.mistakes.mistakes
            try:
                draw_run(self.folder, self._title(), best, self.model.results, mistakes, self.datamodule)
            except Exception as error:  # the result stands without its pictures
                reason = " ".join(str(error).split())[:160] or type(error).__name__
                warn(f"figures in {self.folder.figures}: expected all that there are, found an error ({reason})")
        log_result(self.trainer, record, self.folder.figures)
        self._show(record)

    def _title(self) -> str:
        return f"{self.names['model']} on {self.names['data']}, seed {self.names['seed']}"

    def _show(self, record: dict[str, Any]) -> None:
        """Prints the table of a finished run."""
        epochs = f"{record['epochs']} epoch{'s' * (record['epochs'] != 1)}"
        chosen = record["chosen_by"] if "chosen_by" in record else self.folder.best.exists()
        reason = "chosen on validation" if chosen else "the last: nothing was validated"
        notes = [
            f"{record['parameters']:,} parameters, {epochs} in {record['seconds']:.1f} s,"
            f" weights of epoch {record['best_epoch']} ({reason})",
            f"result: {self.folder.result}" + f"   figures: {self.folder.figures}/" * self.folder.figures.exists(),
        ]
        if isinstance(record.get("zeros"), float):
            notes.insert(1, f"pruned: {100 * record['zeros']:.1f} % of the parameters are 0")
        if record["ended"]["reason"] not in (None, "max_epochs"):
            notes.insert(1, f"training ended by {format_ending(record['ended'])}")
        show_table(self._title(), {split: record[split] for split in ("train", "val", "test")}, notes)


def run_lightning(args: Sequence[str], data_class: type[LightningDataModule]) -> None:
    """Runs one of LightningCLI's verbs and leaves the process as it was.

    Args:
        args: the verb and the words after it.
        data_class: what `--data` names subclasses of.
    """
    zoo.list_models()  # imported, the classes are known by their short names
    with left_as_found():
        ZooCLI(data_class, args)


def prepared(args: Sequence[str]) -> list[str]:
    """The words to parse, once it is settled what they and the files they name may say."""
    words, trusted = without_imports(args)
    restrict(trusted)
    for module in trusted:
        try:
            import_trusted(module)
        except ValueError as error:
            raise UsageError(str(error)) from error
    limit_yaml()
    return with_files(words)


def with_nulls(args: Sequence[str], parser: LightningArgumentParser) -> list[str]:
    """The words with `null` for the `None` that a W&B sweep makes of it, where an option takes null."""
    words = list(args)
    for i, word in enumerate(words):
        flag, _, value = word.partition("=")
        if value == "None" and flag.startswith("--") and NoneType in parts(hint_of(flag[2:], parser, words)):
            words[i] = f"{flag}=null"
    return words


def rate_note(args: Sequence[str]) -> str | None:
    """The message where an optimiser is named and its rate is not: it is that of the default, Adam."""
    if any(word.startswith(("--model.optimizer.lr", "-c", "--config", "--model.optimizer=")) for word in args):
        return None
    named = chosen("model.optimizer", args)
    if not named or named.rpartition(".")[2] in ("Adam", "AdamW") or "/" in named or named.startswith("{"):
        return None
    return f"{named} gets Adam's learning rate, 0.001; --model.optimizer.lr sets another"


def link_data(parser: LightningArgumentParser) -> None:
    """Lets the data decide the geometry of the model, and the seed the order of the data."""
    for name in ("in_shape", "num_classes"):
        parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
    parser.link_arguments("seed_everything", "data.init_args.seed")


def check_whole(config: Namespace) -> None:
    """Raises UsageError where there are no options at all: jsonargparse takes that without a look."""
    if not isinstance(config.trainer, Namespace):
        found = "null" if config.trainer is None else format_value(str(config.trainer))
        raise UsageError(f"options in --trainer: expected names with values, found {found}")
    if config.run_dir and "://" in config.run_dir:
        found = f"the address {format_value(config.run_dir)}"
        raise UsageError(f"run folder in --run_dir: expected one on this machine, found {found}")


def check_plain(config: Namespace) -> None:
    """Raises UsageError for functions and unread classes."""
    check_values(config, ("trainer", "data", "model"))


def check_values(config: Namespace, keys: Sequence[str]) -> None:
    """Raises UsageError for functions and unread classes under these keys."""
    for key in keys:
        if hidden := find_disallowed(config[key].as_dict()):
            raise UsageError(f"value in --{key}: expected classes and plain values, found {hidden[:100]}")


def nothing_tested(trainer: Trainer) -> str:
    """The message at the end of a training that has left no weights."""
    if trainer.global_step:
        return "no checkpoint was written, so nothing was tested"
    limits = ("max_epochs", "max_steps", "limit_train_batches")
    flags = ", ".join(f"--trainer.{name} 0" for name in limits if getattr(trainer, name) == 0)
    return f"no step was trained{f' ({flags})' * bool(flags)}, so nothing was written or tested"


def scoring(callbacks: Sequence[Any]) -> list[Any]:
    """The callbacks for a pass without training: those that save have nothing to do, and those that average no more.

    A checkpoint has the averages. After a training in the same process, Lightning's would read the weights of the last
    step from it.
    """
    return [callback for callback in callbacks if not isinstance(callback, WeightAveraging | Checkpoint)]


def check_written(value: Any, place: str = "") -> None:
    """Raises UsageError for a value that could not be written down: config.yaml would not repeat the run."""
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            check_written(item, place if name == "init_args" else f"{place}.{name}".removeprefix("."))
    elif isinstance(value, str) and value.startswith(UNWRITTEN):
        found = value.removeprefix(UNWRITTEN).strip()
        raise UsageError(f"value in --{place}: expected one that config.yaml can hold, found {format_value(found)}")


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
