"""Writes zoo/commands/completion.bash, what `zoo completion` prints: the words of the command for a shell to complete.

    python scripts/completion.py

the real parsers of all verbs, the constructors of data sets, models, optimisers and schedules  ->  flags and values

Shells ask at each press of a key, and building the parsers takes seconds: so their words are written down once. A test
compares them with the parsers.
"""

import types
import typing
from argparse import SUPPRESS
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.cli import LightningCLI

import datamodules
import zoo
from zoo.commands.cli.command import ZooCLI
from zoo.commands.verbs import verbs
from zoo.config.parser import Parser
from zoo.optimizers import Muon
from zoo.schedules import Schedule

FILE = Path(__file__).resolve().parents[1] / "zoo/commands/completion.bash"
TEMPLATE = Path(__file__).with_suffix(".template")
LINKED = ("in_shape", "num_classes", "seed", "known_classes")  # no one types them: they come from the data and the seed

Words = dict[str, list[str]]


class ParsersOnly(ZooCLI):
    """Stops where the words would be parsed."""

    def parse_arguments(self, parser: Any, args: Any) -> None:
        raise StopIteration(parser.verbs)


def parsers() -> Mapping[str, Any]:
    """The parser of each verb."""
    own = {name: verb.parser for name, verb in verbs().items() if hasattr(verb, "parser")}
    others = {name: make(lambda: datamodules.ImageDataModule) for name, make in own.items()}
    parts = {f"{name}.{action}": make() for name, makers in actions().items() for action, make in makers.items()}
    return {**{name: parser_of(name) for name in LightningCLI.subcommands()}, **others, **parts}


def actions() -> dict[str, dict[str, Callable[[], Any]]]:
    """Of verbs that do several things, the parser of each."""
    return {name: verb.ACTIONS for name, verb in verbs().items() if hasattr(verb, "ACTIONS")}


def parser_of(verb: str) -> Any:
    """The parser of a verb of LightningCLI."""
    try:
        ParsersOnly(datamodules.ImageDataModule, [verb])
    except StopIteration as stop:
        return stop.value[verb]
    raise AssertionError("the command has not asked for its words")


def options(parser: Any, values: Words) -> list[str]:
    """The flags of a parser; what may stand behind them is added to `values`."""
    flags: list[str] = []
    for action in parser.known():
        for flag in action.option_strings if action.help != SUPPRESS else []:
            if flag.endswith(("+", ".help")) or flag.rpartition(".")[2] in LINKED:
                continue
            flags.append(flag)
            there = values.setdefault(flag, [])
            for word in action.choices or words_of(getattr(action, "hint", None)):
                if word not in there:
                    there.append(word)
    return sorted(flags)


def words_of(hint: Any) -> Iterator[str]:
    """The words that a type allows, as far as they can be counted."""
    if hint is bool:
        yield from ("true", "false")
    elif typing.get_origin(hint) is typing.Literal:
        yield from (str(word) for word in typing.get_args(hint))
    elif typing.get_origin(hint) in (typing.Union, types.UnionType):
        for part in typing.get_args(hint):
            yield from words_of(part)


def of_class(made: type, key: str, values: Words) -> list[str]:
    """The flags of a class that stands at a key; the options of a network have several dots."""
    parser = Parser()
    parser.add_class_arguments(made, key, skip={"params"})
    return [flag for flag in options(parser, values) if flag.startswith(f"--{key}.")]


def finals(base: type, package: Any) -> Iterator[type]:
    """The classes to choose from: those that a package shows."""
    for name in sorted(vars(package)):
        found = getattr(package, name)
        if isinstance(found, type) and issubclass(found, base) and found is not base:
            yield found


def tables() -> tuple[Words, Words]:
    """Flags by verb and by class, and values by flag."""
    values: Words = {}
    flags = {verb: options(parser, values) for verb, parser in parsers().items()}
    for name, verb in verbs().items():
        if hasattr(verb, "pictures_parser"):
            flags[name] = sorted({*flags[name], *options(verb.pictures_parser(), values)} - {"--help", "-h"})
    flags = {
        verb: ["--debug", "--help_all", *words] for verb, words in flags.items()
    }  # which cli.py takes before any parser
    chosen = {
        "data": {made.__name__: made for made in finals(datamodules.ImageDataModule, datamodules)},
        "model": {name: getattr(zoo, name) for name in zoo.list_architectures()},
        "model.optimizer": {f"torch.optim.{made.__name__}": made for made in finals(torch.optim.Optimizer, torch.optim)}
        | {"zoo.optimizers.Muon": Muon},
        "model.schedule": {made.__name__: made for made in finals(Schedule, zoo.schedules)},
    }
    for key, classes in chosen.items():
        values[f"--{key}"] = [*classes]
        flags |= {name: of_class(made, key, values) for name, made in classes.items()}
    return flags, {flag: words for flag, words in sorted(values.items()) if words}


def cases(table: Mapping[str, Sequence[str]]) -> str:
    """A table as branches of a `case`; names with the same words share one."""
    names: dict[str, list[str]] = {}
    for name, words in table.items():
        names.setdefault(" ".join(words), []).append(name)
    return "\n".join(f"        {'|'.join(alike)}) echo '{words}' ;;" for words, alike in names.items() if words)


def script() -> str:
    """The file's text."""
    flags, values = tables()
    text = TEMPLATE.read_text()
    does = {verb: [*makers] for verb, makers in actions().items()}
    for name, words in {"FLAGS": cases(flags), "ACTIONS": cases(does), "VALUES": cases(values)}.items():
        text = text.replace(f"@{name}@", words)
    return text


if __name__ == "__main__":
    FILE.write_text(script())
