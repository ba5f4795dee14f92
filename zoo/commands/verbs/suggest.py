"""Proposes model, learning rate, batch and epochs for a data set, from a short measured search."""

from collections.abc import Sequence
from pathlib import Path

from zoo.commands.plain_parser import PlainParser, from_one
from zoo.commands.verbs import DataClass

SUMMARY = "propose model, learning rate, batch and epochs for your data, from a short search"
ORDER = 45
HELP = """\
usage: python cli.py suggest --data NAME [FLAG VALUE] …

Train a handful of networks for a short time, the better ones longer, and say which to train in full, and how. The test
images are not looked at. A search that was stopped goes on when it is started again.

  --data NAME               MNIST FashionMNIST CIFAR10 Digits; your own: Folder or Arrays with --data.path DIR or FILE
  --models LIST             only these: ConvNet,FastNet
  --epochs N                of the full training (some 2,000 steps' worth, from 10 to 60)
  --images N                training images of the search, where there are more (5000)
  --work DIR                folder of the search, with its rows (runs/suggest/<data>)
  --trainer.precision NAME  and other flags of fit that hold for all

It takes about a fifth of the time that training all of them would."""


def own_parser() -> PlainParser:
    """The flags that are not those of `fit`."""
    parser = PlainParser("suggest", "Proposes a model and its settings.")
    parser.add_argument("--models", default="", metavar="LIST", help="only these: ConvNet,FastNet")
    parser.add_argument("--epochs", type=from_one, metavar="N", help="of the full training")
    parser.add_argument("--images", type=from_one, default=5000, metavar="N", help="training images of the search")
    parser.add_argument("--work", type=Path, metavar="DIR", help="folder of the search")
    return parser


def parser(data_class: DataClass) -> PlainParser:
    """The flags, for shells; those of the data are many more."""
    made = own_parser()
    made.add_argument("--data", metavar="NAME", help="as for fit")
    made.add_argument("--data.path", metavar="PATH", help="own images")
    made.add_argument("--data.root", metavar="DIR", help="where data lies")
    return made


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Does it."""
    options, rest = own_parser().parse_known_args(args)
    from zoo.commands.suggest.search import suggest

    suggest(options, rest, data_class())
