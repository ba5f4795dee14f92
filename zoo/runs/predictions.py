"""predictions.csv: what the network says of each image of the test set, or of other data.

predictions.csv             of the test images that belong to the run
predictions-<name>.csv      of an archive <name>.npz, or of another data set
    index,label,predicted,predicted_class,p_<class 0>,…,p_<class K-1>      label is empty where it is not known
    …,file                                                                 of pictures, at the end: which one it was
….data.json                 beside each: which data these are, and which weights

A file of other data than these keeps its name: the new one gets a number.
"""

import csv
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.files import whole_file

HEAD = "index,label,predicted"  # how each file of predictions begins
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # with which a cell begins that a spreadsheet computes
MOST_LETTERS = 100  # of a name of a file
MOST_BYTES = 10_000_000  # of the note beside it


class Predictions(NamedTuple):
    """What a network says of images.

    Attributes:
        places: of each among the images, from 0.
        label: number of its class, below 0 where it is not known.
        probabilities: (N, K).
        files: the name of each, where they are pictures.
    """

    places: Sequence[int]
    label: Sequence[int]
    probabilities: NDArray[np.floating]
    files: Sequence[str] | None = None


def source_of(data: Mapping[str, Any]) -> str:
    """Which data a configuration names: the file, or else the data set.

    Args:
        data: `class_path` and `init_args`.
    """
    path = (data.get("init_args") or {}).get("path")
    return str(Path(path).absolute()) if isinstance(path, str) else str(data.get("class_path")).rpartition(".")[2]


def source_name(source: str) -> str:
    """Name for the predictions of other data than the run's own."""
    stem = re.sub(r"[^\w.-]", "_", Path(source).stem)
    return f"predictions-{stem[:MOST_LETTERS]}"


def predictions_path(folder: Path, name: str, source: str, *, own: bool = False) -> Path:
    """Where the predictions for these data go: where others' are not.

    Args:
        folder: the run's, or the working folder.
        name: of the file, without its ending.
        source: which data, see `source_of`.
        own: whether nothing else can have that name, since the folder is that of the run with these data.
    """
    path, number = folder / f"{name}.csv", 1
    while not own and path.exists() and noted_source(path) != source:
        number += 1
        path = folder / f"{name}-{number}.csv"
    return path


def note_path(path: Path) -> Path:
    """The note beside a file of predictions."""
    return path.with_suffix(".data.json")


def noted_source(path: Path) -> str | None:
    """Which data a file of predictions is of, as the note beside it says; None if it does not."""
    note = note_path(path)
    try:
        content = json.loads(note.read_text(encoding="utf-8")) if note.stat().st_size < MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    source = content.get("source") if isinstance(content, dict) else None
    return source if isinstance(source, str) else None


def requested_path(out: str, source: str) -> Path:
    """The file of `--out`; raises UsageError if something else than predictions stands there."""
    path = Path(out)
    if path.is_dir():
        raise UsageError(
            f"file in --out: expected a name that ends in .csv, found the folder {out}."
            f" Try: --out {shlex.quote(str(path / 'predictions.csv'))}"
        )
    if path.suffix != ".csv":
        raise UsageError(
            f"file in --out: expected a name that ends in .csv, found {out}."
            f" Try: --out {shlex.quote(str(path.with_suffix('.csv')))}"
        )
    if not path.exists():
        return path
    with path.open(encoding="utf-8", errors="replace") as file:
        begins = path.is_file() and file.read(len(HEAD)) == HEAD
    if not begins:
        raise UsageError(f"file in --out: expected a new one, or predictions, found another at {out}")
    if noted_source(path) not in (source, None):
        raise UsageError(
            f"file in --out: expected a new one, found predictions of {noted_source(path)} at {out}."
            f" Try: --out {shlex.quote(str(predictions_path(path.parent, path.stem, source)))}"
        )
    return path


def check_no_picture(path: Any, checkpoint: Path) -> None:
    """Raises UsageError, with the command that takes pictures, if the data are one picture.

    Args:
        path: the value of `--data.path`, if there is one.
        checkpoint: of the weights that are to be asked.
    """
    if not isinstance(path, str) or Path(path).suffix.lower() not in PICTURES or not Path(path).is_file():
        return
    run = checkpoint.parent.parent if (checkpoint.parent.parent / "config.yaml").is_file() else "RUN"
    raise UsageError(
        f"archive in --data.path: expected an .npz file, found the picture {path}."
        f" Try: python cli.py predict {shlex.quote(str(run))} {shlex.quote(path)}"
    )


def as_cell(file: str) -> str:
    """The name of a file for a table: no formula to a spreadsheet, and UTF-8, bytes that are none escaped."""
    name = os.fsencode(file).decode("utf-8", "backslashreplace")
    return f"./{name}" if name.startswith(FORMULA) else name


def write_predictions(path: Path, found: Predictions, classes: Sequence[str], note: Mapping[str, Any]) -> None:
    """Writes one row per image; probabilities with six digits after the point.

    Args:
        path: the file.
        found: what the network has said.
        classes: their names.
        note: which data these are, `source` among it, and which weights; goes into a file beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    head = [*HEAD.split(","), "predicted_class", *(f"p_{name}" for name in classes)]
    with whole_file(path) as file:
        table = csv.writer(file)
        table.writerow(head if found.files is None else [*head, "file"])
        for i, (place, label, row) in enumerate(zip(found.places, found.label, found.probabilities, strict=True)):
            guess = int(row.argmax())
            cells = [place, "" if label < 0 else label, guess, classes[guess], *(f"{p:.6f}" for p in row.tolist())]
            table.writerow(cells if found.files is None else [*cells, as_cell(found.files[i])])
    with whole_file(note_path(path)) as file:
        file.write(json.dumps({**note, "images": len(found.places), "classes": list(classes)}, indent=2) + "\n")
