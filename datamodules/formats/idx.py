"""IDX, the format of MNIST's files, plain or compressed by gzip: one file of images and one of labels for each split.

    train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…    MNIST, Fashion-MNIST, KMNIST
    emnist-letters-train-images-idx3-ubyte …                    EMNIST: each image transposed, letters from 1
    qmnist-test-labels-idx2-int …                               QMNIST: eight numbers a label, the first is the class

A header (two zero bytes, a code of the number type, the number of axes, each axis as a big-endian uint32), then the
numbers, big-endian. LeCun, Cortes, Burges 1998; Cohen, Afshar, Tapson, van Schaik 2017; Yadav, Bottou 2019.
"""

import gzip
import math
import re
import struct
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits
from typing import IO, cast

import numpy as np

from datamodules.archive import check_memory
from datamodules.formats.source import (
    Part,
    Raw,
    Source,
    Want,
    damaged,
    one_file,
    raw,
    reading,
    split_in,
    wanted_files,
    words_of,
)
from zoo.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 5
DEFLATE = 1032  # bytes that one byte can become, at most
GZIP = b"\x1f\x8b"
KINDS = {"images": "images", "image": "images", "imgs": "images", "labels": "labels", "label": "labels"}
FORM = re.compile(r"idx\d?|u?byte|int|float|double|short")  # words that say what the file says itself
QMNIST_COLUMNS = 8
EMNIST = {  # names of the classes, and the first label
    "byclass": (digits + ascii_uppercase + ascii_lowercase, 0),
    "bymerge": (digits + ascii_uppercase + "abdefghnqrt", 0),
    "balanced": (digits + ascii_uppercase + "abdefghnqrt", 0),
    "letters": (ascii_lowercase, 1),
    "digits": (digits, 0),
    "mnist": (digits, 0),
}


def sniff(path: Path, start: bytes) -> bool:
    """Whether a file begins as IDX does, behind a gzip header too."""
    if start[:2] == GZIP:
        with reading(path, "a gzip file"), gzip.open(path) as file:
            start = file.read(4)
    return len(start) >= 4 and start[:2] == b"\0\0" and start[2] in TYPES and 1 <= start[3] <= MOST_AXES


def part(name: str) -> Part | None:
    """By the words images and labels in its name."""
    split, rest = split_in(words_of(name))
    kinds = {KINDS[word] for word in rest if word in KINDS}
    if len(kinds) != 1:
        return None
    return Part("-".join(word for word in rest if word not in KINDS and not FORM.fullmatch(word)), split, kinds.pop())


def read(source: Source, want: Want) -> Raw:
    """Images and labels of each split."""
    arrays: dict[str, np.ndarray] = {}
    for kind in ("images", "labels"):
        for split, files in wanted_files(source, want, kind):
            arrays[f"{split}_{kind}"] = read_idx(one_file(source, files))
    notes = []
    for key in [key for key in arrays if key.endswith("_labels")]:
        labels = arrays[key]
        if labels.ndim == 2 and labels.shape[1] == QMNIST_COLUMNS and labels.dtype == np.dtype(">i4"):
            arrays[key] = labels[:, 0]
            notes = [f"{source.path}: of the {QMNIST_COLUMNS} numbers of a label, as in QMNIST, the first is the class"]
    if emnist(source.of):
        return put_upright(source, arrays, f"EMNIST {emnist(source.of)}: IDX files")
    return raw(f"IDX files{' of ' + source.of if source.of else ', named as those of MNIST'}", arrays, notes)


def emnist(of: str) -> str | None:
    """Which set of EMNIST has this name."""
    word, _, name = of.partition("-")
    return name if word == "emnist" and name in EMNIST else None


def put_upright(source: Source, arrays: dict[str, np.ndarray], kind: str) -> Raw:
    """EMNIST's images upright, its labels from 0, and the names of its classes.

    Args:
        source: whose name is one of EMNIST.
        arrays: as they lie in its files.
        kind: what they were taken for.
    """
    names, first = EMNIST[str(emnist(source.of))]
    for key, array in arrays.items():
        if key.endswith("_images") and array.ndim == 3:
            arrays[key] = np.ascontiguousarray(array.swapaxes(1, 2))
        elif key.endswith("_labels") and array.size:
            low, high = int(array.min()), int(array.max())
            if low < first or high >= first + len(names):
                last = first + len(names) - 1
                raise damaged(source.path, f"labels of {source.of}", f"{first} to {last}", f"{low} to {high}")
            arrays[key] = array.astype(np.int64) - first
    arrays["classes"] = np.array([*names])
    return raw(kind, arrays, [f"{source.path}: EMNIST's files hold images transposed; they were put upright"])


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file.

    Raises:
        ValueError: it is damaged, or its header says another size than it has.
    """
    with reading(path, "an IDX file"), path.open("rb") as beginning:
        compressed = beginning.read(2) == GZIP
        beginning.seek(0)
        opened = gzip.GzipFile(fileobj=beginning) if compressed else beginning
        with opened as file:
            return array_in(path, cast(IO[bytes], file), compressed=compressed)


def array_in(path: Path, file: IO[bytes], *, compressed: bool) -> np.ndarray:
    """The array in an open file, once its size is known to be possible."""
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in TYPES or not 1 <= start[3] <= MOST_AXES:
        raise damaged(path, "IDX header", "two zero bytes, a type and a number of axes", start.hex(" "))
    shape = struct.unpack(f">{start[3]}I", file.read(4 * start[3]))
    dtype = np.dtype(TYPES[start[2]])
    size = math.prod(shape) * dtype.itemsize
    there = path.stat().st_size
    most = there * DEFLATE if compressed else there - 4 - 4 * len(shape)
    if size > most or (size < most and not compressed):
        raise damaged(path, f"bytes of numbers for the shape {shape}", f"{size}", f"{'at most ' * compressed}{most}")
    check_memory(path, size)
    content = np.empty(size, np.uint8)
    view, done = content.data, 0
    while done < size:
        step = file.readinto(view[done : done + 2**24])  # type: ignore[attr-defined]
        if not step:
            raise DataError(f"bytes of numbers for the shape {shape} in {path}: expected {size}, found {done}")
        done += step
    if file.read(1):
        raise DataError(f"bytes of numbers for the shape {shape} in {path}: expected {size}, found more")
    return content.view(dtype if dtype.itemsize > 1 else dtype.newbyteorder("=")).reshape(shape)
