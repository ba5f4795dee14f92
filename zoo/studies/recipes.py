"""Recipes over seeds: a study whose arms are the files of configs/recipes/, with a table of rows for all of them.

configs/recipes/NAME.yaml × seeds  ->  runs/recipes/NAME-FINGERPRINT/s0/  ->  results/recipes.csv

A row belongs to the recipe as it was when it ran: change the recipe, and its rows are run anew. Failures are no rows
of this table; they stand beside the runs until the next call, which tries them again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock

from zoo.config import config_files
from zoo.studies.rows import CIRCUMSTANCES, Row, Rows, read_table, write_table
from zoo.studies.settings import FILES, config_without_seed, fingerprint
from zoo.studies.spec import Cell, Study
from zoo.studies.workers import Task

RECIPE = "recipe"
COLUMNS = [
    *(RECIPE, "config", "data", "model", "seed", "parameters", "multiply_adds", "epochs", "best_epoch", "chosen_by"),
    *("val_accuracy", "val_n", "test_accuracy", "test_n", *CIRCUMSTANCES[:-1]),
]
FAILURE = (RECIPE, "config", "seed", "error")


def file_of(name: str) -> Path:
    """Where a recipe is written."""
    return config_files.folder() / "recipes" / f"{name}.yaml"


def recipe_names() -> list[str]:
    """All recipes."""
    return sorted(path.stem for path in file_of("").parent.glob("*.yaml"))


def current(name: str) -> str:
    """The fingerprint of a recipe as it is now: of all of it but comments, layout and the seed."""
    return fingerprint(config_without_seed(str(file_of(name))))


class Recipes(Study):
    """The study of some recipes, whose fingerprints are those of their files alone."""

    keeps_runs: ClassVar[bool] = True

    def config(self, cell: Cell, tuned: Mapping[str, Any], *, tuning: bool = False) -> str:
        """Fingerprint of a recipe."""
        return current(cell[0])

    def place_of(self, cell: Cell, config: str, seed: int) -> str:
        """The folder of a run; another one if the recipe has changed."""
        return f"{cell[0]}-{config}/s{seed}"


def recipes(chosen: Sequence[str], seeds: list[int]) -> Recipes:
    """The study of these recipes over these seeds."""
    arms: dict[str, dict[str, Any]] = {name: {FILES: [config_files.short(file_of(name))]} for name in chosen}
    return Recipes(
        folder=file_of("").parent,
        question="What do the recipes come to?",
        claims=[],
        base={},
        factors={RECIPE: arms},
        baseline=chosen[0],
        seeds=seeds,
        tune=None,
        report=[],
        maps=[],
        expect=[],
        comment="",
        checks=[],
        threats=[],
    )


class RecipeRows(Rows):
    """The rows of recipes in their file.

    Args:
        study: the recipes that are run; others have rows, too.
        lock: file that whoever changes the rows holds; failures are written beside it.
        path: the file.
    """

    def __init__(self, study: Study, lock: Path, path: Path) -> None:
        super().__init__(study, lock)
        self.path, self.columns = path, COLUMNS
        self.failures = lock.with_name("failures.csv")

    def read(self) -> list[Row]:
        """The rows so far, and what has failed since the beginning of this call."""
        blank = dict.fromkeys(("tuned", "error"), "")
        return [blank | row for row in super().read() + read_table(self.failures)]

    def add(self, row: Row) -> None:
        """Adds a row, in place of what an older form of its recipe or the same seed has left."""
        if row["error"]:
            self.lock.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.lock):
                write_table(self.failures, [*read_table(self.failures), {k: row[k] for k in FAILURE}], FAILURE)
            return
        self._change(
            lambda rows: [
                *(
                    old
                    for old in rows
                    if old[RECIPE] != row[RECIPE] or (old["config"] == row["config"] and old["seed"] != row["seed"])
                ),
                row,
            ]
        )

    def forget_failures(self) -> None:
        """So that they are tried again."""
        self.failures.unlink(missing_ok=True)

    def _place(self, row: Mapping[str, str]) -> tuple[Any, ...]:
        return row[RECIPE], int(row["seed"])


@dataclass(frozen=True)
class RecipeTask(Task):
    """Recipes to be run, as they are handed to each process.

    Attributes:
        chosen: their names.
        path: file of their rows.
    """

    chosen: tuple[str, ...] = ()
    path: Path = Path()

    def study(self) -> Study:
        """The study of them."""
        return recipes(self.chosen, self.seeds or [])

    def rows(self, study: Study) -> Rows:
        """Their rows."""
        return RecipeRows(study, self.place.work / "results.lock", self.path)
