"""What a study reads off a finished run: a number from its files, named by a few words.

test.accuracy                        a number of result.json
train.accuracy - test.accuracy       the difference of two
last val/loss                        a column of metrics.csv: its min, max, mean, first or last value
min gradient_norm at start           diagnostics.csv: over the layers, at start, at end or at step N;
first/last gradient_norm at step 50  min, max, mean, median, first or last layer, or one over the other
"""

import json
import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import UsageError
from zoo.runs.diagnostics import read_diagnostics
from zoo.runs.metrics import read_metrics

OVER: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "mean": statistics.fmean,
    "median": statistics.median,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
}
RESULT = re.compile(r"[a-z_]+(\.[a-z_]+)*")
COLUMN = re.compile(r"(min|max|mean|first|last) (\S+/\S+|lr|seconds)")
PLACE = rf"({'|'.join(OVER)})(?:/({'|'.join(OVER)}))?"
LAYERS = re.compile(PLACE + r" (\w+) at (start|end|step (\d+))")
NAME = re.compile(r"\w[\w -]*")  # of an outcome or a map: a column, and part of the names of files
SMALLEST = 1e-30  # what counts as zero for a logarithm: far below any gradient that float32 trains with

Profile = dict[str, dict[int, float]]  # layer -> step -> value; layers from input to output


class Outcome(NamedTuple):
    """A number of each run.

    Attributes:
        name: its column in results.csv.
        value: the words above.
        label: of axes and tables.
        unit: `points` (per cent of images, from shares) or as it is.
        log: whether its decimal logarithm is taken: then differences are orders of magnitude.
        digits: after the point, in tables.
    """

    name: str
    value: str
    label: str
    unit: str = ""
    log: bool = False
    digits: int = 2

    @property
    def axis(self) -> str:
        """Label with unit."""
        return f"{self.label}, %" if self.unit == "points" else f"log10 of {self.label}" if self.log else self.label

    @property
    def of_test(self) -> bool:
        """Whether it is known only once the test images have been used."""
        return re.search(r"\btest[./]", self.value) is not None

    def scaled(self, value: float) -> float:
        """A value as it is compared and printed."""
        if self.log:
            return math.log10(max(value, SMALLEST))
        return 100 * value if self.unit == "points" else value


def check_outcome(value: str) -> None:
    """Raises UsageError unless this names an outcome."""
    parts = value.split(" - ")
    if len(parts) > 2 or not all(RESULT.fullmatch(part) for part in parts):
        if COLUMN.fullmatch(value) or LAYERS.fullmatch(value):
            return
        raise UsageError(
            f"outcome in report: expected one such as test.accuracy, 'last val/loss' or 'min gradient_norm at"
            f" start', found '{value}'"
        )


def read_outcome(value: str, folder: Path) -> float:
    """The number that an outcome names, from the files of a run.

    Raises:
        ValueError: the files do not have it.
    """
    if match := LAYERS.fullmatch(value):
        over, under, quantity, when, step = match.groups()
        values = layer_values(read_profile(folder, quantity), when, step)
        return OVER[over](values) / (max(OVER[under](values), SMALLEST) if under else 1)
    if match := COLUMN.fullmatch(value):
        column = [row[match[2]] for row in read_metrics(folder / "metrics.csv") if match[2] in row]
        if not column:
            raise ValueError(f"column in {folder / 'metrics.csv'}: expected {match[2]}, found none")
        return OVER[match[1]](column)
    first, *second = (from_result(part, folder) for part in value.split(" - "))
    return first - sum(second)


def from_result(path: str, folder: Path) -> float:
    """The number at a dotted path in result.json."""
    found: Any = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, int | float):
        raise ValueError(f"outcome in {folder / 'result.json'}: expected a number at {path}, found {found}")
    return float(found)


def read_profile(folder: Path, quantity: str) -> Profile:
    """The values of a quantity in the layers, as the diagnostics have written them."""
    path = folder / "diagnostics.csv"
    profile: Profile = {}
    for reading in read_diagnostics(path):
        if reading.quantity == quantity:
            profile.setdefault(reading.layer, {})[reading.step] = reading.value
    if not profile:
        raise ValueError(
            f"quantity in {path}: expected {quantity}, found none."
            " Try: base: {config: [configs/callbacks/diagnostics.yaml]}"
        )
    return profile


def layer_values(profile: Profile, when: str, step: str | None) -> list[float]:
    """The value of each layer at its first step, its last, or the one that is asked for."""
    try:
        return [by[int(step)] if step else by[min(by) if when == "start" else max(by)] for by in profile.values()]
    except KeyError as error:
        steps = ", ".join(map(str, next(iter(profile.values()))))
        raise ValueError(f"step in report: expected one of {steps[:80]}, found {step}") from error
