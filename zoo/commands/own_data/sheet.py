"""A sheet of examples of a data set: a row for each class, its first column the name, then training and test images.

    images (N, H, W, C) uint8 and labels (N,) of each split  ->  FILE.png

Transposed, mirrored or inverted images, and labels that are off by one, are seen here and nowhere else.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from zoo.errors import shorten
from zoo.files import temporary

PLAIN: Any = {"text.parse_math": False, "text.usetex": False}  # names are text, whatever is in them
MOST_CLASSES = 26
SHOWN = {"train": 9, "val": 3, "test": 3}  # images of a class
LARGEST = 96  # pixels of an image in the sheet
CELL = 0.55  # inches
GAP = 0.12  # between images, as a share of a cell
WORDS = {"train": "training", "val": "validation", "test": "test"}
LONGEST = 22  # letters of a name


def draw_sheet(found: Any, out: Path, title: str) -> None:
    """Draws examples of each class.

    Args:
        found: what lies somewhere; see datamodules/survey.py.
        out: the picture, which is whole or not there.
        title: what to write above it.

    Raises:
        OSError: it cannot be written.
    """
    rows = chosen_examples(found)
    beside = temporary(out).with_suffix(".png")
    try:
        with rc_context(PLAIN), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a box stands for it
            FigureCanvasAgg(sheet(found, rows, title)).print_figure(beside, dpi=120)
        beside.replace(out)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from error
    finally:
        beside.unlink(missing_ok=True)


def chosen_examples(found: Any) -> list[int]:
    """The classes that have a row, -1 for images without a label: all, or some from the first to the last."""
    count = len(found.classes)
    there = any((labels >= 0).any() for labels in found.labels.values())
    rows = np.unique(np.linspace(0, count - 1, min(count, MOST_CLASSES)).round().astype(int)).tolist() if there else []
    return [*rows, *([-1] if any((labels < 0).any() for labels in found.labels.values()) else [])]


def examples(labels: NDArray[np.int64], k: int, count: int) -> NDArray[np.int64]:
    """Places of some images of a class, from the first to the last."""
    places = np.flatnonzero(labels == k if k >= 0 else labels < 0)
    return places[np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).astype(int))]


def sheet(found: Any, rows: Sequence[int], title: str) -> Figure:
    """The figure."""
    splits = [split for split in SHOWN if split in found.images]
    starts = dict(zip(splits, np.cumsum([0, *(SHOWN[split] + 0.5 for split in splits)]), strict=False))
    across = sum(SHOWN[split] + 0.5 for split in splits)
    names = [shorten(found.classes[k], LONGEST) if k >= 0 else "no label" for k in rows]
    left, head = 0.3 + 0.075 * max(map(len, names)), 0.75  # inches for names, and for titles
    size = left + CELL * across, head + CELL * len(rows) + 0.1
    figure = Figure(figsize=size)
    axes = figure.add_axes((left / size[0], 0.1 / size[1], CELL * across / size[0], CELL * len(rows) / size[1]))
    axes.set(xlim=(0, across), ylim=(len(rows), 0))
    axes.axis("off")
    for place, k in enumerate(rows):
        axes.text(-0.2, place + 0.5, names[place], ha="right", va="center", fontsize=8)
        for split in splits:
            for i, image in enumerate(examples(found.labels[split], k, SHOWN[split])):
                put(axes, found.images[split][image], starts[split] + i, place)
    for split in splits:
        axes.text(starts[split], -0.15, WORDS[split], ha="left", va="bottom", fontsize=8, color="0.35")
    left_out = len(found.classes) - sum(k >= 0 for k in rows)
    more = f" ({left_out} more classes are not shown)" if left_out and any(k >= 0 for k in rows) else ""
    figure.text(0.1 / size[0], 1 - 0.12 / size[1], title, ha="left", va="top", fontsize=10)
    figure.text(0.1 / size[0], 1 - 0.34 / size[1], caption(found) + more, ha="left", va="top", fontsize=8, color="0.35")
    return figure


def caption(found: Any) -> str:
    """What the images are, in a line."""
    height, width, channels = next(iter(found.images.values())).shape[1:]
    counts: Mapping[str, Any] = found.images
    parts = ", ".join(f"{len(each):,} {WORDS[split]}" for split, each in counts.items())
    return f"{height} × {width}, {'grey' if channels == 1 else 'colour'}; {parts}"


def put(axes: Any, image: NDArray[np.uint8], column: float, row: int) -> None:
    """One image (H, W, C) in its cell, its aspect kept."""
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    height, width = image.shape[:2]
    side = (1 - GAP) / max(height, width)
    x, y = column + 0.5, row + 0.5
    extent = (x - side * width / 2, x + side * width / 2, y + side * height / 2, y - side * height / 2)
    axes.imshow(
        np.asarray(picture), cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", interpolation="nearest"
    )
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
