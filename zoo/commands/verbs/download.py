"""Brings a data set into its folder."""

from collections.abc import Sequence
from typing import Any

from zoo.commands.verbs import DataClass

SUMMARY = "fetch a data set, for machines that will have no network"
ORDER = 60
HELP = """\
usage: python cli.py download --data NAME [--data.root DIR]

Fetch a data set and check it, for machines that will have no network.

  --data NAME               MNIST FashionMNIST CIFAR10
  --data.root DIR           where it is put, in torchvision's layout
  --debug                   show the traceback behind an error

  --data.help NAME          the options of a data set
  --help_all                all flags"""


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Fetches what is missing, checks it, and prints how many images there are."""
    from zoo.commands.class_help import show_class_help
    from zoo.commands.cli.flags import prepared
    from zoo.launch.process import left_as_found
    from zoo.resume.signals import StopSignals

    with left_as_found(), StopSignals().handled():
        options = parser(data_class)
        argv = prepared(args)
        show_class_help(argv, options)
        data = options.instantiate(options.parse_args(argv))["data"]
        data.prepare_data()
        data.setup()
        counts = ", ".join(f"{len(indices):,} {split}" for split, indices in data.splits.items())
        print(f"{type(data).__name__} is there and whole: {counts} images")


def parser(data_class: DataClass) -> Any:
    """The parser of its flags: those that `fit` has for data."""
    from zoo.commands.arguments import add_allow_import
    from zoo.config.parser import Parser

    options = Parser(prog="python cli.py download", description="Download a data set.", allow_abbrev=False)
    options.add_lightning_class_args(data_class(), "data", subclass_mode=True)
    add_allow_import(options)
    return options
