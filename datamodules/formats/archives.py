"""NumPy archives: this project's, MedMNIST's and Keras' in one file, Kuzushiji's with one array a file.

own.npz: train_images …, [val_images, val_labels], [classes]
pathmnist.npz: the same names, labels (N, 1)            MedMNIST: Yang et al. 2023
mnist.npz: x_train, y_train, x_test, y_test             Keras
kmnist-train-imgs.npz, kmnist-train-labels.npz: arr_0   Kuzushiji: Clanuwat et al. 2018
"""

import zipfile
from pathlib import Path

import numpy as np

from datamodules.archive import read_arrays, readable
from datamodules.formats import idx
from datamodules.formats.source import Part, Raw, Source, Want, damaged, one_file, raw, wanted_files

NAMES = ("train_images", "train_labels", "test_images", "test_labels", "val_images", "val_labels", "classes")
KERAS = {
    f"{letter}_{split}": f"{split}_{kind}"
    for split in ("train", "test", "val")
    for letter, kind in (("x", "images"), ("y", "labels"))
}
ONE = "arr_0"  # what NumPy calls an array that was saved without a name


def sniff(path: Path, start: bytes) -> bool:
    """Whether a file is a zip file of arrays, or was meant to be one."""
    if start[:2] != b"PK":
        return path.suffix.lower() == ".npz"
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # damaged: the message of an archive is the best
        return path.suffix.lower() == ".npz"
    return path.suffix.lower() == ".npz" or any(name.endswith(".npy") for name in names)


def part(name: str) -> Part | None:
    """Files with one array only, named as IDX files are, belong together."""
    return idx.part(name[:-4]) if name.lower().endswith(".npz") else None


def read(source: Source, want: Want) -> Raw:
    """The arrays."""
    if all(kind == "both" for _, kind in source.files):
        [files] = source.files.values()
        return read_archive(one_file(source, files), want)
    arrays: dict[str, np.ndarray] = {}
    for kind in ("images", "labels"):
        for split, files in wanted_files(source, want, kind):
            path = one_file(source, files)
            found, names = read_arrays(path, [ONE])
            if names != [ONE]:
                raise damaged(path, "arrays", ONE, ", ".join(names))
            arrays[f"{split}_{kind}"] = found[ONE]
    return raw(f"Kuzushiji's archives of one array each, {source.of}", arrays)


def read_archive(path: Path, want: Want) -> Raw:
    """One archive with all arrays.

    Raises:
        ValueError: it has one array under both of its names, or is damaged.
    """
    asked = [key for key in (*NAMES, *KERAS) if key == "classes" or split_of(key) in want.splits]
    found, names = read_arrays(path, asked)
    for theirs, ours in KERAS.items():
        if theirs in found and ours in found:
            raise ValueError(
                f"arrays in {path}: expected {ours} or {theirs}, found both. Try: leave out the array {theirs}"
            )
    called = {KERAS.get(key, key): key for key in found}
    arrays = {KERAS.get(key, key): array for key, array in found.items()}
    others = [name for name in names if name not in NAMES and name not in KERAS and not name.endswith("/")]
    return Raw(kind_of(names, arrays), arrays, called, others, packed=False, names=names)


def kind_of(names: list[str], arrays: dict[str, np.ndarray]) -> str:
    """Whose archive that is."""
    if any(name in KERAS for name in names):
        return "a NumPy archive with Keras' names"
    columns = [array.ndim == 2 for key, array in arrays.items() if key.endswith("_labels")]
    if {"val_images", "val_labels", *NAMES[:4]} == set(names) and all(columns):
        return "a NumPy archive of MedMNIST"
    return "a NumPy archive"


def split_of(key: str) -> str:
    """The split that an array of images or labels belongs to."""
    return KERAS.get(key, key).partition("_")[0]


def is_pair(path: Path) -> bool:
    """Whether an archive has one array without a name, and the file's name says which it is."""
    if part(path.name) is None:
        return False
    with readable(path), zipfile.ZipFile(path) as archive:
        return archive.namelist() == [f"{ONE}.npy"]
