"""The verb `describe`: what a network makes of the images of a data set, before anything is downloaded or trained.

--data CIFAR10 --model LeNet  ->  a table with a row for each layer, and below it how its numbers come out
                      --json  ->  the numbers as one JSON object
"""

from argparse import SUPPRESS
from collections.abc import Sequence

from jsonargparse import ActionConfigFile
from lightning import LightningDataModule

from zoo.commands.arguments import add_allow_import, run_and_checkpoint
from zoo.commands.class_help import show_class_help
from zoo.commands.cli.flags import check_values, link_data, prepared
from zoo.commands.network.network_numbers import print_numbers
from zoo.config.parser import Parser, PlainHelp, innermost
from zoo.config.type_names import choices
from zoo.errors import UsageError
from zoo.geometry import check_geometry
from zoo.launch.process import quieten
from zoo.runs.folder import RunFolder
from zoo.training.classifier import Classifier

DESCRIPTION = """Show what a network makes of an image: its layers in the order of the data, the shape of what each
makes, receptive field, parameters and multiply-adds, and how these numbers come out. Downloads, trains and writes
nothing."""
USAGE = "%(prog)s --data NAME --model NAME [--data.* …] [--model.* …] [-c FILE] [--run_dir DIR] [--json]"


def describe(data_class: type[LightningDataModule], args: Sequence[str]) -> None:
    """Runs the verb.

    Args:
        data_class: what `--data` names subclasses of.
        args: the words behind the verb.
    """
    quieten()
    parser = make_parser(data_class)
    argv = prepared(args)
    show_class_help(argv, parser)
    config = parser.parse_args(with_run(argv))
    check_values(config, ("data", "model"))
    try:
        made = parser.instantiate(config)
        data, model = made["data"], made["model"]
        check_geometry(model.net, data.in_shape)
    except ValueError as error:  # a constructor refused a value, or a layer its input
        raise UsageError(innermost(error)) from error
    names = type(data).__name__, type(model).__name__
    print_numbers(*names, model.net, data.in_shape, data.num_classes, as_json=config.json)


def with_run(args: Sequence[str]) -> list[str]:
    """Puts the configuration of the run that `--run_dir` names before the other words, which beat it.

    Raises:
        UsageError: there is no run.
    """
    given = run_and_checkpoint(args)
    if given is None or given.run_dir is None:
        return list(args)
    folder = RunFolder(given.run_dir)
    folder.check_own()
    folder.check_config_there()
    folder.check_config()
    return ["-c", str(folder.config), *args]


def make_parser(data_class: type[LightningDataModule]) -> Parser:
    """Takes what `fit` takes for data and model, and the configuration of a run, whose other keys change nothing."""
    parser = Parser(
        prog="python cli.py describe",
        usage=USAGE,
        description=DESCRIPTION,
        formatter_class=PlainHelp,
        allow_abbrev=False,
    )
    parser.add_argument("-c", "--config", action=ActionConfigFile, help="Configuration file, such as a run's; several.")
    parser.add_argument("--run_dir", metavar="DIR", help="Folder of a run, whose config.yaml is read.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object instead.")
    add_allow_import(parser)
    for key, base, text in (
        ("data", data_class, "Data set: {}. Its options follow as --data.NAME."),
        ("model", Classifier, "Network: {}. Its options follow as --model.NAME."),
    ):
        help = text.format(", ".join(choices(base)))
        parser.add_subclass_arguments(base, key, required=True, fail_untyped=False, metavar="NAME", help=help)
    parser.add_argument("--trainer", type=dict, default={}, help=SUPPRESS)
    parser.add_argument("--seed_everything", type=bool | int, default=0, help=SUPPRESS)
    parser.add_argument("--monitor", type=str, default="", help=SUPPRESS)
    link_data(parser)
    return parser
