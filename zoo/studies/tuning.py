"""Which values of what is tuned does an arm get? Those with the highest mean accuracy on the validation images.

The first of equals; a value with which a run has failed (its loss was not finite) is out. The test images choose
nothing.
"""

from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

from zoo.studies.rows import Key
from zoo.studies.settings import Settings, combinations, label
from zoo.studies.spec import Cell, Study


class Choice(NamedTuple):
    """What was chosen for a cell.

    Attributes:
        values: of the tuned keys; None as long as runs are missing, or if none has come to an end.
        edges: tuned keys whose value is the first or last of their candidates: the best may lie beyond.
    """

    values: Settings | None
    edges: tuple[str, ...] = ()


def candidates(study: Study) -> list[Settings]:
    """What is tried; one empty choice if nothing is tuned."""
    return combinations(study.tune.values) if study.tune else [{}]


def choose(study: Study, cell: Cell, rows: Mapping[Key, Mapping[str, str]]) -> Choice:
    """The choice for a cell, from the rows so far."""
    if study.tune is None:
        return Choice({})
    best: tuple[float, Settings] | None = None
    tuned_cell = study.tuning_cell(cell)
    for tried in candidates(study):
        config = study.config(tuned_cell, tried, tuning=True)
        runs = [rows.get((config, seed)) for seed in study.tune.seeds]
        if any(run is None for run in runs):
            return Choice(None)
        if all(run and not run["error"] for run in runs):
            accuracy = fmean(float(run["val_accuracy"]) for run in runs if run)
            if best is None or accuracy > best[0]:
                best = accuracy, tried
    if best is None:
        return Choice(None)
    at_edge = {
        key for key, values in study.tune.values.items() if ordered(values) and best[1][key] in (values[0], values[-1])
    }
    return Choice(best[1], tuple(sorted(at_edge)))


def ordered(values: list[object]) -> bool:
    """Whether candidates lie on a line that goes on beyond its ends: numbers, more than two."""
    return len(values) > 2 and all(type(value) in (int, float) for value in values)


def format_choice(choice: Choice) -> str:
    """A choice in words, with a mark where the best may lie beyond the grid."""
    if choice.values is None:
        return ""
    return label(choice.values) + (" (edge of the grid)" if choice.edges else "")
