"""What a network says of images, as a table for people.

seven.png   7  99.98 %   2   0.01 %   9   0.01 %
"""

from collections.abc import Sequence

import numpy as np

from zoo.errors import shorten
from zoo.runs.predictions import Predictions

SHOWN = 20  # rows
BEST = 3  # classes of a row
MOST_OF_FILE, MOST_OF_CLASS = 60, 24  # letters


def table(found: Predictions, classes: Sequence[str]) -> list[str]:
    """The likeliest classes of the first images, one line each.

    Args:
        found: what the network says.
        classes: K names.
    """
    names = ["image" if found.files is None else "picture"]
    cells: list[list[str]] = [["likeliest", "second", "third"][: min(BEST, len(classes))]]
    for i, row in zip(found.places[:SHOWN], found.probabilities[:SHOWN], strict=True):
        names.append(str(i) if found.files is None else tail(found.files[len(names) - 1]))
        best = np.argsort(-row, kind="stable")[:BEST]
        cells.append([f"{shorten(classes[k], MOST_OF_CLASS)}  {100 * row[k]:6.2f} %" for k in best])
    lines = aligned([[name, *row] for name, row in zip(names, cells, strict=True)])
    rest = len(found.places) - SHOWN
    return lines if rest <= 0 else [*lines, f"… and {rest:,} more"]


def tail(name: str) -> str:
    """The end of a file's name, if it is long: that tells it from others."""
    name = shorten(name, 10_000)
    return name if len(name) <= MOST_OF_FILE else f"…{name[1 - MOST_OF_FILE :]}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows whose cells stand below each other; numbers at the end of cells, too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for i, row in enumerate(rows):
        padded = [row[0].ljust(widths[0])]
        for cell, width in zip(row[1:], widths[1:], strict=True):
            word, _, number = cell.partition("  ")
            padded.append(word.ljust(width - len(number)) + number if i else cell.ljust(width))
        lines.append("   ".join(padded).rstrip())
    return lines


def accuracy_line(found: Predictions) -> str | None:
    """How many of the images with a label are right; None if there are no labels."""
    label = np.asarray(found.label)
    known = label >= 0
    if not known.any():
        return None
    right, n = int((found.probabilities.argmax(1) == label)[known].sum()), int(known.sum())
    return f"accuracy: {100 * right / n:.2f} %, {right:,} of {n:,} with a label"
