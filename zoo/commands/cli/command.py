"""The command: LightningCLI with a folder for each run, a test at its end, and no way to score random weights.

python cli.py fit …                 -> train, choose on validation, test once, record
python cli.py test --run_dir DIR …  -> DIR/config.yaml and the flags after it, weights from DIR/checkpoints
"""

import atexit
import os
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from jsonargparse import Namespace
from lightning import Callback, LightningDataModule
from lightning.pytorch.callbacks import ModelPruning
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

import zoo
import zoo.callbacks
from zoo.commands.arguments import complete, run_and_state
from zoo.commands.class_help import show_class_help
from zoo.commands.cli.finders import without_finders
from zoo.commands.cli.fitting import Fits
from zoo.commands.cli.flags import (
    add_flags,
    check_seconds,
    check_values,
    check_whole,
    learn_network,
    link_data,
    prepared,
    rate_note,
    with_nulls,
)
from zoo.commands.cli.run_folder import FindsRun
from zoo.commands.cli.scoring import Scores
from zoo.commands.cli.search import MakesObjects
from zoo.commands.cli.trainer_checks import check_parts, check_trainer, stands_still, too_small
from zoo.commands.cli.trainer_setup import MakesTrainer, without_repeats
from zoo.commands.verbs import verbs as all_verbs
from zoo.commands.verbs import without_debug
from zoo.config.parser import Parser
from zoo.config.type_names import actions
from zoo.errors import UsageError, warn
from zoo.launch.devices import check_devices, is_half_on_cpu
from zoo.launch.process import (
    end_processes,
    keep_memory,
    kill_processes,
    leave_group,
    left_as_found,
    quieten,
    skip_driver_search,
    started_processes,
)
from zoo.resume.endings import check_limits
from zoo.resume.history import check_scored
from zoo.resume.identity.comparison import scored_otherwise
from zoo.resume.signals import StopSignals
from zoo.resume.training_state import check_loops_and_callbacks, check_training_state
from zoo.resume.weights_fit import check_continues
from zoo.runs.lock import FolderLock
from zoo.runs.predictions import requested_path, source_of
from zoo.runs.source import AskForCode
from zoo.training.accumulation import check_closure
from zoo.training.callbacks.named_callbacks import OPTIONS, with_options
from zoo.training.classifier import Classifier

TRAINER_DEFAULTS = {
    "max_epochs": 10,
    "devices": 1,  # these networks are small: a second device is a decision, not a default
    "logger": False,  # metrics.csv is always written; others are added by name
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,  # the validation steps are tested; running them first would only cost
    "log_every_n_steps": 1,  # nothing is logged by the step unless a callback that is asked for does so
    "use_distributed_sampler": False,  # the batches are shared out by the data module
}
# names of classes that Lightning knows only with options behind them, and what it calls them without
PLAIN_STRATEGIES = {"DDPStrategy": "ddp", "SingleDeviceStrategy": "auto"}


class ZooCLI(FindsRun, MakesObjects, MakesTrainer, Fits, Scores):
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
        add_flags(parser, self.words[:1])
        link_data(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        # the words are always given as `args`, and there is nothing to warn of when sys.argv has some too
        self.seen = run_and_state(args)
        actions(parser)  # which are not for others: if they are gone, it is said now
        show_class_help(args, parser)
        self.completed = complete(with_nulls(args, parser))
        self.config = parser.parse_args(self.completed)
        self.note = rate_note(args)
        # flags beat what a checkpoint remembers. Lightning would have it the other way round, and run its classes: it
        # hears of none
        self.asked = self.options.get("ckpt_path")
        if self.asked is not None:
            self.options["ckpt_path"] = None
        seed = self.options["seed_everything"]
        if not 0 <= seed < 2**32:
            raise UsageError(f"seed in --seed_everything: expected 0 to 4294967295, found {seed}")

    def before_instantiate_classes(self) -> None:
        self.parser.add_instantiator(with_options, Callback, subclasses=True)
        self.proposed, self.trained, self.started_from, self.said = {}, None, None, False
        if not self.subcommand:
            self._settle_weights({})
            return
        self._check_options()
        trainer, data = self.options["trainer"], self.options["data"]["init_args"]
        self._name_run()
        self._take_folder()
        named = trainer["callbacks"]
        if self.subcommand == "fit" and self.options["resume"] != "never" and self.folder.holds_run:
            trainer["callbacks"] = without_finders(trainer["callbacks"])  # the search is done
        self.checkpoint = self._choose_checkpoint()
        if "root" in data:
            data["root"] = data["root"] or os.environ.get("ZOO_DATA") or "data"
        if self.subcommand == "predict" and self.options["out"]:
            requested_path(self.options["out"], source_of(self.options["data"]))
        self.past = self._read_past(named)
        if self.subcommand == "fit":
            self.code = AskForCode()
            self._settle_loggers()
        elif self.checkpoint and "known_classes" in data:
            learn_network(data, self.checkpoint)

    def _check_options(self) -> None:
        """Raises UsageError for options that Lightning would take, and then fail with or misread."""
        check_whole(self.options)
        trainer = self.options["trainer"]
        if self.subcommand == "fit":  # runs of the past may still be tested
            check_parts(trainer.as_dict())
        trainer["strategy"] = PLAIN_STRATEGIES.get(str(trainer["strategy"]), trainer["strategy"])
        check_trainer(trainer.as_dict())
        self._settle_precision(trainer)
        self._settle_optimizer()
        check_values(self.options, ("trainer", "data", "model"))
        trainer["callbacks"] = without_repeats(trainer["callbacks"])
        check_devices(trainer.as_dict(), self.options["data"]["init_args"].get("batch_size"))
        check_seconds(self.options, trains=self.subcommand == "fit")

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
                for note in self.scored.notes if self.subcommand == "predict" else ():  # the others have a table
                    warn(note)
            self.datamodule.trained_with(self.past.get("data", {}))
            names = self.past.get("data", {}).get("classes")
            if self.subcommand != "fit" and names and not self.datamodule.named:
                self.datamodule.call_classes(names)


def run_lightning(args: Sequence[str], data_class: type[LightningDataModule]) -> ZooCLI:
    """Runs one of LightningCLI's verbs and leaves the process as it was.

    Args:
        args: the verb and the words after it.
        data_class: what `--data` names subclasses of.

    Returns:
        What was run, with all that it has come to.
    """
    zoo.list_architectures()  # imported, the classes are known by their short names
    for each in iter_modules(zoo.callbacks.__path__):
        import_module(f"zoo.callbacks.{each.name}")
    with left_as_found():
        return ZooCLI(data_class, args)
