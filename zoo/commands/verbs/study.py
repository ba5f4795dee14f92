"""Runs studies, makes their reports, lists them."""

from collections.abc import Sequence
from pathlib import Path

from zoo.commands.plain_parser import PlainParser, action_of, from_one
from zoo.commands.studies.many_runs import add_run_flags
from zoo.commands.verbs import DataClass

SUMMARY = "many runs that answer a question: study run, study report, study list"
ORDER = 62
HELP = """\
usage: python cli.py study run STUDY [FLAG VALUE] …
       python cli.py study report [STUDY] …
       python cli.py study list

Answer a question by many runs: arms that are compared, the same seeds in each, means with intervals, verdicts.
STUDY is a name from the list, or a folder with a study.yaml of your own.

  run                       do the runs that have no row yet; kill it, run it again: it goes on
    --data-root DIR         where data lies or is downloaded to
    --jobs N                processes side by side (1)
    --out DIR               where the rows go (the folder of the study; studies/NAME if it came with the zoo)
    --seeds N               seeds 0, 1, … instead of those of the study
    --threads N             of each process (this machine's, divided)
    --cifar10 OUT.npz       a copy of CIFAR-10, in place of the original
    --executor slurm        runs as jobs of a cluster: --jobs 50 in its queue, --slurm partition=cpu time=60
    --work DIR              folder for runs under way (runs/studies/NAME)
    --allow_import MODULE   let the study name classes of this package of yours

  report                    write README.md and figures beside the rows; of all studies and one page, if none is named
    --studies DIR           folder of the studies
    --page FILE.html        the page of all

  list                      what there is, and how many rows it has"""


def run_parser() -> PlainParser:
    """The flags of `study run`."""
    parser = PlainParser("study run", "Does the runs of a study that have no row yet.")
    parser.add_argument("study", metavar="STUDY", help="name of a study, or a folder with a study.yaml")
    add_run_flags(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the rows go")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 0, 1, … instead of those of the study")
    parser.add_argument("--threads", type=from_one, metavar="N", help="of each process")
    parser.add_argument("--work", type=Path, metavar="DIR", help="folder for runs under way")
    parser.add_argument("--allow_import", action="append", default=[], metavar="MODULE",
                        help="lets the study name classes of this package of yours; no study.yaml can")  # fmt: skip
    return parser


def report_parser() -> PlainParser:
    """The flags of `study report`."""
    parser = PlainParser("study report", "Writes what the rows of studies come to.")
    parser.add_argument("names", nargs="*", metavar="STUDY", help="none means all, and the page of all")
    parser.add_argument("--studies", type=Path, metavar="DIR", help="folder of the studies and claims.yaml")
    parser.add_argument("--page", type=Path, metavar="FILE.html", help="file of the page of all studies")
    return parser


def list_parser() -> PlainParser:
    """The flags of `study list`: none."""
    return PlainParser("study list", "Shows which studies there are.")


ACTIONS = {"run": run_parser, "report": report_parser, "list": list_parser}


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Does one of them."""
    action = action_of(args, "study", ACTIONS)
    options = ACTIONS[action]().parse(args[1:])
    from zoo.commands.studies import study

    if action == "run":
        study.run_study(options, data_class())
    elif action == "report":
        study.report_studies(options)
    else:
        study.list_studies()
