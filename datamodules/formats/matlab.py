"""MATLAB's files: SVHN, and CIFAR-10 and CIFAR-100 in MATLAB's version.

train_32x32.mat, test_32x32.mat: X (32, 32, 3, N), y (N, 1), of which 10 is the digit 0      SVHN: Netzer et al. 2011
data_batch_1.mat … test_batch.mat, batches.meta.mat: data (10000, 3072), labels              CIFAR-10
train.mat, test.mat, meta.mat: data, fine_labels, coarse_labels                              CIFAR-100
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datamodules.formats import cifar
from datamodules.formats.archives import NAMES
from datamodules.formats.mat_file import HDF5, MAGIC, read_mat
from datamodules.formats.source import (
    Part,
    Raw,
    Source,
    Want,
    choice,
    damaged,
    one_file,
    raw,
    split_in,
    wanted_files,
    words_of,
)
from zoo.errors import DataError, shorten

SVHN_ZERO = 10  # the label of the digit 0


def sniff(path: Path, start: bytes) -> bool:
    """Whether a file is MATLAB's; those of version 7.3 are HDF5 inside."""
    return start.startswith(MAGIC) or (path.suffix.lower() == ".mat" and start.startswith(HDF5))


def part(name: str) -> Part | None:
    """Names of CIFAR, or the split that the name says."""
    stem, dot, ending = name.rpartition(".")
    if not dot or ending.lower() != "mat":
        return None
    if place := cifar.place(stem):
        return place
    split, rest = split_in(words_of(stem))
    return Part("-".join(rest), split)


def read(source: Source, want: Want) -> Raw:
    """SVHN or CIFAR, by the names of the variables."""
    parts = {split: [read_mat(path) for path in files] for split, files in wanted_files(source, want)}
    kinds = {kind_of(each) for files in parts.values() for each in files}
    if kinds == {"SVHN"}:
        return svhn(source, want, parts)
    if kinds == {"CIFAR"}:
        return of_cifar(source, want, parts)
    if kinds == {"OWN"}:
        return own(source, want)
    variables = sorted({name for files in parts.values() for each in files for name in each})
    expected = "X and y, as in SVHN, or data and labels, as in CIFAR"
    raise DataError(
        f"variables in {source.path}: expected {expected}, found {shorten(', '.join(variables)) or 'none'}."
        f' Try: in Python, f = scipy.io.loadmat("{source.path}"); numpy.savez("own.npz", train_images=…,'
        " train_labels=…, test_images=…, test_labels=…)"
    )


def kind_of(variables: Mapping[str, np.ndarray]) -> str | None:
    """Whose variables these are."""
    if {"X", "y"} <= variables.keys() or set(variables) == {"X"}:
        return "SVHN"
    if variables.keys() & {"train_images", "test_images"}:
        return "OWN"
    return "CIFAR" if "data" in variables and variables.keys() & {"labels", "fine_labels"} else None


def own(source: Source, want: Want) -> Raw:
    """A file with the variables of this project's archives, as `scipy.io.savemat` writes them."""
    choice(source.path, want.labels, ())
    found: dict[str, np.ndarray] = {}
    for path in (path for files in source.files.values() for path in files):
        more = read_mat(path)
        if twice := sorted(found.keys() & more.keys() & {*NAMES}):
            raise damaged(source.path, "variables", "each once", f"{twice[0]} twice")
        found |= more
    arrays = {
        key: found[key] for key in NAMES if key in found and (key == "classes" or key.partition("_")[0] in want.splits)
    }
    if "classes" in arrays:
        arrays["classes"] = arrays["classes"].reshape(-1)
    others = [name for name in found if name not in NAMES]
    return raw("a MATLAB file with the names of this project", arrays)._replace(others=others, names=[*found])


def svhn(source: Source, want: Want, parts: dict[str, list[dict[str, np.ndarray]]]) -> Raw:
    """Images counted on the last axis; the digit 0 has the label 10."""
    choice(source.path, want.labels, ())
    arrays: dict[str, np.ndarray] = {}
    zeros = 0
    for split, files in parts.items():
        if len(files) > 1:
            one_file(source, source.files[split, "both"])
        images = files[0]["X"]
        if images.ndim not in (3, 4):
            raise damaged(source.path, "shape of X", "(H, W, 3, N)", images.shape)
        arrays[f"{split}_images"] = np.moveaxis(images, -1, 0)
        if "y" in files[0]:
            labels = files[0]["y"].reshape(-1)
            if labels.dtype.kind not in "iuf" or not np.isin(labels, np.arange(SVHN_ZERO + 1)).all():
                raise damaged(source.path, "labels y", "1 to 10, of which 10 is the digit 0", np.unique(labels)[-1])
            if (labels == 0).any() and (labels == SVHN_ZERO).any():
                raise damaged(source.path, "labels y", "10 or 0 for the digit 0", "both")
            zeros += int((labels == SVHN_ZERO).sum())
            arrays[f"{split}_labels"] = np.where(labels == SVHN_ZERO, 0, labels).astype(np.int64)
    arrays["classes"] = np.array([*"0123456789"])
    note = f"{source.path}: the label 10 of {zeros} images was read as the digit 0, as in SVHN"
    return raw("SVHN: MATLAB files", arrays, [note] if zeros else [])


def of_cifar(source: Source, want: Want, parts: dict[str, list[dict[str, np.ndarray]]]) -> Raw:
    """CIFAR's variables as in its other versions."""
    meta = names_of(source)
    batches = {
        split: [
            cifar.Batch(each["data"], {key: each[key].reshape(-1) for key in cifar.LABELS if key in each})
            for each in files
        ]
        for split, files in parts.items()
    }
    return cifar.assembled(source, want, batches, meta, "MATLAB version")


def names_of(source: Source) -> dict[str, Sequence[str]]:
    """The names of the classes, from the file beside."""
    meta: dict[str, Sequence[str]] = {}
    for (_, kind), files in source.files.items():
        if kind == "names":
            found = read_mat(one_file(source, files))
            meta |= {
                key: [str(name) for name in found[key].reshape(-1)] for key in cifar.NAMES.values() if key in found
            }
    return meta
