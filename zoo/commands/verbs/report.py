"""Writes a page on how good weights are at each class, and whether they know when they are wrong."""

from collections.abc import Sequence

from zoo.commands.plain_parser import PlainParser
from zoo.commands.verbs import DataClass

SUMMARY = "a page on each class: precision, recall, mistakes, calibration"
ORDER = 42
HELP = """\
usage: python cli.py report RUN|NAME|DIR [--out FILE.html] [FLAG VALUE] …

Write one HTML page on the test images: precision, recall and F1 of each class, the most frequent mistakes, calibration,
and accuracy on the images of which the network is surest. It needs no other file, and a browser asks for none.

  RUN                       folder of a run: from its result.json, or, if that has no report, from its weights
  NAME, DIR                 weights of the zoo (`weights list`), or in a folder with a card; on the data that the card
                            names
  --out FILE.html           where the page goes (RUN/report.html; of weights with a card NAME-report.html)
  --data.path FILE          score other images of your own (the page gets their name)
  --data.root DIR           where data lies
  --trainer.accelerator NAME, and other flags of `test`: the weights are scored again
  --debug                   show the traceback behind an error"""


def parser(data_class: DataClass) -> PlainParser:
    """The flags, for shells; those of `test` are many more."""
    made = report_parser()
    made.add_argument("--data.path", metavar="FILE", help="score other images of your own")
    made.add_argument("--data.root", metavar="DIR", help="where data lies")
    return made


def report_parser() -> PlainParser:
    """The flags that are not those of `test`."""
    made = PlainParser("report", "Writes a page on how good weights are at each class.")
    made.add_argument("weights", metavar="RUN|NAME|DIR", help="folder of a run, name of weights, folder of a card")
    made.add_argument("--out", metavar="FILE.html", help="where the page goes")
    return made


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Writes it."""
    options, rest = report_parser().parse_known_args(args)
    from zoo.commands.weights.class_report import write_page

    write_page(options.weights, options.out, rest, data_class)
