"""metrics.csv: one row per epoch (or step, if something logs by the step), written by every run.

    epoch,step,seconds,lr,train/loss,train/accuracy,val/loss,val/accuracy

Lightning's CSVLogger deletes what an interrupted run has written when the run goes on; this one continues it.
"""

import csv
import io
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from zoo.files import whole_file

FIRST = ["epoch", "step", "seconds", "lr", "train/loss", "train/accuracy", "val/loss", "val/accuracy"]
REWRITE_SECONDS = 5.0  # a long file is not written anew more often than this
ADVICE = " Try: without this file; the run goes on from its checkpoints alone"
SHORT = 1000  # rows; a file up to this length is written at once, and checkpoints hold it

Row = dict[str, float]


class MetricsFile(Logger):
    """Logs to one CSV file. Values of the same step share a row; test results are not training metrics and stay out.

    Args:
        path: the file; made with the first row.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: list[Row] = []
        self._text: str | None = None  # the file's content, as long as the rows are the same
        self._written = 0.0

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass  # config.yaml has them

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        kept = {name: value for name, value in metrics.items() if not name.startswith("test/")}
        if kept.keys() <= {"epoch"}:
            return
        if not self.rows or self.rows[-1]["step"] != step:
            self.rows.append({"step": step or 0})
        self.rows[-1].update(kept)
        self._text = None

    @rank_zero_only
    def save(self) -> None:
        if self.rows and (len(self.rows) <= SHORT or time.monotonic() - self._written > REWRITE_SECONDS):
            self._write()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self.rows:
            self._write()

    def _write(self) -> None:
        with whole_file(self.path) as file:
            file.write(self._content())
        self._written = time.monotonic()

    def _content(self) -> str:
        """The text of the file."""
        if self._text is None:
            others = sorted({name for row in self.rows for name in row} - set(FIRST))
            text = io.StringIO()
            table = csv.DictWriter(text, [*FIRST, *others], restval="")
            table.writeheader()
            table.writerows({name: tidy(value) for name, value in row.items()} for row in self.rows)
            self._text = text.getvalue()
        return self._text

    def state(self) -> dict[str, Any]:
        """What a checkpoint knows of the file: how many rows there are and, if they are not many, the rows."""
        return {"rows": len(self.rows), **({"text": self._content()} if len(self.rows) <= SHORT else {})}

    def known_row(self, known: Mapping[str, Any] | None, step: int) -> Row:
        """What a checkpoint knows of the row of a step, see `state`; empty if it knows nothing of it."""
        text = (known or {}).get("text")
        rows = parsed(text.splitlines(), "the checkpoint") if isinstance(text, str) else []
        return next((row for row in rows if row["step"] == step), {})

    def continue_from(self, step: int, row: Row | None = None, known: Mapping[str, Any] | None = None) -> str | None:
        """Takes up the file of an interrupted run.

        Args:
            step: where the run goes on; rows after it will be made again, and are left out.
            row: the last epoch's results from the checkpoint, in case that the run was killed before they came here.
            known: what the checkpoint knows of the file, see `state`.

        Returns:
            What was wrong with the file; None if nothing was.
        """
        found = [row for row in read_metrics(self.path) if row["step"] <= step]
        rows = {row["step"]: row for row in found}  # one for each step
        known = known or {}
        if isinstance(known.get("text"), str):
            kept = parsed(known["text"].splitlines(), "the checkpoint")
            # the last row need not have been complete when the checkpoint was written
            later = {at: row for at, row in rows.items() if not kept or at >= kept[-1]["step"]}
            rows = {row["step"]: later.pop(row["step"], {}) | row for row in kept} | later
        if row:  # through text, as the other rows have gone
            rows.setdefault(row["step"], {"step": row["step"]})
            rows[row["step"]] = rows[row["step"]] | {name: float(tidy(value)) for name, value in row.items()}
        self.rows, self._text = list(rows.values()), None
        return self._complaint(found, known.get("rows"), row)

    def _complaint(self, found: list[Row], count: Any, row: Row | None) -> str | None:
        """The message for the rows that were in the file."""
        last = [row["step"]] if row else []  # it need not have been written
        before, now = ([one for one in rows if one["step"] not in last] for rows in (found, self.rows))
        if type(count) is int and len(self.rows) < count:
            return (
                f"metrics in {self.path}: expected {count:,} rows before this start, found {len(self.rows):,};"
                " the others are lost, the run is not"
            )
        if type(count) is int and before != now:
            return f"metrics in {self.path}: expected the rows that the checkpoint knows, found others, now corrected"
        return None

    @rank_zero_only
    def take_back(self, step: int, names: Collection[str], before: Row) -> None:
        """Forgets some values of a step: those of an end that was none, as the run goes on.

        Args:
            step: of the row.
            names: of the values.
            before: what the row held before that end; may be empty.
        """
        for row in [row for row in self.rows if row["step"] == step]:
            for name in row.keys() & set(names) - {"step"}:
                del row[name]
            row.update({name: float(tidy(value)) for name, value in before.items()})
        self.rows = [row for row in self.rows if row.keys() != {"step"}]
        self._text = None


def tidy(value: float) -> str:
    """Whole numbers as such; others with the seven digits that a float32 has."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.7g}"


def read_metrics(path: Path) -> list[Row]:
    """The rows of a metrics file, without empty cells; no rows if there is no file.

    Raises:
        ValueError: it is not one that was written here.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return parsed(file, str(path))


def parsed(lines: Iterable[str], where: str) -> list[Row]:
    """The rows in the lines of a file; raises ValueError if they are not of one that was written here."""
    try:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(lines)]
    except (ValueError, TypeError, csv.Error) as error:
        raise ValueError(
            f"metrics in {where}: expected numbers under their names, found others ({error}).{ADVICE}"
        ) from error
    if not all("step" in row for row in rows):
        raise ValueError(f"metrics in {where}: expected a step in each row, found one without.{ADVICE}")
    return rows
