"""Runs recipes over seeds, shows what they come to, lists them."""

from collections.abc import Sequence
from pathlib import Path

from zoo.commands.plain_parser import PlainParser, action_of, from_one
from zoo.commands.studies.many_runs import add_run_flags
from zoo.commands.verbs import DataClass

SUMMARY = "complete trainings with the accuracy to expect: recipe list, recipe run, recipe table"
ORDER = 61
HELP = """\
usage: python cli.py recipe list
       python cli.py recipe run [NAME] … [FLAG VALUE] …
       python cli.py recipe table [FLAG VALUE] …

Train recipes over several seeds: mean accuracy with its interval. `python cli.py fit -c NAME` trains one of them once.

  list                      what there is: data, model, accuracy and time to expect

  run                       do the runs that have no row yet, of all recipes if none is named; it goes on
    --data-root DIR         where data lies or is downloaded to
    --seeds N               seeds 0, 1, … (5)
    --jobs N                processes side by side (1)
    --threads N             of each process (1)
    --cifar10 OUT.npz       a copy of CIFAR-10, in place of the original
    --executor slurm        runs as jobs of a cluster: --jobs 50 in its queue, --slurm partition=gpu gpus_per_node=1
    --rows FILE.csv         where the rows go (results/recipes.csv in a checkout, else recipes.csv)

  table                     show the rows as a table
    --rows FILE.csv         other rows
    --write                 bring recipes, README and docs/results.md of a checkout up to its rows"""


def run_parser() -> PlainParser:
    """The flags of `recipe run`."""
    parser = PlainParser("recipe run", "Does the runs of recipes that have no row yet.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="recipes; none means all")
    add_run_flags(parser)
    parser.add_argument("--seeds", type=from_one, default=5, metavar="N", help="seeds 0, 1, … of each recipe")
    parser.add_argument("--threads", type=from_one, default=1, metavar="N", help="of each process")
    parser.add_argument("--rows", type=Path, metavar="FILE.csv", help="file of the rows")
    return parser


def table_parser() -> PlainParser:
    """The flags of `recipe table`."""
    parser = PlainParser("recipe table", "Shows the rows of recipes as a table.")
    parser.add_argument("--rows", type=Path, metavar="FILE.csv", help="file of the rows")
    parser.add_argument("--write", action="store_true", help="bring recipes and documents of a checkout up to its rows")
    return parser


def list_parser() -> PlainParser:
    """The flags of `recipe list`: none."""
    return PlainParser("recipe list", "Shows which recipes there are.")


ACTIONS = {"run": run_parser, "list": list_parser, "table": table_parser}


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Does one of them."""
    action = action_of(args, "recipe", ACTIONS)
    options = ACTIONS[action]().parse(args[1:])
    from zoo.commands.studies import recipe

    if action == "run":
        recipe.run_recipes(options, data_class())
    elif action == "table":
        recipe.show_recipes(options)
    else:
        recipe.list_recipes()
