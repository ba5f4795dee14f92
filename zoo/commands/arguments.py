"""The arguments of a command, completed by what a run folder knows, and cleared of those that no file may hold.

test --run_dir DIR             ->  test -c DIR/config.yaml --run_dir DIR --ckpt_path DIR/checkpoints/best.ckpt
fit --allow_import mine -c …   ->  fit -c …, and mine
"""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from zoo.config.errors.option_errors import format_value
from zoo.config.yaml_limits import load_yaml
from zoo.errors import UsageError
from zoo.runs.folder import RunFolder

ARRAYS, FOLDER = "Arrays", "Folder"  # the user's own data: one file, or a folder of pictures
NOTHING = re.compile(r"\s*(null|Null|NULL|~|#.*)?\s*")  # of these yaml makes null
VERBS = ("fit", "validate", "test", "predict")  # those that LightningCLI runs


def complete(args: Sequence[str]) -> list[str]:
    """Adds config and checkpoint of the run that `--run_dir` or `--ckpt_path` names to the arguments of a command.

    Raises:
        UsageError: neither is given, or there is no run.
    """
    args = list(args)
    if not args or args[0] not in VERBS or {"-h", "--help", "--print_config"} & set(args):
        return args
    verb, rest = args[0], args[1:]
    given = run_and_checkpoint(rest)
    if given is None:
        return args
    folder = run_folder(given.run_dir)
    if given.ckpt_path in ("best", "last"):  # Lightning's names for them, which mean the run's here
        given.ckpt_path = checkpoint_of_run(given.ckpt_path, folder)
        rest += ["--ckpt_path", given.ckpt_path]
    if verb == "fit":
        if folder and given.resume == "must":
            folder.check_config_there()
        resumes = given.resume in ("auto", "must") and folder and folder.config.exists()
        if not folder or not resumes:
            check_begins(given, rest)
            return [verb, *rest]
        folder.check_config()
        return [verb, "-c", str(folder.config), *rest]
    if folder and not given.ckpt_path:
        folder.check_run()
        rest += ["--ckpt_path", str(folder.chosen)]
    elif not folder and given.ckpt_path:
        beside = RunFolder(Path(given.ckpt_path).absolute().parent.parent)
        folder = beside if beside.config.is_file() else None
    elif not folder:
        raise UsageError(
            f"weights in --run_dir or --ckpt_path: expected a run or a checkpoint to {verb}, found neither"
            f" (random weights are not scored). Try: python cli.py {verb} --run_dir DIR"
        )
    if folder and folder.config.exists():
        folder.check_config()
        rest = ["-c", str(folder.config), *with_own_data(rest, folder.config)]
    return [verb, *rest]


def check_begins(given: argparse.Namespace, args: Sequence[str]) -> None:
    """Raises UsageError where there is neither a run to go on with (`--resume auto`) nor what a new one needs."""
    flags = {arg.partition("=")[0] for arg in args}
    if given.run_dir and given.resume == "auto" and not flags & {"--data", "--model", "-c", "--config"}:
        raise UsageError(
            f"run in --run_dir: expected one in {given.run_dir} to continue (config.yaml), or --data and --model for"
            " a new one, found neither. Try: --run_dir DIR of a run, or --data Digits --model MLP"
        )


def run_folder(run_dir: str | None) -> RunFolder | None:
    """The folder that `--run_dir` names, if it does; raises UsageError for one that cannot be a run's."""
    if run_dir and NOTHING.fullmatch(run_dir):
        raise UsageError(
            f"run folder in --run_dir: expected a name, found {run_dir!r}, which YAML reads as none."
            f" Try: --run_dir './{run_dir}'"
        )
    if not run_dir:
        return None
    folder = RunFolder(run_dir)
    folder.check_own()
    return folder


def checkpoint_of_run(name: str, folder: RunFolder | None) -> str:
    """The file of `best` or `last`; raises UsageError without a run that it belongs to."""
    if not folder:
        raise UsageError(
            f"checkpoint in --ckpt_path: expected a file, or {name} with the run it belongs to, found no --run_dir."
            f" Try: --ckpt_path DIR/checkpoints/{name}.ckpt"
        )
    return str(folder.best if name == "best" else folder.last)


def run_and_checkpoint(args: Sequence[str]) -> argparse.Namespace | None:
    """The run and the checkpoint that the arguments of a verb name; None if the full parser must say what is wrong."""
    look = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in ("--run_dir", "--ckpt_path", "--resume"):
        look.add_argument(flag)
    try:
        return look.parse_known_args([arg for arg in args if arg != "-c"])[0]
    except argparse.ArgumentError:
        return None


def run_and_state(args: Sequence[str]) -> tuple[str, tuple[int, ...] | None] | None:
    """The run that the arguments name, and the state of the config.yaml that completes them; both are checked again."""
    given = run_and_checkpoint(list(args)[1:])
    return (given.run_dir, config_state(given.run_dir)) if given and given.run_dir else None


def config_state(run_dir: str) -> tuple[int, ...] | None:
    """What changes with a file config.yaml; None if there is none."""
    try:
        found = RunFolder(run_dir).config.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def own_data(path: str, trained: str = "") -> str:
    """The data set that `--data.path` names: a folder that holds folders is one of pictures.

    Args:
        path: what it names.
        trained: the data set that the network was trained on; after pictures each folder is one of pictures.
    """
    try:
        with os.scandir(path) as there:
            return FOLDER if trained == FOLDER or any(entry.is_dir() for entry in there) else ARRAYS
    except OSError:  # no folder, or none that can be read: who reads it says so
        return ARRAYS


def with_own_data(args: Sequence[str], config: Path) -> list[str]:
    """Lets `--data.path` name data of another kind than those that the network was trained on."""
    flags = [arg.partition("=")[0] for arg in args]
    if "--data.path" not in flags or "--data" in flags:
        return list(args)
    try:
        data = load_yaml(config.read_text(encoding="utf-8"))["data"]
        trained = str(data["class_path"] if isinstance(data, dict) else data)
    except (yaml.YAMLError, OSError, ValueError, RecursionError, KeyError, TypeError):  # the parser reports it
        return list(args)
    module, _, name = trained.rpartition(".")
    place = flags.index("--data.path")
    path = args[place].partition("=")[2] or "".join(args[place + 1 : place + 2])
    wanted = own_data(path, name)
    ours = module == "" or module.partition(".")[0] == "datamodules"
    return list(args) if name == wanted or not ours else [*args[:place], "--data", wanted, *args[place:]]


def add_allow_import(parser: argparse.ArgumentParser) -> None:
    """Adds `--allow_import` for the help, and to refuse it where it is left: in a configuration file."""
    parser.add_argument(
        "--allow_import",
        type=module,
        metavar="MODULE",
        help="Lets class paths name this module of yours too; may be repeated. On the command line only.",
    )


def module(value: str) -> str:
    """Refuses a value for `--allow_import`: those of the command line have been taken out of it."""
    raise UsageError("option in --: expected it on the command line only, found it in a configuration file")


def without_imports(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Takes `--allow_import PREFIX` out of the arguments of a command, however often it is there.

    Returns:
        The other arguments, and the prefixes.

    Raises:
        UsageError: a prefix is not the name of a module.
    """
    rest: list[str] = []
    prefixes: list[str] = []
    remaining = iter(args)
    for arg in remaining:
        flag, equals, value = arg.partition("=")
        if flag != "--allow_import":
            rest.append(arg)
            continue
        prefix = value if equals else next(remaining, "")
        if not all(name.isidentifier() for name in prefix.split(".")) or prefix.split(".")[0] == "jsonargparse":
            found = format_value(prefix) if prefix else "none"
            raise UsageError(
                f"module in --allow_import: expected the name of one, found {found}. Try: --allow_import my_models"
            )
        prefixes.append(prefix)
    return rest, prefixes
