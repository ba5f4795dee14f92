"""Shows the layers of a network and how their numbers come out."""

from collections.abc import Sequence
from typing import Any

from zoo.commands.verbs import DataClass

SUMMARY = "the layers of a network: shapes, receptive fields, parameters, multiply-adds"
ORDER = 50
HELP = """\
usage: python cli.py describe --data NAME --model NAME [FLAG VALUE] … [--json]      or --run_dir DIR

Show what a network makes of an image: its layers in the order of the data, the shape of what each makes, receptive
field, parameters and multiply-adds, and how these numbers come out. Downloads, trains and writes nothing.

  --data NAME               MNIST FashionMNIST CIFAR10 Digits, or Arrays with --data.path FILE.npz
  --model NAME              SoftmaxRegression MLP LeNet ConvNet ResNet ViT FastNet
  --run_dir DIR             the network of a run, from its config.yaml
  -c, --config FILE         settings from a file, such as a run's config.yaml; several, the later wins
  --json                    print one JSON object instead
  --debug                   show the traceback behind an error

  --model.help NAME         the options of a model; --data.help NAME of a data set
  --help_all                all flags"""


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Prints a table, or JSON."""
    from zoo import list_architectures
    from zoo.commands.describe import describe
    from zoo.launch.process import left_as_found

    with left_as_found():
        data = data_class()
        list_architectures()  # imported, the classes are known by their short names
        describe(data, args)


def parser(data_class: DataClass) -> Any:
    """The parser of its flags."""
    from zoo.commands.describe import make_parser

    return make_parser(data_class())
