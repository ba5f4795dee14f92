"""Shows the layers of a network and how their numbers come out."""

from collections.abc import Sequence
from typing import Any

from zoo.commands.plain_parser import PlainParser
from zoo.commands.verbs import DataClass
from zoo.commands.weights.named_weights import card_and_words

SUMMARY = "the layers of a network: shapes, receptive fields, parameters, multiply-adds"
ORDER = 50
HELP = """\
usage: python cli.py describe --data NAME --model NAME [FLAG VALUE] … [--json]      or NAME|RUN|DIR

Show what a network makes of an image: its layers in the order of the data, the shape of what each makes, receptive
field, parameters and multiply-adds, and how these numbers come out. Downloads, trains and writes nothing.

  --data NAME               MNIST FashionMNIST CIFAR10 Digits; your own: Folder or Arrays with --data.path DIR or FILE
  --model NAME              SoftmaxRegression MLP LeNet ConvNet ResNet ViT FastNet
  NAME, DIR                 the network of weights of the zoo (`weights list`), or in a folder with a card
  RUN, --run_dir DIR        the network of a run, from its config.yaml
  -c, --config FILE         settings from a file, such as a run's config.yaml; several, the later wins
  --json                    print one JSON object instead
  --debug                   show the traceback behind an error

  --model.help NAME         the options of a model; --data.help NAME of a data set
  --help_all                all flags"""


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Prints a table, or JSON."""
    card, words = card_and_words(args)
    if card:
        options = card_parser().parse(words)
        from zoo.commands.network.network_numbers import describe_card

        describe_card(card, as_json=options.json)
        return
    from zoo import list_architectures
    from zoo.commands.network.describe import describe
    from zoo.launch.process import left_as_found

    with left_as_found():
        data = data_class()
        list_architectures()  # imported, the classes are known by their short names
        describe(data, words)


def card_parser() -> PlainParser:
    """The flags of `describe NAME`."""
    flags = PlainParser("describe NAME", "Shows the layers of a network with a card.")
    flags.add_argument("--json", action="store_true", help="print one JSON object instead")
    return flags


def parser(data_class: DataClass) -> Any:
    """The parser of its flags."""
    from zoo.commands.network.describe import make_parser

    return make_parser(data_class())
