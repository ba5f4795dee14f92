"""results.csv: one row per run, beside study.yaml; whole at any moment, and with one row for each run.

A row belongs to the configuration as it was when it ran, by its fingerprint, and to its seed. A changed study makes
new rows and leaves the old ones, which no longer count.
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from zoo.errors import UsageError
from zoo.files import whole_file
from zoo.runs.metrics import read_metrics
from zoo.studies.outcomes import Profile, read_outcome, read_profile
from zoo.studies.spec import Cell, Study

Row = dict[str, str]
Key = tuple[str, int]  # fingerprint and seed

PACKAGES = ("python", "torch", "torchvision", "lightning")
RUN = ("tuned", "config", "seed", "data", "model", "parameters", "multiply_adds", "epochs", "best_epoch", "chosen_by")
SCORES = ("train_accuracy", "val_accuracy", "test_accuracy")
CURVES = ("train_curve", "val_curve")
CIRCUMSTANCES = ("seconds", "device", "processor", "precision", "git_commit", *PACKAGES, "error")
NEWER = ("chosen_by", "processor")  # columns that rows of earlier versions lack: empty there, and the rows count
COPIES = {"CIFAR10": "CIFAR-10, JPEG copy"}  # an archive in place of the original
STEPS = 12  # of a map of layers and steps, at most


def columns(study: Study) -> list[str]:
    """Of the file: what a run was, what it came to, and how."""
    outcomes = [outcome.name for outcome in study.report]
    return [*study.factors, *RUN, *SCORES, *outcomes, *CURVES, *study.maps, *CIRCUMSTANCES]


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV file; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_table(path: Path, rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> None:
    """Writes a CSV file, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


class Rows:
    """The rows of a study in its file.

    Args:
        study: the study.
        lock: file that whoever changes the rows holds.
    """

    def __init__(self, study: Study, lock: Path) -> None:
        self.study, self.lock = study, lock
        self.path, self.columns = study.folder / "results.csv", columns(study)

    def read(self) -> list[Row]:
        """The rows so far.

        Raises:
            UsageError: they are of another version of the study or of this program.
        """
        found, expected = header(self.path), self.columns
        if found and [name for name in found if name not in NEWER] != [name for name in expected if name not in NEWER]:
            new = [name for name in expected if name not in found]
            old = [name for name in found if name not in expected]
            raise UsageError(
                f"columns in {self.path}: expected those of this study and version"
                f"{first_names(' with ', new)}, found others{first_names(' with ', old)}."
                f" Try: rm '{self.path}' and run it anew"
            )
        return [dict.fromkeys(NEWER, "") | row for row in read_table(self.path)]

    def check_writable(self) -> None:
        """Raises UsageError unless rows can be added here."""
        beside = self.path.with_suffix(".try")
        try:
            if self.path.is_dir():
                raise IsADirectoryError(21, "a folder of this name")
            beside.touch()
            beside.unlink()
        except OSError as error:
            raise UsageError(
                f"rows in {self.path}: expected a folder to write to, found {error.strerror}."
                f" Try: chmod u+w '{self.path.parent}'"
            ) from error

    def add(self, row: Row) -> None:
        """Adds a row, in place of one of the same run."""
        self._change(lambda rows: [*(old for old in rows if key_of(old) != key_of(row)), row])

    def forget_failures(self) -> None:
        """Takes failed runs out, so that they are tried again."""
        if any(row["error"] for row in self.read()):
            self._change(lambda rows: [row for row in rows if not row["error"]])

    def _change(self, change: Callable[[list[Row]], list[Row]]) -> None:
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.lock):
            rows = sorted(change(Rows.read(self)), key=self._place)
            write_table(self.path, [{name: row[name] for name in self.columns} for row in rows], self.columns)

    def _place(self, row: Mapping[str, str]) -> tuple[Any, ...]:
        cell = tuple(row[factor] for factor in self.study.factors)
        known = self.study.cells.index(cell) if cell in self.study.cells else len(self.study.cells)
        return known, cell, row["tuned"], row["config"], int(row["seed"])


def header(path: Path) -> list[str]:
    """The columns of a CSV file; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def first_names(lead: str, names: Sequence[str]) -> str:
    """The first names, if there are any."""
    return lead + ", ".join(names[:4]) if names else ""


def key_of(row: Mapping[str, str]) -> Key:
    """What tells a run from another."""
    return row["config"], int(row["seed"])


def keys_of(rows: Iterable[Mapping[str, str]]) -> dict[Key, Mapping[str, str]]:
    """Rows by their runs."""
    return {key_of(row): row for row in rows}


def blank_row(study: Study, cell: Cell, tuned: str, config: str, seed: int) -> Row:
    """A row that says which run it is, and nothing of what it came to."""
    row = dict.fromkeys(columns(study), "")
    return row | dict(zip(study.factors, cell, strict=True)) | {"tuned": tuned, "config": config, "seed": str(seed)}


def results(study: Study, folder: Path, data: str, *, tested: bool = True) -> Row:
    """What a row says of a finished run.

    Args:
        study: the study.
        folder: the run's.
        data: name of the data set, as the study has it.
        tested: whether it was; the row of a run that tunes says nothing of the test images.

    Raises:
        ValueError: an outcome is not in the run's files.
    """
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    curves = read_metrics(folder / "metrics.csv")
    row = {key: str(record[key]) for key in ("model", "parameters", "multiply_adds", "epochs", "best_epoch")}
    row["data"] = COPIES.get(data, data) if record["data"] == "Arrays" else record["data"]
    row["chosen_by"] = record.get("chosen_by") or ""
    splits = ("train", "val", "test") if tested else ("train", "val")
    row |= {f"{split}_accuracy": format_number(record[split]["accuracy"]) for split in splits}
    row |= {f"{split}_n": str(record[split]["n"]) for split in splits if split != "train"}
    outcomes = [outcome for outcome in study.report if tested or not outcome.of_test]
    row |= {outcome.name: format_number(read_outcome(outcome.value, folder)) for outcome in outcomes}
    for split in ("train", "val"):
        values = [each[f"{split}/accuracy"] for each in curves if f"{split}/accuracy" in each]
        row[f"{split}_curve"] = " ".join(f"{value:.4f}" for value in values)
    row |= {quantity: pack_profile(read_profile(folder, quantity)) for quantity in study.maps}
    row |= {"seconds": f"{record['seconds']:.1f}", "device": record["device"], "precision": record["precision"]}
    row["processor"] = record.get("processor") or ""
    return row | {"git_commit": record["git_commit"] or ""} | {name: record["versions"][name] for name in PACKAGES}


def format_number(value: float | None) -> str:
    """With six digits; empty for none."""
    return "" if value is None else f"{value:.6g}"


def pack_profile(profile: Profile) -> str:
    """A profile in one cell, at some of its steps, the first and the last among them."""
    steps = sorted({step for by in profile.values() for step in by})
    last = max(1, min(STEPS, len(steps)) - 1)
    kept = {steps[round(i * (len(steps) - 1) / last)] for i in range(last + 1)}
    thin = {layer: {step: float(f"{v:.4g}") for step, v in by.items() if step in kept} for layer, by in profile.items()}
    return json.dumps(thin, separators=(",", ":"))
