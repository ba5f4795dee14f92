"""A trained network, tested again with other flags, such as images that are normalised otherwise.

predict --run_dir RUN FLAGS -> RUN/predictions.csv -> the accuracy under `test` in RUN/result.json
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.launch.jobs import Start, last_words
from zoo.runs.result import write_record
from zoo.studies.settings import to_argv


def retest(folder: Path, settings: Mapping[str, Any], start: Start) -> None:
    """Puts the accuracy with these settings in place of that of the run's own test.

    Raises:
        ValueError: the command failed; its last words.
    """
    ended = start(["predict", "--run_dir", str(folder), "--otherwise", "allow", *to_argv(settings)])
    if ended.code:
        raise ValueError(last_words(ended))
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        right = [row["label"] == row["predicted"] for row in csv.DictReader(file)]
    path = folder / "result.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record.pop("report", None)  # of the run's own test
    write_record(path, {**record, "test": {"accuracy": sum(right) / len(right), "loss": None, "n": len(right)}})
