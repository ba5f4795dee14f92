"""Rows of results, written anew each time: a session that breaks off leaves what there is."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def write_rows(path: Path, rows: Sequence[Any]) -> None:
    """Writes dataclasses of one kind as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(asdict(rows[0])))
        table.writeheader()
        table.writerows(asdict(row) for row in rows)
