"""The lines for options that do not exist, with the one that is meant: by its letters, or by what others call it.

--lr 0.1            ->  option lr in --lr: … Try: --model.optimizer.lr 0.1
--model.hiden [3]   ->  option hiden in --model.hiden: … Try: --model.hidden '[3]'
"""

import re
from argparse import ArgumentParser
from collections.abc import Sequence
from itertools import pairwise
from shlex import quote

from zoo.config.errors.option_errors import MAX_SHOWN, corrected, format_error, format_value, in_file
from zoo.config.type_names import (
    MAX_LISTED,
    choices,
    command,
    family,
    names_with,
    nearest_option,
    only_lists,
    options,
    subparsers,
    type_of,
)

OTHER_OPTIONS = {  # what other programs call them, as far as the last words here are others
    **dict.fromkeys(("lr", "learning_rate"), "model.optimizer.lr"),
    **dict.fromkeys(("weight_decay", "wd"), "model.optimizer.weight_decay"),
    **dict.fromkeys(("epochs", "num_epochs", "n_epochs"), "trainer.max_epochs"),
    **dict.fromkeys(("gpus", "num_gpus", "devices"), "trainer.devices"),
    **dict.fromkeys(("bs", "batch", "batch_size"), "data.batch_size"),
    **dict.fromkeys(("data_root", "data_dir", "datadir"), "data.root"),
    **dict.fromkeys(("output_dir", "out_dir", "save_dir", "logdir"), "run_dir"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "model.schedule"),
    "momentum": "model.optimizer.momentum",
    "seed": "seed_everything",
    "arch": "model",
    "dataset": "data",
}
UNKNOWN = re.compile(r"option \S+ in --(\S+): expected an option of .*, found none of that name\. Try: --(\S+)")


def unknown_words(message: str, parser: ArgumentParser) -> str | None:
    """Words that are no option, or an option that does not exist."""
    if not message.startswith("unrecognized arguments: "):
        return None
    word = (message.split()[2:] or [""])[0].partition("=")[0]
    if word.startswith("--"):
        return no_option(word.removeprefix("--"), parser)
    return format_error(
        "word", command(parser), "options like --name value", format_value(word), f"{command(parser)} --help"
    )


def unknown_key(message: str, parser: ArgumentParser) -> str | None:
    """An option that does not exist, in a file or in a class."""
    match = re.match(r"(\w+) '([^']*)' (?:is not accepted|does not accept option '([^']*)')", message)
    if not match:
        return None
    kind, first, second = match.groups()
    key = f"{first}.{second}" if kind == "Group" else second or first
    files = {path: read for each in family(parser) for path, read in getattr(each, "files", {}).items()}
    path = next((path for path, read in reversed(files.items()) if key in read), None)
    if "before subcommand" in message:
        advice = f"{command(parser)} VERB --config FILE"
        line = format_error(f"option {key}", "--config", "it behind the verb", "it before", advice)
    else:
        line = no_option(key, subparsers(parser).get(first, parser))
    return in_file(line, path) if path else line


def no_option(key: str, parser: ArgumentParser) -> str:
    """The line for an option that does not exist."""
    what, described = f"option {key.rpartition('.')[2]}", getattr(parser, "described", None)
    near = nearest_option(key, options(parser))
    if described is None:
        owner, helped = getattr(parser, "subcommand", command(parser)), f"{command(parser)} --help"
        near = OTHER_OPTIONS.get(key.rpartition(".")[2]) or near
    else:
        owner, helped = described.__name__, f"--help {described.__name__}"
        having = names_with(key, described)
        if having:
            advice = f"-- {' | '.join(having)}" if described in getattr(parser, "roots", ()) else None
            return format_error(what, f"--{key}", "a class that has it, named before it", owner, advice)
        others = (
            []
            if near
            else [name for root in getattr(parser, "roots", ()) for name in others_with(key, described, root)]
        )
        if 0 < len(others) <= MAX_LISTED:
            return format_error(what, f"--{key}", "a class that has it", owner, f"-- {' | '.join(others)}")
    return format_error(what, f"--{key}", f"an option of {owner}", "none of that name", f"--{near}" if near else helped)


def with_value(line: str, parser: ArgumentParser) -> str:
    """The line for an option that does not exist, with the value that it was given behind the one it advises."""
    match = UNKNOWN.fullmatch(line)
    words = [word for each in family(parser) for word in getattr(each, "args", None) or ()]
    value = value_behind(f"--{match[1]}", words) if match else None
    if not match or value is None or len(value) > MAX_SHOWN:
        return line
    hint = type_of(match[2], parser)
    return f"{line} {corrected(value, choices(hint), only_lists(hint)) or quote(value)}"


def value_behind(flag: str, words: Sequence[str]) -> str | None:
    """The value that stands behind a flag; None where none does."""
    for word, after in pairwise([*words, "--"]):
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
        if word == flag and not after.startswith("--"):
            return after
    return None


def others_with(option: str, cls: type, root: type) -> list[str]:
    """The names of the classes beside this one, under the same root, that have an option."""
    return names_with(option, root) if issubclass(cls, root) else []
