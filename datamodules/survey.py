"""What lies at a path, told before anything is trained on it; and the same as an archive of this project.

    path  ->  Survey: what it was taken for, images and labels of each split, what is odd, whether `fit` takes it
    path  ->  OUT.npz, the same bytes for the same content

Needs no torch, but for splitting off a test part.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.classes import check_learnable
from datamodules.contents import (
    KEYS,
    SPLITS,
    UNKNOWN,
    Contents,
    all_classes,
    in_order,
    mendable,
    read_contents,
    require_arrays,
)
from datamodules.duplicates import doubles, hashes, repeated
from datamodules.formats.recognise import read_raw
from datamodules.formats.source import Want
from datamodules.missing import missing_error
from zoo.errors import DataError, UsageError, shorten
from zoo.files import temporary

KEPT = 5  # one of so many images goes to the test part


class Survey(NamedTuple):
    """What lies at a path.

    Attributes:
        kind: what it was taken for.
        classes: their names, or numbers.
        images: of each split, (N, H, W, C) uint8.
        labels: (N,) int64, below 0 where an image has none.
        notes: what is odd.
        refusal: what `fit` says if it does not take it.
    """

    kind: str
    classes: tuple[str, ...]
    images: Mapping[str, NDArray[np.uint8]]
    labels: Mapping[str, NDArray[np.int64]]
    notes: list[str]
    refusal: str | None


def survey(path: Path, labels: str | None = None) -> Survey:
    """Looks at a file or folder.

    Args:
        path: where it is.
        labels: as `--data.labels`.

    Raises:
        OSError, ValueError: with one message, if it is nothing that can be read.
    """
    own = read_contents(path, Want(SPLITS, labels))
    classes = all_classes(own) or of_test(own)
    notes, refusal = list(own.notes), None
    try:
        with mendable(path, packed=own.packed):
            require_arrays(path, own.called, KEYS, packed=own.packed)
            for split in own.labels.splits:
                in_order(path, own, split, classes, of_network=False)
            notes += check_learnable(own.labels, classes, named=is_named(own), rows=bool(own.rows))
            check_sizes(path, own)
    except ValueError as error:
        refusal = str(error)
    for split, images in own.images.items():
        if twice := doubles(images, hashes(images)):
            notes.append(f"{twice} of {len(images)} images of {own.called[f'{split}_images']} are there before already")
    notes += repeated(path, own.images)
    labelled = numbers(own, classes)
    most = 1 + max(int(each.max(initial=-1)) for each in labelled.values())
    classes += tuple(str(k) for k in range(len(classes), most))  # of which `fit` knows none
    return Survey(own.kind, classes, own.images, labelled, notes, refusal)


def is_named(own: Contents) -> bool:
    """Whether the file says which classes there are, so that one may have no image."""
    return own.names is not None or bool(own.rows)


def of_test(own: Contents) -> tuple[str, ...]:
    """The classes of labels of which none are for training."""
    found = {str(label) for each in own.labels.splits.values() for label in np.unique(each)}
    return own.names or tuple(sorted(found, key=lambda name: (len(name), name)))


def numbers(own: Contents, classes: tuple[str, ...]) -> dict[str, NDArray[np.int64]]:
    """The labels of each split as places in the classes, -1 where there are none."""
    found = {split: np.full(len(images), UNKNOWN) for split, images in own.images.items()}
    order = {name: k for k, name in enumerate(classes)}
    for split, labels in own.labels.splits.items():
        if labels.dtype.kind == "U" or "train" not in own.labels.splits:
            names, places = np.unique(labels, return_inverse=True)
            known = labels.dtype.kind != "U" and own.names is not None
            found[split] = labels if known else np.array([order[str(name)] for name in names])[places]
        else:
            found[split] = labels
    return found


def check_sizes(path: Path, own: Contents) -> None:
    """Raises DataError if the images of two splits differ in height, width or channels."""
    shapes = {split: images.shape[1:] for split, images in own.images.items()}
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{split} {' × '.join(map(str, shape))}" for split, shape in shapes.items())
        raise DataError(f"sizes of images in {path}: expected one for all splits, found {found}")


def convert(path: Path, out: Path, labels: str | None = None, *, unchecked: bool, split_test: bool) -> list[str]:
    """Writes an archive of this project; returns what people should know.

    Args:
        path: a file or folder of any format that is read.
        out: the archive, which is whole or not there.
        labels: as `--data.labels`.
        unchecked: write the arrays as they lie there, in whatever form, so that they can be mended in Python.
        split_test: keep a stratified fifth of the training images for the test.

    Raises:
        OSError, ValueError: with one message.
    """
    if unchecked:
        raw = read_raw(path, Want(SPLITS, labels))
        arrays, notes = dict(raw.arrays), list(raw.notes)
    else:
        own = read_contents(path, Want(SPLITS, labels))
        arrays, notes = arrays_of(own), list(own.notes)
    if split_test:
        notes += split_off(path, arrays)
    write_archive(out, arrays)
    return notes


def arrays_of(own: Contents) -> dict[str, np.ndarray]:
    """The arrays of an archive in the one form that is used here."""
    arrays: dict[str, np.ndarray] = {}
    for split in SPLITS:
        if split in own.images:
            images = own.images[split]
            arrays[f"{split}_images"] = np.ascontiguousarray(images[..., 0] if images.shape[3] == 1 else images)
        if split in own.labels.splits:
            arrays[f"{split}_labels"] = own.labels.splits[split]
    names = own.names or (all_classes(own) if own.rows else None)
    if names is not None:
        arrays["classes"] = np.array(names)
    return arrays


def split_off(path: Path, arrays: dict[str, np.ndarray]) -> list[str]:
    """Takes a stratified fifth of the training images for the test; returns what to tell.

    Raises:
        UsageError: there is a test part already, or nothing to split.
    """
    if "test_labels" in arrays:
        raise UsageError(
            f"value in --split_test: expected it for data without a test part, found one of"
            f" {len(arrays['test_labels'])} images in {path}. Try: without --split_test"
        )
    if not {"train_images", "train_labels"} <= arrays.keys():
        raise missing_error(path, KEYS[:2], [*arrays], [key for key in KEYS[:2] if key not in arrays], packed=True)
    import torch

    from datamodules.splits import stratified_order

    labels = np.unique(arrays["train_labels"].reshape(-1), return_inverse=True)[1]
    if len(labels) != len(arrays["train_images"]):
        raise DataError(
            f"train_labels in {path}: expected one for each of the {len(arrays['train_images'])} images, found"
            f" {arrays['train_labels'].shape}"
        )
    order = stratified_order(torch.from_numpy(labels.reshape(-1))).numpy()
    count = -(-len(order) // KEPT)
    parts = {"train": np.sort(order[:-count]), "test": np.sort(order[-count:])}
    unlabelled = len(arrays.get("test_images", ()))
    lost = f"; the {unlabelled} test images without labels were left out" if unlabelled else ""
    whole = {kind: arrays[f"train_{kind}"] for kind in ("images", "labels")}
    for split, places in parts.items():
        for kind, array in whole.items():
            arrays[f"{split}_{kind}"] = array.reshape(len(labels), *array.shape[1:])[places]
    return [f"{count} of {len(order)} training images were kept for the test, of each class a fifth{lost}"]


def write_archive(out: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an archive that is whole or not there; without a date in it, and not compressed.

    Raises:
        OSError: it cannot be written.
    """
    beside = temporary(out)
    try:
        with beside.open("xb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        beside.replace(out)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from error
    finally:
        beside.unlink(missing_ok=True)


def check_out(out: Path, *, replace: bool) -> None:
    """Raises UsageError for a file that cannot, or should not, be written, before anything is read."""
    if out.suffix != ".npz":
        raise UsageError(f"name in OUT: expected one that ends with .npz, found {shorten(out)}. Try: {out.stem}.npz")
    if out.exists() and not replace:
        raise UsageError(f"file in OUT: expected none, found {shorten(out)}. Try: another name, or --replace")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"folder in OUT: expected one that is there, found none at {out.parent}. Try: {out.name}")
