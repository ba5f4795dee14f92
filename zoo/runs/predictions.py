"""predictions.csv: what the network says of each image of the test set, or of other data.

predictions.csv             of the test images that belong to the run
predictions-<name>.csv      of an archive <name>.npz, or of another data set
    index,label,predicted,predicted_class,p_<class 0>,…,p_<class K-1>      label is empty where it is not known
….data.json                 beside each: which data these are, and which weights

A file of other data than these keeps its name: the new one gets a number.
"""

import csv
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.errors import UsageError, double_quoted
from zoo.files import whole_file

HEAD = "index,label,predicted"  # how each file of predictions begins
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
MOST_LETTERS = 100  # of a name of a file
MOST_BYTES = 10_000_000  # of the note beside it


class CollectPredictions(Callback):
    """Gathers indices (N,), labels (N,) and probabilities (N, K) over batches and devices, by index."""

    def __init__(self) -> None:
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        self.index = self.label = torch.empty(0, dtype=torch.int64)
        self.probabilities = torch.empty(0, 0)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        _, y, index = batch
        self._parts.append((index.cpu(), y.cpu(), outputs.cpu()))

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parts = self._parts
        if trainer.world_size > 1:
            gathered: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, parts)
            parts = [part for device in gathered for part in device]
        index, label, probabilities = (torch.cat(column) for column in zip(*parts, strict=True))
        order = index.argsort()
        self.index, self.label, self.probabilities = index[order], label[order], probabilities[order]


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
        content = json.loads(note.read_text()) if note.stat().st_size < MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    source = content.get("source") if isinstance(content, dict) else None
    return source if isinstance(source, str) else None


def requested_path(out: str, source: str) -> Path:
    """The file of `--out`; raises UsageError if something else than predictions stands there."""
    path = Path(out)
    if path.suffix != ".csv":
        raise UsageError(f"file in --out: expected a name that ends in .csv, found {out}. Try: --out {path.stem}.csv")
    if not path.exists():
        return path
    with path.open(errors="replace") as file:
        begins = path.is_file() and file.read(len(HEAD)) == HEAD
    if not begins:
        raise UsageError(f"file in --out: expected a new one, or predictions, found another at {out}")
    if noted_source(path) not in (source, None):
        raise UsageError(
            f"file in --out: expected a new one, found predictions of {noted_source(path)} at {out}."
            f" Try: --out {path.stem}-2.csv"
        )
    return path


def check_no_picture(path: Any, in_shape: Any) -> None:
    """Raises UsageError, with the command that makes an archive of it, if the data are one picture.

    Args:
        path: the value of `--data.path`, if there is one.
        in_shape: what the network takes, (C, H, W), as far as its checkpoint says.
    """
    if not isinstance(path, str) or Path(path).suffix.lower() not in PICTURES or not Path(path).is_file():
        return
    sides = in_shape if isinstance(in_shape, list | tuple) and all(type(side) is int for side in in_shape) else ()
    channels, height, width = sides if len(sides) == 3 else (3, 32, 32)
    out = Path(path).with_suffix(".npz").name
    form = "L" if channels == 1 else "RGB"
    code = (
        f'import numpy as n, PIL.Image as P; i = P.open({double_quoted(path)}).convert("RGBA");'
        f' i = P.alpha_composite(P.new("RGBA", i.size, "white"), i).convert("{form}");'
        f" n.savez({double_quoted(out)}, test_images=n.array([n.asarray(i.resize(({width}, {height})))]))"
    )
    raise UsageError(
        f"archive in --data.path: expected an .npz file, found the picture {path}."
        f" Try: python -c {shlex.quote(code)}, then --data.path {shlex.quote(out)}"
    )


def write_predictions(
    path: Path, collected: CollectPredictions, classes: Sequence[str], note: Mapping[str, Any]
) -> None:
    """Writes one row per image; probabilities with six digits after the point.

    Args:
        path: the file.
        collected: what the network has said.
        classes: their names.
        note: which data these are, `source` among it, and which weights; goes into a file beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    predicted = collected.probabilities.argmax(1).tolist()
    labels = ["" if label < 0 else label for label in collected.label.tolist()]
    with whole_file(path) as file:
        table = csv.writer(file)
        table.writerow([*HEAD.split(","), "predicted_class", *(f"p_{name}" for name in classes)])
        for i, label, guess, row in zip(
            collected.index.tolist(), labels, predicted, collected.probabilities.tolist(), strict=True
        ):
            table.writerow([i, label, guess, classes[guess], *(f"{p:.6f}" for p in row)])
    with whole_file(note_path(path)) as file:
        file.write(json.dumps({**note, "images": len(labels), "classes": list(classes)}, indent=2) + "\n")
