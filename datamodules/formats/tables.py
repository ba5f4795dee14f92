"""Tables of text as Kaggle has them: one row an image, its label and its pixels.

    label,pixel0,pixel1,…    train.csv, test.csv; fashion-mnist_train.csv …; without a header, too
    5,0,0,3,…              ->  images (N, H, W), labels (N,)

The labels are names: where there is none of a number (Sign Language MNIST has no 9), there is no class. Pixels are
those of a square, row by row. The files of EMNIST are read as its IDX files are.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.archive import check_memory
from datamodules.checks import form_error
from datamodules.formats import idx
from datamodules.formats.number_rows import blocks
from datamodules.formats.source import Raw, Source, Want, damaged, one_file, raw, reading, table_part, wanted_files
from zoo.errors import DataError, shorten
from zoo.files import natural

LABELS = ("label", "labels", "class", "target", "y", "digit", "letter")
UNUSED = ("", "id", "image_id", "imageid", "index", "unnamed: 0", "usage")
EDGE = 0.9  # share of rows with one value, in which a first column without a name is no label
LEAST = 4  # delimiters at the beginning of a table, if it has images
MOST_LINE = 2**22  # bytes of a row
MOST_COLUMNS = 200_000
MOST_ORDERED = 100_000  # columns whose names are looked at for their order
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

part = table_part("csv", "tsv", "txt")


class Head(NamedTuple):
    """What the first line of a table says.

    Attributes:
        delimiter: between two columns.
        names: of the columns; None without a header.
        columns: how many there are.
        label: the place of the labels; None if there are none.
        pixels: the places of the pixels.
        start: bytes of the header.
    """

    delimiter: str
    names: list[str] | None
    columns: int
    label: int | None
    pixels: range
    start: int


def sniff(path: Path, start: bytes) -> bool:
    """Whether a file begins with text that has a delimiter."""
    line = start.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0]
    text = all(32 <= byte < 127 or byte in b"\t\r" for byte in line)
    return text and max(line.count(each) for each in (b",", b";", b"\t")) >= LEAST


def read(source: Source, want: Want) -> Raw:
    """Images and labels of each split; a table without labels has images only."""
    arrays: dict[str, np.ndarray] = {}
    notes: list[str] = []
    for split, files in wanted_files(source, want):
        path = one_file(source, files)
        head = head_of(path)
        arrays[f"{split}_images"], labels = read_table(path, head)
        if labels is not None:
            arrays[f"{split}_labels"] = labels
        elif split == "train" and "" in {key[0] for key in source.files}:  # no split was said, and no label is there
            arrays["test_images"] = arrays.pop("train_images")
        if head.names is None:
            word = "has no header: the first column was read as the label" if labels is not None else "has no header"
            notes.append(f"{path} {word}")
    if idx.emnist(source.of):
        return idx.put_upright(source, arrays, f"EMNIST {idx.emnist(source.of)}: tables of text")
    return raw("tables of text, one row an image", arrays, notes, numerals=True)


def head_of(path: Path) -> Head:
    """What the first line says.

    Raises:
        ValueError: it says nothing that can be read as labels and pixels.
    """
    with reading(path, "a table of text"), path.open("rb") as file:
        line = file.readline(MOST_LINE)
        if len(line) == MOST_LINE:
            raise damaged(path, "bytes of the first row", f"less than {MOST_LINE}", "more")
        text = line.decode("utf-8-sig")
    delimiter = max(",;\t", key=text.count)
    if text.count(delimiter) >= MOST_COLUMNS:
        raise damaged(path, "columns", f"at most {MOST_COLUMNS}", text.count(delimiter) + 1)
    fields = [field.strip().strip('"').strip() for field in text.split(delimiter)]
    if all(NUMBER.fullmatch(field) for field in fields):
        label = None if is_square(len(fields)) else 0
        return Head(delimiter, None, len(fields), label, range(0 if label is None else 1, len(fields)), 0)
    lower = [field.lower() for field in fields]
    labels = [i for i, name in enumerate(lower) if name in LABELS]
    pixels = [i for i, name in enumerate(lower) if i not in labels and name not in UNUSED]
    if len(labels) > 1 or not pixels or pixels != [*range(pixels[0], pixels[-1] + 1)]:
        expected = f"one label ({', '.join(LABELS[:4])} …) before or behind all pixels"
        raise damaged(path, "columns", expected, ", ".join(fields))
    names = [fields[i] for i in pixels]
    if len(names) < MOST_ORDERED and names != sorted(names, key=natural):
        raise DataError(
            f"order of columns in {path}: expected pixels in the order of their numbers, found"
            f" {shorten(', '.join(names))}"
        )
    return Head(
        delimiter, fields, len(fields), labels[0] if labels else None, range(pixels[0], pixels[-1] + 1), len(line)
    )


def is_square(number: int) -> bool:
    """Whether so many pixels can be a square."""
    return math.isqrt(number) ** 2 == number


def read_table(path: Path, head: Head) -> tuple[np.ndarray, np.ndarray | None]:
    """Images (N, H, W), or flat rows where they are no square, and labels (N,), numbers or text.

    Raises:
        ValueError: a row is of another length, or a pixel is no number.
    """
    check_memory(path, path.stat().st_size)  # a pixel takes two letters at least, and becomes one byte or two
    pixels: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    with reading(path, "a table of numbers"):
        for names, numbers in blocks(path, head):
            pixels.append(numbers)
            labels.append(names)
        if not pixels:
            raise damaged(path, "rows", "some", "none")
        images = np.concatenate(pixels)
    count = len(head.pixels)
    if is_square(count):
        images = images.reshape(-1, math.isqrt(count), math.isqrt(count))
    if head.label is None:
        return images, None
    check_memory(path, 4 * sum(map(len, labels)) * max(each.itemsize for each in labels))
    if head.names is None:
        check_first_column(path, labels)
    alike = len({each.dtype.kind for each in labels}) == 1
    return images, one_form(path, np.concatenate([each if alike else each.astype(np.str_) for each in labels]))


def check_first_column(path: Path, labels: list[np.ndarray]) -> None:
    """Raises DataError if the first column of a table without a header looks like a pixel of the edge."""
    found, counts = np.unique(np.concatenate([each.astype(np.str_) for each in labels]), return_counts=True)
    share = counts.max() / counts.sum()
    if len(found) > 2 and share > EDGE:
        raise DataError(
            f"labels in {path}: expected them in the first column, as there is no header, found"
            f" {shorten(found[counts.argmax()])} in {100 * share:.0f} % of the rows."
            " Try: a first line that names the columns, such as pixel0,pixel1,…,label"
        )


def one_form(path: Path, labels: np.ndarray) -> np.ndarray:
    """Labels as whole numbers, where all are, else as text."""
    if labels.dtype.kind == "i":
        return labels
    found = np.unique(labels)
    if not all(NUMBER.fullmatch(name) for name in found):
        if "" in found:
            raise damaged(path, "labels", "one in each row", "rows without any")
        return labels
    if any(float(name) != int(float(name)) for name in found):
        raise form_error("labels", "train_labels", path, "names or whole numbers", str(found[0]), "whole numbers")
    return np.array([int(float(name)) for name in found])[np.searchsorted(found, labels)]
