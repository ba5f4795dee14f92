"""What an archive of images and labels holds, read and brought into the one form that is used here.

FILE.npz  ->  Contents(images (N, H, W, C) uint8 and labels (N,) int64 of each split, names of the classes, …)
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.archive import read_arrays, readable
from datamodules.checks import FormError, together
from datamodules.classes import UNNAMED, Names, as_known, check_numbers, check_range, class_names, few, numbered, placed
from datamodules.forms import DARK, as_images, brightest, is_ambiguous
from datamodules.labels import Labels, as_labels, num_labelled
from datamodules.missing import missing_error
from datamodules.pictures import folder_in_words, kind_of_picture

KEYS = ("train_images", "train_labels", "test_images", "test_labels")
OPTIONAL = ("val_images", "val_labels", "classes")
KERAS = {
    f"{letter}_{split}": f"{split}_{kind}"
    for split in ("train", "test", "val")
    for letter, kind in (("x", "images"), ("y", "labels"))
}
SPLITS = ("train", "val", "test")
UNKNOWN = -1  # label of an image that has none


class Contents(NamedTuple):
    """What an archive holds, in the one form that is used here.

    Attributes:
        images: of each split that has some, (N, H, W, C) uint8.
        labels: (N,) int64; text where there are no training labels to number it.
        names: of the classes, where the file has them.
        called: name of each array in the file, under the name it has here.
        rows: number of classes that one-hot rows have given; 0 if there were none.
        texts: whether labels were text.
        notes: what is odd.
    """

    images: dict[str, np.ndarray]
    labels: Labels
    names: Names | None
    called: dict[str, str]
    rows: int
    texts: bool
    notes: list[str]


def read_contents(path: Path, splits: Sequence[str] = SPLITS) -> Contents:
    """Reads and checks an archive.

    Args:
        path: the file.
        splits: those that are read.

    Raises:
        FileNotFoundError, ValueError: with one message that names the file, what was expected and what was found.
    """
    check_archive(path)
    known = (*KEYS, *OPTIONAL, *KERAS)
    found, names = read_arrays(path, [key for key in known if key == "classes" or split_of(key) in splits])
    for theirs, ours in KERAS.items():
        if theirs in found and ours in found:
            raise ValueError(
                f"arrays in {path}: expected {ours} or {theirs}, found both. Try: leave out the array {theirs}"
            )
    called = {KERAS.get(key, key): key for key in found}
    raw = {KERAS.get(key, key): array for key, array in found.items()}
    if not {"train_images", "test_images", "val_images"} & raw.keys():
        require_arrays(path, called, KEYS, names)
    images, labels, rows = read_splits(path, raw, called)
    if "val" in images:
        require_arrays(path, called, OPTIONAL[:2])
    given = class_names(path, raw["classes"]) if "classes" in raw else None
    check_numbers(labels, given)
    texts = any(values.dtype.kind == "U" for values in labels.splits.values())
    numbers, given = numbered(labels, given)
    unused = [name for name in names if name not in known and not name.endswith("/")]
    notes = oddities(path, images, raw, called, given, unused)
    return Contents(images, labels._replace(splits=numbers), given, called, rows, texts, notes)


def split_of(key: str) -> str:
    """The split that an array of images or labels belongs to."""
    return KERAS.get(key, key).partition("_")[0]


def check_archive(path: Path) -> None:
    """Raises FileNotFoundError or ValueError, with what to do, where something else lies than an archive."""
    with readable(path):
        there, folder = path.is_file(), path.is_dir()
    if not there:
        found = folder_in_words(path) if folder else f"found nothing at {path}. Try: --data.path FILE.npz"
        raise FileNotFoundError(f"archive in --data.path: expected an .npz file, {found}")
    with readable(path):
        picture = kind_of_picture(path)
    if picture:
        raise ValueError(
            f"archive in {path}: expected plain arrays saved by numpy.savez, found a picture ({picture})."
            f" Try: --data.path {shlex.quote(str(path.parent))} for what makes an archive of all pictures there"
        )


def read_splits(
    path: Path, raw: Mapping[str, np.ndarray], called: Mapping[str, str]
) -> tuple[dict[str, np.ndarray], Labels, int]:
    """Images and labels of each split in their one form, and the number of classes if one-hot rows have given it."""
    images = check_forms(path, raw, called)
    labels, rows = Labels(path, {}, {}), 0
    errors: list[FormError] = []
    for split in images:
        given, key = raw.get(f"{split}_labels"), called.get(f"{split}_labels", "")
        if given is None:
            continue
        labels.called[split] = key
        try:
            labels.splits[split], width = as_labels(path, key, given, len(images[split]))
        except FormError as error:
            errors.append(error)
            continue
        if rows and width and width != rows:
            raise ValueError(
                f"shape of {key} in {path}: expected rows of {rows} as in {called['train_labels']}, found {width}"
            )
        rows = rows or width
    if errors:
        raise together(errors)
    return images, labels, rows


def check_forms(path: Path, raw: Mapping[str, np.ndarray], called: Mapping[str, str]) -> dict[str, np.ndarray]:
    """The images of each split, (N, H, W, C) uint8.

    Raises:
        ValueError: they cannot be read as they are; one line of Python in it mends those of all splits.
    """
    images: dict[str, np.ndarray] = {}
    errors: list[FormError] = []
    all_images = {called[key]: array for key, array in raw.items() if key.endswith("_images")}
    for split in SPLITS:
        pictures, given = raw.get(f"{split}_images"), raw.get(f"{split}_labels")
        key = called.get(f"{split}_labels", "")
        if pictures is None and given is not None:
            raise ValueError(
                f"arrays in {path}: expected {split}_images with {key}, found none. Try: leave out the array {key}"
            )
        if pictures is None:
            continue
        count = None if given is None else num_labelled(given)
        try:
            images[split] = as_images(path, called[f"{split}_images"], pictures, count, all_images)
        except FormError as error:
            errors.append(error)
    if errors:
        raise together(errors)
    return images


def in_order(path: Path, own: Contents, split: str, classes: Names, *, of_network: bool) -> np.ndarray:
    """The labels of a split as places in the classes, (N,) int64.

    Args:
        path: the file, for messages.
        own: what it holds.
        split: one that has labels.
        classes: all names.
        of_network: whether these are a network's, which labels with names are brought to.

    Raises:
        ValueError: there are labels of no such class.
    """
    labels, key, listed = own.labels.splits[split], own.called[f"{split}_labels"], "classes" in own.called
    if labels.dtype.kind == "U":
        return placed(path, key, labels, classes, listed=False)
    if own.names is None or not of_network or classes == own.names:
        check_range(own.labels, len(classes), named=listed)
        return labels
    check_range(own.labels, len(own.names), named=listed)
    unknown = [name for name in own.names if name not in classes]
    if unknown:
        advice = f"{UNNAMED}, if the labels are numbered as the network's are"
        raise ValueError(
            f"classes in {path}: expected those of the network, {few(classes)}, found {few(unknown)}."
            f" Try: {advice if listed else as_known(list(own.labels.called.values()), own.names, classes)}"
        )
    return np.array([classes.index(name) for name in own.names])[labels]


def oddities(
    path: Path,
    all_images: Mapping[str, np.ndarray],
    raw: Mapping[str, np.ndarray],
    called: Mapping[str, str],
    names: Names | None,
    unused: Sequence[str],
) -> list[str]:
    """What may be a mistake and need not be."""
    notes = []
    for split, images in all_images.items():
        key, shape = called[f"{split}_images"], raw[f"{split}_images"].shape
        if is_ambiguous(shape):
            notes.append(
                f"{key} {shape} in {path} was read as images of {shape[1]} × {shape[2]} with {shape[3]}"
                f" channel{'s' * (shape[3] > 1)}. If they have {shape[1]}: {key} = numpy.moveaxis({key}, 1, -1)"
            )
        if len(images) > 1 and (images[0] == images[1]).all() and (images == images[0]).all():
            notes.append(f"all {len(images)} images of {key} in {path} are equal")
    largest = max(brightest(images, DARK) for images in all_images.values())
    if 1 < largest < DARK:
        keys = [called[f"{split}_images"] for split in all_images]
        scaled = ", ".join(f"({key} * (255 / {largest})).round().astype('uint8')" for key in keys)
        notes.append(
            f"the largest pixel of all images in {path} is {largest}. If that is white: {', '.join(keys)} = {scaled}"
        )
    if names is not None and len(set(names)) < len(names):
        notes.append(f"classes in {path} has {len(names)} names, of which only {len(set(names))} are different")
    if unused:
        notes.append(f"arrays in {path} that are not used: {few(unused)}")
    return notes


def require_arrays(
    path: Path, called: Mapping[str, str], needed: Sequence[str], names: Sequence[str] | None = None
) -> None:
    """Raises ValueError if an array that is needed is not in the archive."""
    missing = [key for key in needed if key not in called]
    if missing:
        raise missing_error(path, needed, list(called.values() if names is None else names), missing)
