"""USPS, handwritten digits 16 × 16 in the text of LIBSVM, compressed by bzip2: usps.bz2 and usps.t.bz2.

    7 1:-1 2:-0.813 … 256:-1     the label 1 is the digit 0, and 10 is the digit 9; pixels are -1 to 1

Hull 1994. That the labels are the digit plus one is the opposite of SVHN's, where 10 is the digit 0.
"""

import bz2
import re
from pathlib import Path

import numpy as np

from datamodules.archive import check_memory
from datamodules.formats.source import Part, Raw, Source, Want, damaged, one_file, raw, reading, wanted_files

SIDE = 16
MOST_LINE = 2**16  # bytes of a row
MOST_ROWS = 100_000  # the largest of the files has 7,291
LINE = re.compile(rb"\d+(\.0*)?( \d+:-?[\d.eE+-]+)+")


def sniff(path: Path, start: bytes) -> bool:
    """Whether a file begins as one of bzip2 does."""
    return start.startswith(b"BZh") and part(path.name) is not None


def part(name: str) -> Part | None:
    """By the two names that the files have."""
    return {"usps.bz2": Part("usps", "train"), "usps.t.bz2": Part("usps", "test")}.get(name)


def read(source: Source, want: Want) -> Raw:
    """Images and labels of each split."""
    arrays: dict[str, np.ndarray] = {}
    for split, files in wanted_files(source, want):
        path = one_file(source, files)
        with reading(path, "rows of USPS"):
            arrays[f"{split}_images"], arrays[f"{split}_labels"] = rows(path)
    arrays["classes"] = np.array([*"0123456789"])
    return raw(
        "USPS: text of LIBSVM", arrays, [f"{source.path}: labels 1 to 10 were read as the digits 0 to 9, as in USPS"]
    )


def rows(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 16, 16) uint8 and labels (N,) from 0."""
    images: list[np.ndarray] = []
    labels: list[int] = []
    with bz2.open(path) as file:
        while line := file.readline(MOST_LINE).strip():
            if len(labels) == MOST_ROWS:
                raise damaged(path, "rows", f"at most {MOST_ROWS}", "more")
            if not LINE.fullmatch(line):
                raise damaged(path, f"row {len(labels) + 1}", "LABEL PLACE:VALUE …", line[:40])
            label, *pairs = line.split()
            pixels = np.full(SIDE**2, -1.0)
            for pair in pairs:
                place, _, value = pair.partition(b":")
                if not 1 <= int(place) <= SIDE**2:
                    raise damaged(path, f"places in row {len(labels) + 1}", f"1 to {SIDE**2}", int(place))
                pixels[int(place) - 1] = float(value)
            images.append(((pixels + 1) * 127.5).round().clip(0, 255).astype(np.uint8))
            labels.append(int(float(label)) - 1)
            if not 0 <= labels[-1] <= 9:
                raise damaged(path, "labels", "1 to 10, of which 1 is the digit 0", labels[-1] + 1)
    check_memory(path, len(images) * SIDE**2)
    if not images:
        raise damaged(path, "rows", "some", "none")
    return np.array(images).reshape(-1, SIDE, SIDE), np.array(labels)
