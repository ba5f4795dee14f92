"""The flags of the command, and the words on their way to the parser."""

from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Literal

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from zoo.checkpoints.storage import read_checkpoint
from zoo.commands.arguments import add_allow_import, without_imports
from zoo.commands.class_help import chosen, hint_of
from zoo.config.allowlist import find_disallowed, import_trusted, restrict
from zoo.config.config_files import with_files
from zoo.config.errors.option_errors import format_value
from zoo.config.type_names import parts
from zoo.config.yaml_limits import limit_yaml
from zoo.errors import UsageError
from zoo.runs.predictions import check_no_picture
from zoo.runs.result import MONITOR, RULES

PROCESS_TIMEOUT = 1800.0  # seconds, as torch has it; one step, one save or one reading of the data must fit in
CHECKPOINT_EVERY = 60.0  # seconds; what a killed run loses at most, and a save takes some hundredths of one


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


def check_values(config: Namespace, keys: Sequence[str]) -> None:
    """Raises UsageError for functions and unread classes under these keys."""
    for key in keys:
        if hidden := find_disallowed(config[key].as_dict()):
            raise UsageError(f"value in --{key}: expected classes and plain values, found {hidden[:100]}")


def add_flags(parser: LightningArgumentParser, verb: list[str]) -> None:
    """Adds the flags of the command itself; those of one verb only for that one."""
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
    parser.add_argument(
        "--monitor",
        type=Literal[*RULES],
        default=MONITOR,
        help="Which result of validation chooses the weights.",
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
    if verb == ["predict"]:
        parser.add_argument(
            "--out",
            type=str | None,
            default=None,
            metavar="FILE.csv",
            help="Where the predictions go (default: predictions.csv in --run_dir; of other data, with its name).",
        )
    add_allow_import(parser)


def check_seconds(options: Namespace, *, trains: bool) -> None:
    """Raises UsageError for times that are none."""
    timeout, every = options["process_timeout"], options["checkpoint_every"]
    if not 1 <= timeout <= 7 * 86400:
        raise UsageError(
            f"seconds in --process_timeout: expected 1 to 604800, found {timeout:g}."
            f" Try: --process_timeout {PROCESS_TIMEOUT:g}"
        )
    if trains and not every > 0:
        raise UsageError(
            f"seconds in --checkpoint_every: expected more than 0, found {every:g}. Try: --checkpoint_every 60"
        )


def learn_network(data: Namespace, checkpoint: Path) -> None:
    """Lets the user's own data know how many classes a network has, and of which form its images are.

    Args:
        data: options of the data, with `known_classes`; those with `size` and `channels` are pictures.
        checkpoint: of the weights.

    Raises:
        UsageError: one picture is given where there should be an archive of them.
    """
    content = read_checkpoint(checkpoint)
    check_no_picture(data.get("path"), checkpoint)
    trained = content.get("hyper_parameters", {})
    shape = trained.get("in_shape")
    if "size" in data and isinstance(shape, list | tuple) and [type(side) for side in shape] == [int] * 3:
        data["channels"] = data["channels"] or shape[0]
        data["size"] = data["size"] or (shape[1] if shape[1] == shape[2] else [*shape[1:]])
    if data["known_classes"] is None:
        known = trained.get("num_classes")
        sides = {len(weight) for weight in content["state_dict"].values() if weight.ndim}
        data["known_classes"] = known if type(known) is int and known in sides else None
