"""The verb `recipe`: the recipes that came with the zoo, over seeds, and what they come to."""

import re
from argparse import Namespace
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.commands.plain_parser import program
from zoo.config import config_files
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.studies.rows import Row

# what the first lines of a recipe say of it: zoo/studies/recipe_tables.py
EXPECTED = re.compile(r"# test accuracy (.+?) \(.*\n# (.+?) of training")
CLASS = re.compile(r"^(data|model):\n  class_path: .*\.(\w+)$", re.MULTILINE)


def rows_of(options: Namespace) -> Path:
    """The file of the rows: the repository's in a checkout, else one in the present folder."""
    repository = config_files.repository()
    given: Path | None = options.rows
    return given or (repository / "results/recipes.csv" if repository else Path("recipes.csv"))


def check_names(chosen: Sequence[str], known: Sequence[str]) -> None:
    """Raises UsageError for a name that is no recipe's."""
    for name in chosen:
        if name not in known:
            near = get_close_matches(name, known, 1) or known[:1]
            raise UsageError(
                f"recipe in NAME: expected one of `{program()} recipe list`, found {name[:60]!r}. Try: {near[0]}"
            )


def run_recipes(options: Namespace, data_class: type[Any]) -> None:
    """Does the runs that have no row yet; exit code 1 if some have failed."""
    from zoo.studies.recipes import RecipeTask, file_of, recipe_names

    check_names(options.names, recipe_names())
    from zoo.commands.studies.many_runs import do, place_of
    from zoo.studies.recipe_tables import accuracy, write_tables

    place, path = place_of(options, Path("runs/recipes")), rows_of(options)
    seeds = list(range(options.seeds))
    task = RecipeTask(
        file_of("").parent, place, seeds, options.threads, chosen=tuple(options.names or recipe_names()), path=path
    )
    rows, _ = do(task, options, data_class, lambda study, start: None)
    failed = [row for row in rows if row["error"]]
    for name in task.chosen:
        if own := [row for row in rows if row["recipe"] == name and not row["error"]]:
            print(f"{name}: test accuracy {accuracy(own, 'test')} of {len(own)} seeds")
    print(f"rows: {config_files.short(path)}, {len(failed)} runs have failed")
    if (repository := config_files.repository()) and not options.rows:
        write_tables(task.rows(task.study()).read(), repository)
    if failed:
        raise SystemExit(1)


def show_recipes(options: Namespace) -> None:
    """Prints a line for each recipe that has rows, or writes the tables of a checkout."""
    from zoo.studies.recipe_tables import write_tables
    from zoo.studies.rows import read_table

    path, repository = rows_of(options), config_files.repository()
    rows = read_table(path)
    if options.write:
        if not repository or options.rows:
            raise UsageError(
                "place in --write: expected a checkout and its own rows, found another."
                f" Try: {program()} recipe table, without --write"
            )
        write_tables(rows, repository)
        print(f"recipes, README.md, docs/results.md and docs/recipes.svg are those of {config_files.short(path)}")
        return
    if not rows:
        raise UsageError(f"rows in {path}: expected a file with some, found none. Try: {program()} recipe run NAME")
    show_columns([("recipe", "data", "model", "parameters", "seeds", "test accuracy", "time"), *table_lines(rows)])


def table_lines(rows: list["Row"]) -> list[tuple[str, ...]]:
    """What a table says of the recipes that have rows."""
    from zoo.studies.recipe_tables import NAMES, accuracy, duration, elsewhere, published, quickest

    found: list[tuple[str, ...]] = []
    for name, group in published(rows, least=1).items():
        first, best = group[0], quickest(group)
        data, model = (NAMES.get(first[key], first[key]) for key in ("data", "model"))
        time = duration(best) + elsewhere(best)
        parameters = f"{int(first['parameters']):,}"
        found.append((name, data, model, parameters, str(len(group)), accuracy(group, "test"), time))
    return found


def list_recipes() -> None:
    """A line for each recipe: its name, data, model, and what it came to; without torch."""
    found = [("recipe", "data", "model", "test accuracy", "time")]
    for path in sorted((config_files.folder() / "recipes").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        classes = dict(CLASS.findall(text))
        expected = EXPECTED.search(text)
        accuracy, time = expected.groups() if expected else ("not measured", "")
        found.append((path.stem, classes.get("data", ""), classes.get("model", ""), accuracy, time))
    show_columns(found)
    print(f"\n{program()} fit -c NAME trains one, {program()} recipe run NAME over five seeds")


def show_columns(table: Sequence[Sequence[str]]) -> None:
    """Prints lines of which each column is as wide as it must be."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
