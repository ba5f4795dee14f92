"""CIFAR-10 and CIFAR-100 in the two other versions that their authors publish: pickles and records of bytes.

    cifar-100-python/train, test, meta          pickles: data (N, 3072), fine_labels, coarse_labels, names
    cifar-100-binary/train.bin, test.bin        records: coarse label, fine label, 3072 pixels
    data_batch_1 …, data_batch_1.bin …          CIFAR-10: one label

Of a picture all red pixels come first, row by row. The pickles are not unpickled: `pickles.py` reads what they hold.
Krizhevsky 2009.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datamodules.archive import check_memory
from datamodules.formats.pickles import read_plain
from datamodules.formats.source import Part, Raw, Source, Want, choice, damaged, raw, reading, wanted_files
from zoo.errors import DataError

PIXELS = 3 * 32 * 32
LABELS = ("labels", "fine_labels", "coarse_labels")
NAMES = {"labels": "label_names", "fine_labels": "fine_label_names", "coarse_labels": "coarse_label_names"}
KINDS = {"fine": "fine_labels", "coarse": "coarse_labels"}
COUNTS = {"labels": 10, "fine_labels": 100, "coarse_labels": 20}
PICKLE = re.compile(rb"\x80[\x02-\x05]")
TEXTS = ("batches.meta.txt", "fine_label_names.txt", "coarse_label_names.txt")
MOST_LABEL = 2**31
MOST_NAMES = 100_000  # bytes of a text file with names


class Batch(NamedTuple):
    """Pictures (N, 3072) uint8, and their labels (N,) by LABELS."""

    data: np.ndarray
    labels: Mapping[str, Any]


def sniff(path: Path, start: bytes) -> bool:
    """Whether a file is a pickle, or as long as records of CIFAR, or has names of its classes."""
    if path.name in TEXTS:
        return True
    if PICKLE.match(start):
        return True
    return path.suffix == ".bin" and any(path.stat().st_size % (each + PIXELS) == 0 for each in (1, 2))


def place(stem: str) -> Part | None:
    """By the names that the authors have given, without an ending."""
    if re.fullmatch(r"data_batch_\d", stem):
        return Part("cifar-10", "train")
    by_name = {
        "test_batch": Part("cifar-10", "test"),
        "batches.meta": Part("cifar-10", "", "names"),
        "meta": Part("", "", "names"),
    }
    return by_name.get(stem)


def part(name: str) -> Part | None:
    """By its name, with the ending .bin, .txt or none."""
    if name in TEXTS:
        return Part("cifar-10" if name == TEXTS[0] else "", "", "names")
    stem = name.removesuffix(".bin")
    if stem in ("train", "test"):
        return Part("", stem)
    return place(stem)


def read(source: Source, want: Want) -> Raw:
    """Either version, by the files' endings."""
    binary = any(path.suffix == ".bin" for files in source.files.values() for path in files)
    read_one = records if binary else unpickled
    batches = {split: [read_one(path) for path in files] for split, files in wanted_files(source, want)}
    names: dict[str, Sequence[str]] = {}
    for (_, kind), files in source.files.items():
        for path in files if kind == "names" else ():
            names |= names_in(path)
    return assembled(source, want, batches, names, "binary version" if binary else "Python version")


def records(path: Path) -> Batch:
    """The records of a .bin file."""
    size = path.stat().st_size
    check_memory(path, 2 * size)
    with reading(path, "records of CIFAR"):
        content = np.fromfile(path, np.uint8)
    kinds: dict[int, tuple[str, ...]] = {1: LABELS[:1], 2: LABELS[:0:-1]}  # the coarse label comes first
    for width, names in kinds.items():
        if size and size % (width + PIXELS) == 0:
            rows = content.reshape(-1, width + PIXELS)
            labels = {name: rows[:, i] for i, name in enumerate(names)}
            if all(labels[name].max() < COUNTS[name] for name in names):
                return Batch(rows[:, width:], labels)
    raise damaged(path, "records", f"{1 + PIXELS} or {2 + PIXELS} bytes each, labels first", f"{size} bytes")


def unpickled(path: Path) -> Batch:
    """What a pickle of the Python version holds."""
    found = read_plain(path)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, np.ndarray) or not any(key in found for key in LABELS):
        keys = ", ".join(map(str, found)) if isinstance(found, dict) else type(found).__name__
        raise DataError(f"keys in {path}: expected data and labels, as in CIFAR, found {keys or 'none'}")
    return Batch(data, {key: flat(path, key, found[key]) for key in LABELS if key in found})


def flat(path: Path, key: str, labels: Any) -> np.ndarray:
    """Labels (N,): a list of whole numbers, or an array."""
    if isinstance(labels, np.ndarray) and labels.ndim == 1:
        return labels
    if not isinstance(labels, list) or not all(type(label) is int and abs(label) < MOST_LABEL for label in labels):
        raise damaged(path, key, "a list of whole numbers", type(labels).__name__)
    return np.array(labels, np.int64)


def names_in(path: Path) -> dict[str, Sequence[str]]:
    """The names of classes, from a text file or a pickle."""
    if path.suffix == ".txt":
        with reading(path, "names of classes"), path.open(encoding="utf-8") as file:
            lines = [line.strip() for line in file.read(MOST_NAMES).splitlines() if line.strip()]
        return {{TEXTS[0]: "label_names"}.get(path.name, path.stem): lines}
    found = read_plain(path)
    return {
        key: names
        for key in NAMES.values()
        if isinstance(found, dict)
        and isinstance(names := found.get(key), list)
        and all(isinstance(x, str) for x in names)
    }


def assembled(
    source: Source, want: Want, batches: Mapping[str, list[Batch]], names: Mapping[str, Sequence[str]], version: str
) -> Raw:
    """All batches together, with the labels that are meant."""
    fine = any("fine_labels" in each.labels for parts in batches.values() for each in parts)
    which = choice(source.path, want.labels, [*KINDS] if fine else (), needed=want.needed)
    key = KINDS[which] if which else None if fine else "labels"
    arrays: dict[str, np.ndarray] = {}
    for split, parts in batches.items():
        for each in parts:
            if each.data.ndim != 2 or each.data.shape[1] != PIXELS:
                raise damaged(source.path, "shape of data", f"(N, {PIXELS})", each.data.shape)
            if key and key not in each.labels:
                raise damaged(source.path, "labels", key, ", ".join(each.labels) or "none")
        arrays[f"{split}_images"] = np.concatenate([each.data for each in parts]).reshape(-1, 3, 32, 32)
        if key:
            arrays[f"{split}_labels"] = np.concatenate([np.asarray(each.labels[key]) for each in parts])
    if key and NAMES[key] in names:
        arrays["classes"] = np.array(names[NAMES[key]])
    kind = f"CIFAR-{100 if fine else 10}, {version}{f', {which} labels' if which else ''}"
    missing = [] if not key or "classes" in arrays else [f"{source.path}: no names of the classes lie beside it"]
    return raw(kind, arrays, missing)
